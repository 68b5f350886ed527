"""GitLab's pipeline in our words. Pure. Source: GitLab API, "Pipelines" and "Jobs" (their `status` and `failure_reason`)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from nautes_adapters.gitlab.ci.run import marks_of
from nautes_domain.runs import REPORTED, Marks, Progress, RunPhase, RunState, instant, run_state, shown

SEPARATOR: Final = " · "
"""Between the run's name and the phase that was reported last, in the pipeline's name."""

_PHASES: Final[Mapping[str, RunPhase]] = {
    **dict.fromkeys(
        ("created", "waiting_for_resource", "preparing", "pending", "scheduled"), RunPhase.PENDING
    ),
    **dict.fromkeys(("running", "canceling", "manual"), RunPhase.RUNNING),
    "success": RunPhase.SUCCEEDED,
    "failed": RunPhase.FAILED,
    **dict.fromkeys(("canceled", "skipped"), RunPhase.CANCELLED),
}
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "canceled": ("Cancelled", "it was cancelled"),
    "skipped": ("Skipped", "GitLab skipped every job"),
    "failed": ("Failed", ""),
    "success": ("Succeeded", ""),
    "manual": ("Manual", "it waits for somebody to start a job"),
}


def reported_name(run: str, phase: RunPhase) -> str:
    """Return the name of a pipeline whose phase was reported: what people see, and what we read back."""
    return f"{run}{SEPARATOR}{phase.value}"


def state_of(pipeline: Mapping[str, Any], variables: Mapping[str, str], failed: str = "") -> RunState | None:
    """Return the state of a pipeline, None if it does not carry our marks. `failed` says which job failed and why."""
    found = marks_of(variables)
    if found is None:
        return None
    name, namespace, labels, notes = found
    own, _, phase = str(pipeline.get("name") or "").partition(SEPARATOR)
    marks = Marks(
        name=name,
        namespace=namespace,
        uid=uid(pipeline),
        labels=labels,
        annotations={**notes, REPORTED: phase if own == name else ""},
        created_at=instant(pipeline.get("created_at")),
        url=str(pipeline.get("web_url") or ""),
    )
    state = run_state(marks, _progress(pipeline, failed))
    if state is None:
        return None
    beside = state.project_id == pipeline["project_id"] and state.commit == pipeline["sha"]
    return replace(state, shows_itself=beside)


def may_be_cancelled(pipeline: Mapping[str, Any]) -> bool:
    """Say whether a pipeline has neither ended nor been told to."""
    progress = _progress(pipeline, "")
    return not (progress.phase.final or progress.stopping)


def is_over(pipeline: Mapping[str, Any]) -> bool:
    """Say whether a pipeline has ended."""
    return _progress(pipeline, "").phase.final


def uid(pipeline: Mapping[str, Any]) -> str:
    """Return what tells a pipeline from all others on its code host."""
    return f"{int(pipeline['project_id'])}/{int(pipeline['id'])}"


def place(uid: str) -> str:
    """Return the path of a pipeline in the API."""
    project, _, pipeline = uid.partition("/")
    return f"/projects/{int(project)}/pipelines/{int(pipeline)}"


def failed_job(jobs: Iterable[Mapping[str, Any]]) -> str:
    """Return which job failed first and why, empty if none did."""
    found = [one for one in jobs if one.get("status") == "failed" and not one.get("allow_failure")]
    if not found:
        return ""
    first = min(found, key=lambda one: str(one.get("finished_at") or "~"))
    return shown(f"job {first['name']}: {first.get('failure_reason') or 'it failed'}")


def _progress(pipeline: Mapping[str, Any], failed: str) -> Progress:
    status = str(pipeline.get("status") or "")
    phase = _PHASES.get(status, RunPhase.PENDING)
    reason, message = _WORDS.get(status, (status.replace("_", " ").capitalize(), ""))
    return Progress(
        phase=phase,
        reason=reason if status not in {"created", "pending"} else "",
        message=failed or message,
        started_at=instant(pipeline.get("started_at")),
        finished_at=instant(pipeline.get("finished_at")) if phase.final else None,
        stopping=status in {"canceling", "canceled"},
    )
