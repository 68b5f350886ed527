"""What every pipeline engine does alike. One harness per engine; engines of their own kind of file differ in it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from nautes_adapters.kubernetes import SPACE_KINDS, KubernetesTarget, ProductSpaces
from nautes_adapters.memory import MemoryPipelineEngine
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import RunRequest, Space
from nautes_domain.failures import Rejected
from nautes_domain.plan import Action, Verb
from support.crd_schemas import problems
from support.local_cluster import clusters

REQUEST = RunRequest(
    name="apple-ci-0123456789abcdef0123",
    namespace="apple-ci",
    account="apple-builder",
    labels={"nautes.io/runtime": "apple-ci", "nautes.io/product": "orchard"},
    annotations={"nautes.io/delivery": "d-1"},
    params={"revision": "0a1b", "ref": "refs/heads/main"},
)
SPACE = Space(
    "orchard", "apple-ci", "build-east", "apple-ci", "apple-builder", may_run=True, entity="Runtime/apple-ci"
)

TEKTON_FILE = b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  generateName: trunk-
  namespace: kube-system
spec:
  params: [{name: revision, value: main}]
  taskRunTemplate: {serviceAccountName: root}
  pipelineSpec:
    params: [{name: revision}]
    tasks:
    - name: test
      taskSpec:
        steps:
        - {name: one, image: busybox, script: "echo $(params.revision)"}
"""


@dataclass
class Harness:
    """An engine, a good file of its kind, and how to read a run of its kind."""

    engine: Any
    source: bytes
    read: Callable[[Any], dict[str, Any]]
    started: Callable[[], Awaitable[list[str]]]


def read_memory(run):
    return {key: run[key] for key in ("name", "namespace", "account", "labels", "annotations", "params")}


def read_tekton(run):
    metadata, spec = run["metadata"], run["spec"]
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "account": spec["taskRunTemplate"]["serviceAccountName"],
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "params": {one["name"]: one["value"] for one in spec["params"]},
    }


async def in_memory():
    engine = MemoryPipelineEngine()
    source = json.dumps(
        {"kind": "Run", "name": "forged", "namespace": "kube-system", "account": "root"}
    ).encode()

    async def started():
        return [name for _, name in engine.runs]

    return Harness(engine, source, read_memory, started)


async def on_tekton(client):
    target = KubernetesTarget(client, "build-east", SPACE_KINDS)
    state = ProductSpaces().space_state("product_orchard", (SPACE,))
    for ref in sorted(state, key=lambda one: SPACE_KINDS.index(one.kind)):
        await target.apply(Action(Verb.CREATE, ref, None, state[ref].spec, "declared"))

    async def started():
        return [one["metadata"]["name"] for one in await client.list("PipelineRun", "apple-ci")]

    return Harness(TektonEngine(client), TEKTON_FILE, read_tekton, started)


@pytest.fixture(params=["memory", "tekton"])
async def harness(request, tmp_path):
    if request.param == "memory":
        yield await in_memory()
        return
    async with clusters(tmp_path) as start:
        yield await on_tekton(await start())


def built(harness, request=REQUEST):
    return harness.engine.build(request, harness.source, file="ci/trunk.yaml")


async def test_it_has_a_name(harness):
    assert harness.engine.name


async def test_name_place_account_and_labels_are_ours(harness):
    run = harness.read(built(harness))
    assert (run["name"], run["namespace"], run["account"]) == (
        REQUEST.name,
        REQUEST.namespace,
        REQUEST.account,
    )
    assert run["labels"].items() >= REQUEST.labels.items()
    assert run["annotations"].items() >= REQUEST.annotations.items()
    assert not {"kube-system", "root", "forged"} & {str(value) for value in run.values()}


async def test_event_data_becomes_parameters(harness):
    assert harness.read(built(harness))["params"].items() >= REQUEST.params.items()


async def test_building_is_pure(harness):
    assert built(harness) == built(harness)
    assert built(harness) != built(harness, replace(REQUEST, params={"revision": "ffff"}))


@pytest.mark.parametrize(
    "source", [b"", b"kind: Pod\n", b'{"kind": "ClusterRoleBinding"}', b"\xff\xfe", b"a: ["]
)
async def test_what_is_not_exactly_one_run_is_rejected_with_file_and_line(harness, source):
    with pytest.raises(Rejected) as raised:
        harness.engine.build(REQUEST, source, file="ci/trunk.yaml")
    assert raised.value.violations
    assert {one.file for one in raised.value.violations} == {"ci/trunk.yaml"}
    assert all(one.line >= 1 for one in raised.value.violations)


async def test_starting_twice_makes_one_run(harness):
    run = built(harness)
    assert await harness.engine.start(REQUEST, run) is True
    assert await harness.engine.start(REQUEST, run) is False
    assert await harness.started() == [REQUEST.name]


async def test_different_names_are_different_runs(harness):
    other = replace(REQUEST, name="apple-ci-ffffffffffffffffffff")
    assert await harness.engine.start(REQUEST, built(harness)) is True
    assert await harness.engine.start(other, built(harness, other)) is True
    assert sorted(await harness.started()) == sorted([REQUEST.name, other.name])


RUNS = [
    TEKTON_FILE,
    b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: trunk}}\n",
    b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {labels: {team: apples}}
spec:
  pipelineRef: {resolver: git, params: [{name: url, value: "https://git.example/x.git"}]}
  timeouts: {pipeline: 1h, tasks: 50m, finally: 10m}
  workspaces:
  - {name: source, volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}
  - {name: cache, emptyDir: {}}
  taskRunTemplate: {podTemplate: {nodeSelector: {arch: arm64}}}
  taskRunSpecs: [{pipelineTaskName: test, serviceAccountName: root, timeout: 5m}]
""",
]


@pytest.mark.parametrize("source", RUNS)
def test_tekton_runs_satisfy_the_schema_of_the_real_resource(source):
    run = TektonEngine(None).build(REQUEST, source, file="ci/trunk.yaml")
    assert problems(run) == []


def test_the_schema_check_finds_what_a_server_refuses():
    run = TektonEngine(None).build(REQUEST, TEKTON_FILE, file="ci/trunk.yaml")
    assert problems({**run, "spec": {**run["spec"], "invented": 1}}) == [".spec.invented: unknown field"]
    assert problems({**run, "spec": {**run["spec"], "params": "x"}})
