"""Starting runs on a cluster: as the account, once, and only where the account may."""

import itertools
from dataclasses import replace

import pytest

from nautes_adapters.kubernetes import SPACE_KINDS, KubernetesTarget, ProductSpaces
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import RunRequest, Space
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Action, Verb, covers
from support.asked_runs import EVENTS, NAMES_NO_COMMIT, PATHS, PIPELINES, VARIABLES, asked
from support.local_cluster import clusters

SPACE = Space(
    "orchard", "apple-ci", "build-east", "apple-ci", "builder", may_run=True, entity="Runtime/apple-ci"
)
REQUEST = RunRequest(
    "apple-ci-0123", "apple-ci", "builder", {"nautes.io/runtime": "apple-ci"}, {}, {"ref": "refs/heads/main"}
)
FILE = b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: trunk}}\n"


@pytest.fixture
async def client(tmp_path):
    async with clusters(tmp_path) as start:
        yield await start("build-east")


async def prepare(client, *spaces, kinds=SPACE_KINDS):
    target = KubernetesTarget(client, "build-east", SPACE_KINDS)
    state = ProductSpaces().space_state("product_orchard", spaces)
    for ref in sorted(state, key=lambda one: SPACE_KINDS.index(one.kind)):
        if ref.kind in kinds:
            await target.apply(Action(Verb.CREATE, ref, None, state[ref].spec, "declared"))


def build(engine, request=REQUEST, source=FILE):
    return engine.build(request, source, file="ci/trunk.yaml")


async def test_a_run_is_there_as_it_was_built(client):
    await prepare(client, SPACE)
    engine = TektonEngine(client)
    assert await engine.start(REQUEST, build(engine)) is True
    found = await client.get("PipelineRun", REQUEST.name, "apple-ci")
    assert found["spec"]["params"] == [{"name": "ref", "value": "refs/heads/main"}]
    assert found["spec"]["taskRunTemplate"]["serviceAccountName"] == "builder"
    assert found["metadata"]["labels"]["nautes.io/runtime"] == "apple-ci"


@pytest.mark.parametrize(
    "there", [(), ("Namespace",), ("Namespace", "ServiceAccount"), ("Namespace", "ServiceAccount", "Role")]
)
async def test_a_run_waits_for_its_space(client, there):
    await prepare(client, SPACE, kinds=there)
    engine = TektonEngine(client)
    with pytest.raises(Blocked) as raised:
        await engine.start(REQUEST, build(engine))
    assert raised.value.by == "namespace/apple-ci"
    await prepare(client, SPACE)
    assert await engine.start(REQUEST, build(engine)) is True


async def test_a_run_has_the_rights_of_its_account_and_not_ours(client):
    """The administrator's client may do anything; an account for deployments may not start runs."""
    await prepare(client, replace(SPACE, may_run=False))
    engine = TektonEngine(client)
    with pytest.raises(Rejected) as raised:
        await engine.start(REQUEST, build(engine))
    assert raised.value.code == "kubernetes-denied"
    assert await client.list("PipelineRun", "apple-ci") == []


async def test_an_account_starts_nothing_in_another_namespace(client):
    other = replace(SPACE, namespace="meadow-ci")
    await prepare(client, SPACE)
    await prepare(client, other)
    engine = TektonEngine(client)
    run = build(engine, replace(REQUEST, namespace="meadow-ci"))
    with pytest.raises(Rejected):
        await engine.start(REQUEST, run)
    assert await client.list("PipelineRun", "meadow-ci") == []


async def test_an_unknown_field_is_rejected_in_the_servers_words(client):
    await prepare(client, SPACE)
    engine = TektonEngine(client)
    run = build(engine, source=FILE.replace(b"{name: trunk}", b"{name: trunk, invented: x}"))
    with pytest.raises(Rejected, match="invented"):
        await engine.start(REQUEST, run)


PRODUCT = [
    (event, path, spec, number % 2 == 0)
    for number, (event, path, spec) in enumerate(itertools.product(EVENTS, PATHS, PIPELINES))
]
"""Each kind of event, path and file with each other; every other run waits for its turn."""


async def test_a_cluster_takes_every_kind_of_run_that_is_built(client):
    """With all inputs in place, as the account that the run is for."""
    await prepare(client, replace(SPACE, account="apple-builder"))
    engine = TektonEngine(client)
    wanted = {}
    for number, (event, path, spec, held) in enumerate(PRODUCT):
        pinned = event in NAMES_NO_COMMIT
        found = asked(EVENTS[event], VARIABLES, path, pinned=pinned, held=held, spec=PIPELINES[spec])
        request = replace(found.request, name=f"{found.request.name[:50]}-{number}")
        run = engine.build(request, found.source, file=path)
        assert await engine.start(request, run) is True, (event, path, spec)
        wanted[request.name] = run
    there = {one["metadata"]["name"]: one for one in await client.list("PipelineRun", "apple-ci")}
    assert there.keys() == wanted.keys()
    for name, run in wanted.items():
        assert covers(there[name], run), name
