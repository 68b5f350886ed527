"""The reconciler dies at every step between a delivery and the end of its run: each run exactly once, the limit kept.

`pytest tests/chaos/test_run_kill.py --kills=200` is the long version.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from nautes_domain import names
from support.followed_runs import CLUSTER, push, run_place, run_servers
from support.gitlab_cases import add_group, add_project, forge_api
from support.mortal_reconciler import STEPS, Mortal
from support.openbao import start_openbao
from support.service_processes import eventually, vault_settings, write_secret
from support.tekton_player import playing

LIMIT, KEPT = 2, 5
FILE = b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: trunk}}\n"
STREAMS = [f"DELIVERIES_{index}" for index in range(4)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill")
    with run_servers(folder) as found, start_openbao(folder) as openbao:
        found.openbao = openbao
        yield found


@pytest.fixture
async def place(servers, tmp_path):
    async with run_place(servers, tmp_path) as found:
        await found.declare(f"concurrency: {{limit: {LIMIT}}}\nmaxKeepRuns: {KEPT}")
        async with forge_api(servers.forge) as api:  # without a commit, so that what was declared above stays
            for group, project in (("acme", names.TENANT_PROJECT), ("orchard", names.CONFIG_PROJECT)):
                await add_project(api, await add_group(api, group, ""), project)
        yield found


@pytest.fixture
async def mortal(servers, place, tmp_path):
    path = names.cluster_account_path(CLUSTER, "nautes-reconciler")
    write_secret(servers.openbao, "cluster", path, (await place.secrets.read("cluster", path)).values)
    token = tmp_path / "gitlab-token"
    token.write_text(servers.forge.token + "\n")
    settings = {
        "NAUTES_TENANT": "acme",
        "NAUTES_NATS__URL": servers.nats.url,
        "NAUTES_GITLAB__URL": servers.forge.url,
        "NAUTES_GITLAB__TOKEN_FILE": str(token),
        "NAUTES_MANAGEMENT__KUBECONFIG": str(servers.kubernetes.kubeconfig),
        "NAUTES_GATEWAY_URL": "http://127.0.0.1:9",
        "NAUTES_TAKEOVER": "PT0.5S",
        "NAUTES_RESYNC": "P1D",
        **vault_settings(servers.openbao, tmp_path, "reconciler"),
    }
    found = Mortal(tmp_path / "reconciler.log", settings)
    yield found
    found.close()


@pytest.fixture
def kills(request):
    return request.config.getoption("--kills")


async def drained(place):
    """Say whether every delivery was acknowledged."""
    for stream in STREAMS:
        found = await place.desk.js.consumer_info(stream, f"reconciler-deliveries-{stream[-1]}")
        if found.num_pending or found.num_ack_pending:
            return False
    return True


async def break_locks(place):
    """Have the locks of the dead end now: they would in fifteen seconds."""
    await place.desk.js.purge_stream("KV_locks")


async def at_its_step(mortal):
    """Say whether a life ended at its step; one that does not come that far is killed."""
    ended = asyncio.create_task(asyncio.to_thread(mortal.ended))
    done, _ = await asyncio.wait({ended}, timeout=2.5)
    if not done:
        mortal.kill()
    await ended
    return bool(done)


async def settled(place, player, deliveries):
    """Say whether every delivery had its run, every run its end, and no more are left than are kept."""
    if len(player.spans) < len(deliveries) or not await drained(place):
        return False
    left = await place.admin.list("PipelineRun", "apple-ci")
    return len(left) == KEPT and all((run.get("status") or {}).get("completionTime") for run in left)


@pytest.mark.timeout(3600)
async def test_killed_at_any_step_every_run_starts_once_and_never_more_than_the_limit(place, mortal, kills):
    dice = random.Random(kills)
    deliveries, steps = [], sorted(STEPS)

    async def push_some():
        commit = await place.world.commit(place.project, "main", {"ci/build.yaml": FILE})
        for _ in range(3):
            before = uuid4().hex + uuid4().hex[:8]
            one = push(place.project.id, commit).model_copy(update={"id": uuid4().hex, "before": before})
            deliveries.append(one)
            await place.desk.bus.deliver(one)

    async with AsyncExitStack() as stack:
        player = await stack.enter_async_context(playing(place.admin, lambda: dice.uniform(0.0, 0.15)))
        at_steps = 0
        for number in range(kills):
            await push_some()
            if number % 4 == 3:  # by the clock, wherever it is then
                mortal.live()
                await asyncio.sleep(dice.uniform(0.1, 1.5))
                mortal.kill()
                mortal.ended()
            else:
                step = steps[number % len(steps)]
                mortal.live(step, dice.choice(["call", "return"]), dice.randint(1, 30))
                at_steps += await at_its_step(mortal)
            await break_locks(place)
        mortal.live()
        await eventually(lambda: settled(place, player, deliveries), "every run to have ended", 60 + kills)
        # The same events told through another hook, hours later: their runs are gone from the cluster.
        for one in deliveries:
            await place.desk.bus.deliver(one.model_copy(update={"hook": "group", "id": uuid4().hex}))
        await eventually(lambda: drained(place), "the repetitions to be dealt with", 60 + kills)
        mortal.kill()
        mortal.ended()
    assert at_steps > kills // 4
    assert set(player.created.values()) == {1}
    assert player.causes == dict.fromkeys((one.id for one in deliveries), 1)
    assert player.spans.keys() == player.created.keys()
    assert player.most_at_once() <= LIMIT
    originals = {one.id for one in deliveries}
    effects = [one for one in await place.desk.effects() if one.cause.delivery in originals]
    for verb in ("create", "update"):  # started, and let go
        runs = [one for one in effects if one.verb == verb and one.system == f"kubernetes/{CLUSTER}"]
        assert sorted(one.object.split("/")[-1] for one in runs) == sorted(player.created)
