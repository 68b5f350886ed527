"""Pipeline engines for tests of what they do alike: one harness each, with a good file of its kind."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from nautes_adapters.kubernetes import SPACE_KINDS, KubernetesTarget, ProductSpaces
from nautes_adapters.memory import MemoryPipelineEngine
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import Origin, RunRequest, Space
from nautes_domain.plan import Action, Verb
from nautes_domain.runs import Progress, RunPhase
from support import tekton
from support.gitlab_ci import FILE

REQUEST = RunRequest(
    name="apple-ci-0123456789abcdef0123",
    namespace="apple-ci",
    account="apple-builder",
    labels={"nautes.io/runtime": "apple-ci", "nautes.io/product": "orchard"},
    annotations={"nautes.io/delivery": "d-1"},
    params={"revision": "0a1b", "ref": "refs/heads/main"},
)
OURS = replace(
    REQUEST,
    labels={
        "app.kubernetes.io/managed-by": "nautes",
        "nautes.io/runtime": "apple-ci",
        "nautes.io/product": "orchard",
    },
    annotations={
        "nautes.io/cause": "d-1",
        "nautes.io/project-id": "7",
        "nautes.io/repository": "orchard/apple-api-src",
        "nautes.io/ref": "refs/heads/main",
        "nautes.io/commit": "0a1b" * 10,
        "nautes.io/actor": "eve",
    },
)
"""A request with all the marks that triggers put on it."""

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
  params: [{name: revision, value: main}, {name: branch, value: none}]
  taskRunTemplate: {serviceAccountName: root}
  pipelineSpec:
    params: [{name: revision}]
    tasks:
    - name: test
      taskSpec:
        steps:
        - {name: one, image: busybox, script: "echo $(params.revision)"}
"""


START, END = datetime(2026, 5, 4, 2, 0, 11, tzinfo=UTC), datetime(2026, 5, 4, 2, 1, 23, tzinfo=UTC)
MEMORY_WORDS = {
    RunPhase.RUNNING: ("Running", ""),
    RunPhase.SUCCEEDED: ("Succeeded", ""),
    RunPhase.FAILED: ("Failed", "task unit: exited with code 3"),
    RunPhase.CANCELLED: ("Cancelled", "somebody cancelled it"),
}
TEKTON_WORDS = {
    RunPhase.RUNNING: tekton.RUNNING,
    RunPhase.SUCCEEDED: tekton.SUCCEEDED,
    RunPhase.CANCELLED: tekton.CANCELLED,
}


@dataclass
class Harness:
    """An engine, a good file of its kind, and how to read a run of its kind."""

    engine: Any
    source: bytes
    read: Callable[[Any], dict[str, Any]]
    started: Callable[[], Awaitable[list[str]]]
    move: Callable[[RunRequest, RunPhase], Awaitable[None]]
    """Play the part of what runs the run: started at 02:00:11, ended 72 seconds later."""
    remove: Callable[[RunRequest], Awaitable[None]]
    pointer: str
    """Where the file gives a value to its parameter `branch`."""
    origin: Origin = field(default_factory=Origin)
    holds: bool = True
    """Whether it can keep a run waiting."""
    clock: bool = False
    """Whether what runs the run looks at a clock of its own, instead of being told the time."""


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
        {
            "kind": "Run",
            "name": "forged",
            "namespace": "kube-system",
            "account": "root",
            "params": {"branch": "none"},
        }
    ).encode()

    async def started():
        return [name for _, name in engine.runs]

    async def move(request, phase):
        reason, message = MEMORY_WORDS[phase]
        progress = Progress(phase, reason, message, START, END if phase.final else None)
        await engine.move(request.namespace, request.name, progress)

    async def remove(request):
        await engine.remove(request.namespace, request.name)

    return Harness(engine, source, read_memory, started, move, remove, "/params/branch")


async def on_tekton(client):
    target = KubernetesTarget(client, "build-east", SPACE_KINDS)
    state = ProductSpaces().space_state("product_orchard", (SPACE,))
    for ref in sorted(state, key=lambda one: SPACE_KINDS.index(one.kind)):
        await target.apply(Action(Verb.CREATE, ref, None, state[ref].spec, "declared"))

    async def started():
        return [one["metadata"]["name"] for one in await client.list("PipelineRun", "apple-ci")]

    async def move(request, phase):
        if phase is RunPhase.FAILED:
            await tekton.play_failure(client, request.namespace, request.name)
        else:
            await tekton.play(client, request.namespace, request.name, TEKTON_WORDS[phase])

    async def remove(request):
        await client.delete("PipelineRun", request.name, request.namespace)

    pointer = "/spec/params/1/value"
    return Harness(TektonEngine(client, pause=0.02), TEKTON_FILE, read_tekton, started, move, remove, pointer)


def on_gitlab_ci(ci):
    return Harness(
        ci.engine,
        FILE,
        read_gitlab_ci,
        ci.started,
        ci.move,
        ci.remove,
        "/variables/branch",
        ci.origin,
        holds=False,
        clock=True,
    )


def read_gitlab_ci(run):
    variables = run["variables"]
    marks = json.loads(variables["NAUTES_MARKS"])
    return {
        "name": variables["NAUTES_RUN"],
        **{key: marks[key] for key in ("namespace", "account", "labels", "annotations")},
        "params": {key: value.replace("$$", "$") for key, value in variables.items()},
    }


def built(harness, request=REQUEST):
    return harness.engine.build(from_origin(harness, request), harness.source, file="ci/trunk.yaml")


def from_origin(harness, request):
    return replace(request, origin=harness.origin)
