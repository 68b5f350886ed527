"""What the states of jobs make of a pipeline, and which job may come next. Pure.

Sources: GitLab, lib/gitlab/ci/status/composite.rb, app/services/ci/pipeline_processing/atomic_processing_service.rb, and
"Pipelines API" for the names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FINISHED: Final = frozenset({"success", "failed", "canceled", "skipped"})
CANCELABLE: Final = frozenset({"created", "pending", "running"})
_GOOD: Final = frozenset({"success", "skipped", "ignored"})


@dataclass(frozen=True, slots=True)
class JobState:
    """What of a job counts for its pipeline. External statuses stand in the last stage of all."""

    id: int
    stage: int
    status: str
    allow_failure: bool = False

    @property
    def counts_as(self) -> str:
        """Its status; `ignored` for a failure that is allowed."""
        return "ignored" if self.allow_failure and self.status in {"failed", "canceled"} else self.status


def composite(jobs: Iterable[JobState]) -> str:
    """Return the status of a pipeline with these jobs."""
    found = {job.counts_as for job in jobs}
    if not found:
        return "created"
    for status, only in (
        ("skipped", {"skipped", "ignored"}),
        ("success", _GOOD),
        ("created", {"created", "ignored"}),
        ("canceled", _GOOD | {"canceled"}),
        ("pending", {"pending", "created", "skipped", "ignored"}),
    ):
        if found <= only:
            return status
    return "running" if found & {"running", "pending", "created"} else "failed"


def moves(jobs: Sequence[JobState]) -> Mapping[int, str]:
    """Return what jobs that wait for their stage become now, by id: `pending` or `skipped`; they may cascade."""
    found: dict[int, str] = {}
    for stage in sorted({job.stage for job in jobs}):
        before = [found.get(job.id, job.counts_as) for job in jobs if job.stage < stage]
        if any(status not in FINISHED | {"ignored"} for status in before):
            break
        becomes = "pending" if all(status in _GOOD for status in before) else "skipped"
        found |= {job.id: becomes for job in jobs if job.stage == stage and job.status == "created"}
    return found
