"""Tekton's part, played by tests where Tekton does not run: the status of a run or task as its controller writes it."""

from typing import Any

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.kubernetes.kinds import kind_of
from nautes_adapters.tekton.following import RUN_LABEL
from nautes_adapters.tekton.status import TASK_LABEL
from nautes_localstack.kubernetes.logs import ANNOTATION

STARTED, FINISHED = "2026-05-04T02:00:11Z", "2026-05-04T02:01:23Z"
"""72 seconds apart."""

MERGE = "application/merge-patch+json"


def status(succeeded: str, reason: str, message: str = "") -> dict[str, Any]:
    """Return a status with its times; `succeeded` is True, False or Unknown."""
    ended = {} if succeeded == "Unknown" else {"completionTime": FINISHED}
    condition = {
        "type": "Succeeded",
        "status": succeeded,
        "reason": reason,
        "message": message,
        "lastTransitionTime": FINISHED if ended else STARTED,
    }
    return {"conditions": [condition], "startTime": STARTED, **ended}


RUNNING = status(
    "Unknown", "Running", "Tasks Completed: 0 (Failed: 0, Cancelled 0), Incomplete: 1, Skipped: 0"
)
SUCCEEDED = status("True", "Succeeded", "Tasks Completed: 1 (Failed: 0, Cancelled 0), Skipped: 0")
FAILED = status("False", "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0")
CANCELLED = status("False", "Cancelled", 'PipelineRun "x" was cancelled')
TASK_FAILED = status(
    "False",
    "Failed",
    '"step-unit" exited with code 3 (image: "docker.io/library/busybox@sha256:1a2b"); for logs run: kubectl -n x logs y',
)


def failing_task(run: dict[str, Any]) -> dict[str, Any]:
    """Return a TaskRun of a run, without its status."""
    metadata = run["metadata"]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": f"{metadata['name']}-unit",
            "namespace": metadata["namespace"],
            "labels": {"tekton.dev/pipelineRun": metadata["name"], "tekton.dev/pipelineTask": "unit"},
        },
        "spec": {"taskSpec": {"steps": [{"name": "unit", "image": "busybox"}]}},
    }


async def play(
    client: KubernetesClient, namespace: str, name: str, wanted: dict[str, Any], kind: str = "PipelineRun"
) -> None:
    """Patch the status of an object, as a controller does; our client itself never writes one."""
    path = kind_of(kind).path(namespace, name, "status")
    answer = await client._transport.call("PATCH", path, body={"status": wanted}, content_type=MERGE)
    assert answer.status == 200, answer.body


async def play_failure(client: KubernetesClient, namespace: str, name: str) -> None:
    """Fail the task `unit` of a run, and the run with it."""
    task = failing_task({"metadata": {"name": name, "namespace": namespace}})
    await client.create(task)
    await play(client, namespace, task["metadata"]["name"], TASK_FAILED, "TaskRun")
    await play(client, namespace, name, FAILED)


class Pod:
    """The pod of a task, and the kubelet that runs its steps: it says that they begin, what they write, how they end."""

    def __init__(
        self, client: KubernetesClient, namespace: str, run: str, task: str, steps: tuple[str, ...]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._run = run
        self._task = task
        self._steps = steps
        self.name = f"{run}-{task}-pod"
        self._written: dict[str, list[str]] = {step: [] for step in steps}

    async def create(self) -> None:
        """Make the pod, as Tekton's controller does, on a node."""
        owner = await self._client.get("PipelineRun", self._run, self._namespace)
        assert owner is not None
        metadata = {
            "name": self.name,
            "namespace": self._namespace,
            "labels": {RUN_LABEL: self._run, TASK_LABEL: self._task},
            # Its TaskRun owns it, which the run owns; what counts here is that it goes with the run.
            "ownerReferences": [
                {
                    "apiVersion": "tekton.dev/v1",
                    "kind": "PipelineRun",
                    "name": self._run,
                    "uid": owner["metadata"]["uid"],
                    "controller": True,
                }
            ],
        }
        containers = [{"name": f"step-{step}", "image": "busybox"} for step in self._steps]
        spec = {"nodeName": "played", "restartPolicy": "Never", "containers": containers}
        await self._client.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    async def run(self) -> None:
        """Begin all steps: Tekton's entrypoint makes each wait for the one before."""
        await self._say("Running", {"running": {"startedAt": STARTED}})

    async def write(self, step: str, *lines: str) -> None:
        """Let a step write lines; the log stands where the local API reads it."""
        log = self._written[step]
        for line in lines:
            at = STARTED.replace("Z", f".{len(log):09d}Z")
            log.append(f"{at} {line}")
        annotations = {f"{ANNOTATION}step-{step}": "\n".join(log)}
        await self._client.patch_merge(
            "Pod", self.name, self._namespace, {"metadata": {"annotations": annotations}}
        )

    async def end(self, code: int = 0) -> None:
        """End all steps."""
        terminated = {"exitCode": code, "startedAt": STARTED, "finishedAt": FINISHED}
        await self._say("Failed" if code else "Succeeded", {"terminated": terminated})

    async def _say(self, phase: str, state: dict[str, Any]) -> None:
        statuses = [
            {"name": f"step-{step}", "image": "busybox", "imageID": "", "ready": False, "restartCount": 0, "state": state}
            for step in self._steps
        ]  # fmt: skip
        await play(
            self._client, self._namespace, self.name, {"phase": phase, "containerStatuses": statuses}, "Pod"
        )
