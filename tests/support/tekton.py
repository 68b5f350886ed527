"""Tekton's part, played by tests where Tekton does not run: the status of a run or task as its controller writes it."""

from typing import Any

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.kubernetes.kinds import kind_of

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
