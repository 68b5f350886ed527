"""What `spec.status` of a run becomes when it is let go or stopped. Pure.

Tekton Pipelines, docs/pipelineruns.md, "Cancelling a PipelineRun", "Gracefully cancelling a PipelineRun" and
"Pending PipelineRuns". Nothing else of a run may be written (`pipelinerun_validation.go`, ValidateUpdate), and
nothing at all once it ended.
"""

from collections.abc import Mapping
from typing import Any, Final

from nautes_adapters.tekton.status import PENDING, STOPPING, progress_of
from nautes_domain.queueing import Order

CANCEL_NOW: Final = "Cancelled"
"""For a run that never started: of the graceful way, Tekton would run the `finally` tasks of what never began."""
CANCEL_GRACEFULLY: Final = "CancelledRunFinally"


def wanted_status(run: Mapping[str, Any], order: Order) -> str | None:
    """Return what `spec.status` becomes, empty to let the run go; None if there is nothing to do any more."""
    present = str((run.get("spec") or {}).get("status") or "")
    if present in STOPPING or progress_of(run.get("status") or {}).phase.final:
        return None
    if order is Order.CANCEL:
        return CANCEL_NOW if present == PENDING else CANCEL_GRACEFULLY
    return "" if present == PENDING else None
