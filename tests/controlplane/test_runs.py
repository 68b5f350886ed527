"""From a pipeline file to the end of its pods: our objects, Tekton's webhook and controller, a scheduler, a node."""

import asyncio
import secrets
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

import pytest

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
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import RunRequest, Space
from nautes_domain.failures import Rejected
from nautes_domain.run_logs import GONE, LogQuery
from nautes_domain.runs import RunPhase
from support.controlplane_kubelet import written
from support.controlplane_node import EXIT_CODE
from support.controlplane_real import client_of, settle

FILE = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  annotations: {%s: "%d"}
spec:
  pipelineSpec:
    params: [{name: revision}]
    tasks:
    - name: test
      taskSpec:
        steps:
        - {name: one, image: busybox, script: "echo $(params.revision)"}
    - name: build
      runAfter: [test]
      taskSpec:
        steps:
        - {name: one, image: busybox, script: "make"}
"""


@dataclass
class Place:
    """A product's namespace on the worker, made by our own reconciler's account, and an engine as that account."""

    admin: KubernetesClient
    engine: TektonEngine
    request: RunRequest

    async def start(self, exit_code=0, **changes):
        request = replace(self.request, **changes)
        run = self.engine.build(request, (FILE % (EXIT_CODE, exit_code)).encode(), file="ci/trunk.yaml")
        assert await self.engine.start(request, run) is True
        return request

    async def ended(self, request):
        """Return the run once Tekton has closed it."""
        async with asyncio.timeout(60):
            while True:
                run = await self.admin.get("PipelineRun", request.name, request.namespace)
                (condition,) = run.get("status", {}).get("conditions") or [{"status": "Unknown"}]
                if condition["status"] != "Unknown":
                    return run, condition
                await asyncio.sleep(0.1)


@pytest.fixture
async def place(worker):
    """All by the way that the services go: the registrar's bootstrap, then the reconciler's own account."""
    name = f"apple-{secrets.token_hex(3)}"
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(client_of(worker))
        bootstrap = bootstrap_state("worker", "cluster_worker")
        await settle(KubernetesTarget(admin, "worker", BOOTSTRAP_KINDS), bootstrap, "cluster_worker")
        token = await admin.token_request(SYSTEM_NAMESPACE, RECONCILER, (), 3600)
        ours = KubernetesClient.from_token(worker.url, worker.ca_file.read_text(), token.value)
        stack.push_async_callback(ours.close)
        space = Space("orchard", name, "worker", name, "builder", may_run=True, entity="Runtime/apple")
        state = ProductSpaces().space_state("product_orchard", (space,))
        await settle(KubernetesTarget(ours, "worker", SPACE_KINDS), state, "product_orchard")
        params = {"revision": "0a1b", "ref": "refs/heads/main"}
        labels = {"nautes.io/runtime": name, "nautes.io/product": "orchard"}
        request = RunRequest(f"{name}-0123", name, "builder", labels, {"nautes.io/delivery": "d-1"}, params)
        yield Place(admin, TektonEngine(ours), request)


async def test_a_run_is_accepted_reconciled_scheduled_and_succeeds(place):
    request = await place.start()
    run, condition = await place.ended(request)
    assert (condition["status"], condition["reason"]) == ("True", "Succeeded"), condition
    assert {one["metadata"]["labels"]["tekton.dev/pipelineTask"] for one in await tasks(place)} == {
        "test",
        "build",
    }
    pods = await place.admin.list("Pod", request.namespace)
    assert {one["spec"]["serviceAccountName"] for one in pods} == {"builder"}
    assert {one["status"]["phase"] for one in pods} == {"Succeeded"}
    assert {one["metadata"]["labels"]["nautes.io/runtime"] for one in pods} == {request.namespace}
    assert run["metadata"]["annotations"]["nautes.io/delivery"] == "d-1"


async def test_a_failing_step_fails_the_run_and_nothing_after_it_starts(place):
    request = await place.start(exit_code=3)
    _, condition = await place.ended(request)
    assert (condition["status"], condition["reason"]) == ("False", "Failed"), condition
    assert [one["metadata"]["labels"]["tekton.dev/pipelineTask"] for one in await tasks(place)] == ["test"]


async def test_a_second_delivery_finds_the_run_even_after_it_ended(place):
    request = await place.start()
    await place.ended(request)
    run = place.engine.build(request, (FILE % (EXIT_CODE, 0)).encode(), file="ci/trunk.yaml")
    assert await place.engine.start(request, run) is False
    assert len(await place.admin.list("PipelineRun", request.namespace)) == 1


@pytest.mark.parametrize(
    ("exit_code", "phase", "words"), [(0, RunPhase.SUCCEEDED, ""), (3, RunPhase.FAILED, "task test: ")]
)
async def test_the_reconcilers_account_follows_a_run_to_its_end_and_marks_it(place, exit_code, phase, words):
    met = []
    async with aclosing(place.engine.follow()) as runs:
        request = await place.start(exit_code, **marks_of(place))
        async for state in runs:
            if state.name == request.name and state.is_news:
                met.append(state)
                assert await place.engine.mark_reported(state) is True
            if state.name == request.name and state.reported == phase:
                break
    phases = [state.phase for state in met]
    # A watch may bring a state from before our mark once more; never one from before that.
    assert phases == sorted(phases, key=list(RunPhase).index)
    assert phases[-1] is phase
    end = met[-1].progress
    assert end.duration is not None
    assert words in end.message
    assert "kubectl" not in end.message


def marks_of(place):
    """Return the labels and annotations that triggers put on a run."""
    labels = {**place.request.labels, "app.kubernetes.io/managed-by": "nautes"}
    notes = {"nautes.io/cause": "d-1", "nautes.io/project-id": "7", "nautes.io/commit": "c" * 40}
    return {"labels": labels, "annotations": notes}


async def test_what_steps_wrote_is_read_through_the_api_server_as_the_reconcilers_account(place):
    request = await place.start(**marks_of(place))
    (run,) = await place.engine.runs_of("orchard", request.namespace, request.namespace)
    # Tasks that are followed are read side by side; each in its order.
    followed = sorted(
        await logs(place, run, follow=True), key=lambda line: ("test", "build").index(line.task)
    )
    wrote = [(task, "one", text) for task in ("test", "build") for text in written("step-one")]
    assert [(line.task, line.step, line.text) for line in followed] == wrote
    assert all(line.at is not None for line in followed)
    assert await logs(place, run) == followed
    assert [line.text for line in await logs(place, run, task="build", tail=1)] == written("step-one")[-1:]
    with pytest.raises(Rejected, match="there are build/one, test/one"):
        await logs(place, run, task="deploy")
    await place.admin.delete("PipelineRun", request.name, request.namespace)
    async with asyncio.timeout(60):  # its pods go after it, by the cluster's own collector
        while await place.admin.list("Pod", request.namespace):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    with pytest.raises(Rejected) as raised:
        await logs(place, run)
    assert raised.value.code == GONE


async def logs(place, run, **query):
    async with asyncio.timeout(60), aclosing(place.engine.logs(run, LogQuery(**query))) as lines:
        return [line async for line in lines]


async def test_pods_that_would_break_out_of_their_namespace_are_not_made(place):
    """The namespace's Pod Security level is ours; Tekton passes the server's refusal on to the run."""
    source = FILE % (EXIT_CODE, 0)
    source = source.replace(
        '{name: one, image: busybox, script: "make"}',
        '{name: one, image: busybox, script: "make", securityContext: {privileged: true}}',
    )
    request = replace(place.request, name=f"{place.request.name}-p")
    run = place.engine.build(request, source.encode(), file="ci/trunk.yaml")
    try:
        await place.engine.start(request, run)
    except Rejected:
        return
    _, condition = await place.ended(request)
    assert condition["status"] == "False", condition


async def tasks(place):
    return await place.admin.list("TaskRun", place.request.namespace)
