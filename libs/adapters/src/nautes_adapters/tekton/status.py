"""Tekton's status of a run in our words. Pure.

Tekton Pipelines, docs/pipelineruns.md and docs/taskruns.md, "Monitoring execution status"; reasons:
pkg/apis/pipeline/v1/pipelinerun_types.go (v1.15).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from nautes_domain.runs import Marks, Progress, RunPhase, RunState, instant, run_state, shown

FAILED_TASK: Final = "Failed"
"""The reason of a run in which a task failed: the task itself says more."""

PENDING: Final = "PipelineRunPending"
"""What `spec.status` says of a run that is held back, and the reason of its condition: nothing is picked up."""

STOPPING: Final = frozenset({"Cancelled", "CancelledRunFinally", "StoppedRunFinally"})
"""What `spec.status` says of a run that was told to stop."""

_CANCELLED: Final = frozenset({"Cancelled", "CancelledRunningFinally"})
_TASK_CANCELLED: Final = "TaskRunCancelled"
TASK_LABEL: Final = "tekton.dev/pipelineTask"
_LOGS_HINT: Final = "; for logs run"
"""What follows names pods and a command that owners of a product may not run."""


def state_of(run: Mapping[str, Any], dashboard: str = "") -> RunState | None:
    """Return the state of a PipelineRun, None if it does not carry our marks.

    `dashboard` is the host on which Tekton Dashboard shows it (its route `/namespaces/:namespace/pipelineruns/:name`).
    """
    metadata = run.get("metadata") or {}
    place = f"#/namespaces/{metadata.get('namespace')}/pipelineruns/{metadata.get('name')}"
    marks = Marks(
        name=str(metadata.get("name") or ""),
        namespace=str(metadata.get("namespace") or ""),
        uid=str(metadata.get("uid") or ""),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        created_at=instant(metadata.get("creationTimestamp")),
        url=f"https://{dashboard}/{place}" if dashboard else "",
    )
    asked = str((run.get("spec") or {}).get("status") or "")
    progress = progress_of(run.get("status") or {})
    return run_state(marks, replace(progress, held=asked == PENDING, stopping=asked in STOPPING))


def progress_of(status: Mapping[str, Any]) -> Progress:
    """Return how far a run is by its condition `Succeeded`: True, False, or Unknown while it is under way.

    A run without the condition was not picked up by Tekton yet.
    """
    condition = _succeeded(status)
    reason = str(condition.get("reason") or "")
    return Progress(
        phase=_phase(str(condition.get("status") or ""), reason),
        reason=shown(reason),
        message=shown(str(condition.get("message") or "")),
        started_at=instant(status.get("startTime")),
        finished_at=instant(status.get("completionTime")),
    )


def failing_task(task_runs: Iterable[Mapping[str, Any]]) -> str:
    """Return which task of a run failed first and why, empty if none says so. Cancelled ones follow from others."""
    failed = [(one, _succeeded(one.get("status") or {})) for one in task_runs]
    found = [
        (str((one.get("status") or {}).get("completionTime") or "~"), one, condition)
        for one, condition in failed
        if condition.get("status") == "False" and condition.get("reason") != _TASK_CANCELLED
    ]
    if not found:
        return ""
    _, first, condition = min(found, key=lambda entry: entry[0])
    metadata = first.get("metadata") or {}
    name = (metadata.get("labels") or {}).get(TASK_LABEL) or metadata.get("name")
    message = str(condition.get("message") or "").partition(_LOGS_HINT)[0]
    return shown(f"task {name}: {message or condition.get('reason') or 'it failed'}")


def _succeeded(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = status.get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Succeeded"), {})


def _phase(status: str, reason: str) -> RunPhase:
    if status == "True":
        return RunPhase.SUCCEEDED
    if status == "False":
        return RunPhase.CANCELLED if reason in _CANCELLED else RunPhase.FAILED
    if not status or reason == PENDING:
        return RunPhase.PENDING
    return RunPhase.RUNNING
