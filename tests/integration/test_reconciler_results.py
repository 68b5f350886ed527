"""Runs on a cluster, their results beside commits: two replicas, restarts, outages, claims that do not hold."""

import asyncio
import io
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest

from nautes_adapters.gitlab import GitLabCodeHost
from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    RECONCILER,
    SPACE_KINDS,
    SYSTEM_NAMESPACE,
    KubernetesClient,
    KubernetesTarget,
    ProductSpaces,
    bootstrap_state,
)
from nautes_adapters.memory import MemorySecretStore
from nautes_adapters.tekton import TektonEngine
from nautes_domain import names
from nautes_domain.capabilities import CommitState, CommitStatus, Space
from nautes_domain.effects import Result
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.snapshot import IndexedProject
from nautes_domain.triggers import Facts, match
from nautes_reconciler.clusters import Cluster, Clusters
from nautes_reconciler.following import Follower
from nautes_reconciler.records import Declarations
from nautes_reconciler.results import Results
from nautes_runtime import logs, streams
from nautes_runtime.bus import Bus
from nautes_runtime.locks import ScopeLocks
from nautes_runtime.records import Bucket, open_bucket
from support import tekton
from support.controlplane_real import settle
from support.examples import orchard, tree
from support.forge import start_forge
from support.gitlab_cases import ForgeWorld
from support.kubernetes import start_kubernetes
from support.nats import start_nats
from support.service_processes import TENANT, Desk, desk, eventually

CLUSTER = "build-east"
LOCK = f"reconciler.results.cluster_{CLUSTER}"
SPACE = Space("orchard", "apple-ci", CLUSTER, "apple-ci", "apple-builder", may_run=True, entity="Runtime/x")
FILE = b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: trunk}}\n"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with (
        start_nats(folder) as nats,
        start_forge(folder) as forge,
        start_kubernetes(folder, CLUSTER) as kubernetes,
    ):
        yield SimpleNamespace(nats=nats, forge=forge, kubernetes=kubernetes)


@dataclass
class Place:
    """One product with a repository and a namespace, and everything that follows its runs."""

    servers: SimpleNamespace
    desk: Desk
    admin: KubernetesClient
    project: object
    world: ForgeWorld
    secrets: MemorySecretStore

    @asynccontextmanager
    async def replica(self, owner):
        """Run what a replica of the reconciler runs; yield its log. At the end it is cancelled, as on SIGTERM."""
        at = self.desk
        host = GitLabCodeHost(self.servers.forge.url, self.servers.forge.token)
        declarations = Declarations(at.desired, Bucket(at.js, "index", IndexedProject), at.status)
        clusters = Clusters(self.secrets, connect)
        bus = Bus(at.js, TENANT, "reconciler", now)
        results = Results(host, declarations, bus, now=now, clock=perf_counter)
        out = io.StringIO()
        log = logs.configure("reconciler", "INFO", out)

        async def declared():
            return (await declarations.tenant()).clusters

        follower = Follower(clusters, declared, results, ScopeLocks(open_bucket(at.js, "locks"), owner), log)
        task = asyncio.create_task(follower.run())
        try:
            yield out
        finally:
            task.cancel()
            await asyncio.wait({task})
            await clusters.close()
            await host.close()

    async def register(self):
        """Give the reconciler a token of its own account on the cluster, as the secret broker does."""
        token = await self.admin.token_request(SYSTEM_NAMESPACE, RECONCILER, (), 3600)
        values = {"server": self.admin.server, "ca": self.admin.ca_pem, "token": token.value}
        await self.secrets.write("cluster", names.cluster_account_path(CLUSTER, RECONCILER), values)

    async def start(self, **annotations):
        """Start the run that a push asks for; return its request."""
        commit = await self.world.commit(self.project, "main", {"a.txt": uuid4().hex.encode()})
        delivery = push(self.project.id, commit)
        (run,) = match(delivery, orchard(), "apple-api-src", Facts()).runs
        request = replace(run.request, annotations={**run.request.annotations, **annotations})
        engine = TektonEngine(self.admin)
        assert await engine.start(request, engine.build(request, FILE, file="ci/build.yaml"))
        return request

    async def play(self, request, status):
        await tekton.play(self.admin, request.namespace, request.name, status)

    def rows(self, request):
        """Return every status that was ever written beside the commit, oldest first."""
        notes = request.annotations
        path = f"/api/v4/projects/{notes['nautes.io/project-id']}/repository/commits/{notes['nautes.io/commit']}/statuses"
        headers = {"PRIVATE-TOKEN": self.servers.forge.token}
        answer = httpx.get(
            f"{self.servers.forge.url}{path}", params={"all": "true"}, headers=headers
        ).raise_for_status()
        return sorted(answer.json(), key=lambda row: row["id"])

    async def shown(self, request, state):
        """Wait until the newest status of the run's commit is `state`, and the run says so too; return it."""

        async def there():
            rows = self.rows(request)
            return rows[-1] if rows and rows[-1]["status"] == state else None

        return await eventually(there, f"the status {state}")

    async def marked(self, request, phase):
        async def there():
            run = await self.admin.get("PipelineRun", request.name, request.namespace)
            return run["metadata"]["annotations"].get("nautes.io/reported") == phase

        await eventually(there, f"the mark {phase}")

    async def effects(self, request):
        found = await self.desk.effects()
        return [one for one in found if one.cause.commit == request.annotations["nautes.io/commit"]]


def now():
    return datetime.now(UTC)


def connect(name, secret):
    client = KubernetesClient.from_token(*(secret.values[key] for key in ("server", "ca", "token")))
    return Cluster(
        secret.version, KubernetesTarget(client, name, ()), TektonEngine(client, window=2), client.close
    )


def push(project_id, commit):
    return Delivery(
        id=f"d-{commit[:8]}",
        hook="orchard.apple-api-src",
        kind=DeliveryKind.PUSH,
        event="Push Hook",
        project_id=project_id,
        project="orchard/apple-api-src",
        ref="refs/heads/main",
        before="a" * 40,
        after=commit,
        checkout_sha=commit,
        actor="eve",
        received_at=now(),
    )


@pytest.fixture
async def place(servers, tmp_path):
    async with AsyncExitStack() as stack:
        admin = KubernetesClient.from_kubeconfig(servers.kubernetes.kubeconfig)
        stack.push_async_callback(admin.close)
        bootstrap = bootstrap_state(CLUSTER, f"cluster_{CLUSTER}")
        await settle(KubernetesTarget(admin, CLUSTER, BOOTSTRAP_KINDS), bootstrap, f"cluster_{CLUSTER}")
        state = ProductSpaces().space_state("product_orchard", (SPACE,))
        await settle(KubernetesTarget(admin, CLUSTER, SPACE_KINDS), state, "product_orchard")
        world = ForgeWorld(servers.forge, tmp_path)
        stack.push_async_callback(world.host.close)
        project = await world.add_project()
        at = await stack.enter_async_context(desk(servers.nats))
        await at.declare("tenant", tree("management"))
        await at.declare("product_orchard", tree("orchard/default.project"))
        await at.index((project.id, "orchard", "apple-api-src"))
        found = Place(servers, at, admin, project, world, MemorySecretStore(now))
        await found.register()
        yield found


async def test_a_run_is_told_from_its_creation_to_its_end_with_records(place):
    async with place.replica("one"):
        request = await place.start()
        await place.shown(request, "pending")
        await place.play(request, tekton.RUNNING)
        await place.shown(request, "running")
        await place.play(request, tekton.SUCCEEDED)
        row = await place.shown(request, "success")
        await place.marked(request, "succeeded")
    assert row["name"] == "nautes/apple-ci"
    assert row["description"] == f"PipelineRun {request.name} on build-east succeeded in 1 min 12 s"
    assert len(place.rows(request)) == 1
    effects = await place.effects(request)
    assert [one.result for one in effects] == [Result.DONE] * 3
    assert {(one.system, one.scope, one.entity) for one in effects} == {
        ("gitlab", "product_orchard", "ProjectPipelineRuntime/apple-ci")
    }
    assert "succeeded in 1 min 12 s" in effects[-1].because


async def test_a_failing_run_says_which_task_and_why(place):
    async with place.replica("one"):
        request = await place.start()
        await place.shown(request, "pending")
        await tekton.play_failure(place.admin, request.namespace, request.name)
        row = await place.shown(request, "failed")
    assert row["description"].startswith('Failed: task unit: "step-unit" exited with code 3')
    assert "after 1 min 12 s" in row["description"]


async def test_what_a_watch_brings_late_is_not_told_again(place):
    """The end comes while the pending phase is still being told: then its mark comes after the end."""
    async with place.replica("one"):
        requests = [await place.start() for _ in range(5)]
        for request in requests:
            await place.play(request, tekton.SUCCEEDED)
        for request in requests:
            await place.marked(request, "succeeded")
        last = await place.start()
        await place.marked(last, "pending")
    for request in requests:
        effects = await place.effects(request)
        assert {one.result for one in effects} == {Result.DONE}
        assert len([one for one in effects if "succeeded" in one.because]) == 1


async def test_a_run_that_is_deleted_was_cancelled(place):
    async with place.replica("one"):
        request = await place.start()
        await place.shown(request, "pending")
        await place.admin.delete("PipelineRun", request.name, request.namespace)
        row = await place.shown(request, "canceled")
    assert row["description"].startswith("Deleted: the run was deleted")


async def test_what_happened_while_nobody_followed_is_made_up_for_once(place):
    request = await place.start()
    async with place.replica("one"):
        await place.marked(request, "pending")
    await place.play(request, tekton.RUNNING)
    await place.play(request, tekton.SUCCEEDED)
    for _ in range(2):
        async with place.replica("two"):
            await place.marked(request, "succeeded")
            other = await place.start()  # met after the first in the list: the replica is through with it
            await place.marked(other, "pending")
    assert [row["status"] for row in place.rows(request)] == ["success"]
    assert len(await place.effects(request)) == 2


async def test_killed_between_status_and_record_it_says_nothing_twice(place):
    """What a replica leaves that died there: the status is set, and neither effect nor mark is written."""
    request = await place.start()
    await place.play(request, tekton.SUCCEEDED)
    words = f"PipelineRun {request.name} on build-east succeeded in 1 min 12 s"
    status = CommitStatus(CommitState.SUCCESS, "nautes/apple-ci", words, "main")
    await place.world.host.set_status(place.project.id, request.annotations["nautes.io/commit"], status)
    async with place.replica("one"):
        await place.marked(request, "succeeded")
    assert [row["status"] for row in place.rows(request)] == ["success"]
    (effect,) = await place.effects(request)
    assert effect.result is Result.ALREADY


async def test_killed_between_record_and_mark_it_records_nothing_twice(place):
    request = await place.start()
    await place.play(request, tekton.SUCCEEDED)
    async with place.replica("one"):
        await place.marked(request, "succeeded")
    unmarked = {"metadata": {"annotations": {"nautes.io/reported": None}}}
    await place.admin.patch_merge("PipelineRun", request.name, request.namespace, unmarked)
    async with place.replica("two"):
        await place.marked(request, "succeeded")
    assert [row["status"] for row in place.rows(request)] == ["success"]
    assert [one.result for one in await place.effects(request)] == [Result.DONE]


async def test_of_two_replicas_one_reports_and_the_other_takes_over(place):
    async with place.replica("two"):
        async with place.replica("one"):
            request = await place.start()
            await place.shown(request, "pending")
            await place.play(request, tekton.RUNNING)
            await place.shown(request, "running")
            holder = await open_bucket(place.desk.js, "locks").get(LOCK)
            assert holder.value in {b"one", b"two"}
        await place.play(request, tekton.SUCCEEDED)
        await place.shown(request, "success")
        await place.marked(request, "succeeded")
    assert len(place.rows(request)) == 1
    assert [one.result for one in await place.effects(request)] == [Result.DONE] * 3


async def test_a_replica_that_died_is_followed_when_its_lock_ends(place):
    js = place.desk.js
    usual, short = streams.bucket_config("locks"), streams.bucket_config("locks")
    short.max_age, short.duplicate_window = 1.0, 1.0
    await js.update_stream(short)
    await open_bucket(js, "locks").create(LOCK, b"died")
    request = await place.start()
    async with place.replica("two"):
        await place.shown(request, "pending")
    await js.update_stream(usual)


async def test_a_cluster_that_is_registered_later_and_whose_token_is_renewed(place):
    secrets, place.secrets = place.secrets, MemorySecretStore(now)
    request = await place.start()
    async with place.replica("one"):
        await place.register()
        await place.shown(request, "pending")
        await place.register()  # another version; whoever asks next closes the connection that we watch with
        await place.play(request, tekton.SUCCEEDED)
        await place.shown(request, "success")
    assert secrets is not place.secrets


async def test_a_code_host_that_is_away_is_told_when_it_is_back(place):
    async with place.replica("one") as log:
        request = await place.start()
        await place.marked(request, "pending")
        place.servers.forge.stop()
        await place.play(request, tekton.SUCCEEDED)

        async def refused():
            return "gitlab-unavailable" in log.getvalue()

        await eventually(refused, "the code host to be missed")
        place.servers.forge.start()
        await place.shown(request, "success")
    assert len(place.rows(request)) == 1


@pytest.mark.parametrize("claim", ["project", "namespace", "product", "commit"])
async def test_a_run_with_claims_that_do_not_hold_is_not_reported(place, claim):
    """A pipeline may create runs in its namespace, with marks of any kind."""
    foreign = await place.world.add_project()
    victim = await place.world.commit(foreign, "main", {"b.txt": b"1"})
    await place.desk.index((foreign.id, "meadow", "pear-src"))
    forged = {"nautes.io/project-id": str(foreign.id), "nautes.io/commit": victim}
    if claim == "namespace":
        other = replace(SPACE, namespace="meadow-ci")
        state = ProductSpaces().space_state("product_meadow", (other,))
        await settle(KubernetesTarget(place.admin, CLUSTER, SPACE_KINDS), state, "product_meadow")
    async with place.replica("one") as log:
        if claim == "project":
            request = await place.start(**forged)
        elif claim == "commit":
            request = await place.start(**{"nautes.io/commit": victim})
        else:
            request = await forge_run(place, claim, forged)
        genuine = await place.start()
        await place.play(genuine, tekton.SUCCEEDED)
        await place.shown(genuine, "success")
        await place.play(request, tekton.SUCCEEDED)
        again = await place.start()
        await place.marked(again, "pending")
        # Claims about a commit of our own project that does not exist are refused by the code host itself.
        assert ("no-such" in log.getvalue() or "gitlab-refused" in log.getvalue()) == (claim == "commit")
    if claim != "commit":
        assert place.rows(request) == []
    assert await place.world.host.status(foreign.id, victim, "nautes/apple-ci") is None


async def forge_run(place, claim, annotations):
    """Create a run with a true project and commit in a namespace that is not the runtime's, or of another product."""
    commit = await place.world.commit(place.project, "main", {"a.txt": uuid4().hex.encode()})
    (run,) = match(push(place.project.id, commit), orchard(), "apple-api-src", Facts()).runs
    request = run.request
    if claim == "namespace":
        request = replace(request, namespace="meadow-ci")
    else:
        labels = {**request.labels, "nautes.io/product": "meadow"}
        request = replace(request, labels=labels, annotations={**request.annotations, **annotations})
    engine = TektonEngine(place.admin)
    assert await engine.start(request, engine.build(request, FILE, file="ci/build.yaml"))
    return request
