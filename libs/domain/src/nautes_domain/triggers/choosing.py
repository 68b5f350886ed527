"""What of a match a person asked for."""

from collections.abc import Callable
from dataclasses import replace

from nautes_domain.runs import PIPELINE
from nautes_domain.triggers.matching import Match
from nautes_domain.triggers.runs import RunToStart


def pipeline_of(run: RunToStart) -> str:
    """Return the name of the pipeline that a run is of."""
    return run.request.labels.get(PIPELINE, "")


def chosen(found: Match, wanted: Callable[[RunToStart], bool], otherwise: str) -> Match:
    """Return a match with the wanted runs only, and no refreshes; the others are passed over, `otherwise` says why."""
    runs = tuple(run for run in found.runs if wanted(run))
    rest = tuple(
        run.considered.model_copy(update={"fired": False, "run": "", "reason": otherwise})
        for run in found.runs
        if not wanted(run)
    )
    return replace(found, runs=runs, refreshes=(), passed_over=(*rest, *found.passed_over))
