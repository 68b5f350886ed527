"""Which runs of a runtime may start, which are outdated and which may go. Pure.

The queue lives on the cluster and nowhere else: a run that has to wait is created there and held back. What
is planned here derives from the runs as they stand there, so that whoever plans next plans the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from nautes_domain.runs import RunState

_UNKNOWN: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a runtime declares about its runs; None and False mean that nothing is limited."""

    at_once: int | None = None
    """Most runs at work at one time; at least 1."""
    cancel_previous: bool = False
    """A newer run of the same trigger and ref cancels those before it."""
    kept: int | None = None
    """Most finished runs that are kept of each pipeline; at least 1."""

    @property
    def holds(self) -> bool:
        """Whether runs are created held, to be let go when their turn comes."""
        return self.at_once is not None

    @property
    def nothing(self) -> bool:
        """Whether nothing is limited."""
        return self == Limits()


class Order(StrEnum):
    """What the queue has done to a run."""

    RELEASE = "release"
    """Let it start."""
    CANCEL = "cancel"
    """Stop it. What it does in any case at its end is still done; of a held run there is nothing to do."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One order to one run, with its reason for people."""

    order: Order
    run: RunState
    because: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """What to do now, in this order, and who then still waits."""

    steps: tuple[Step, ...] = ()
    waiting: tuple[RunState, ...] = ()
    """Held runs in the order in which they will be released."""

    def place(self, uid: str) -> int:
        """Return the place of a run in the queue, from 1; 0 if it does not wait."""
        return next((index for index, run in enumerate(self.waiting, 1) if run.uid == uid), 0)


def schedule(runs: Iterable[RunState], limits: Limits) -> Schedule:
    """Plan for all runs of one runtime.

    First come, first served. A run occupies its place until it has ended, also while it is being cancelled.
    Runs that are at work already are never stopped for the sake of a limit, so that one may be lowered.
    """
    ordered = sorted(runs, key=_turn)
    cancelled = tuple(_outdated(ordered)) if limits.cancel_previous else ()
    gone = {step.run.uid for step in cancelled}
    waiting = [run for run in ordered if run.waits and run.uid not in gone]
    at_work = sum(1 for run in ordered if not run.phase.final and not run.waits)
    free = len(waiting) if limits.at_once is None else max(0, limits.at_once - at_work)
    released = tuple(
        Step(Order.RELEASE, run, _turn_came(limits, at_work + index))
        for index, run in enumerate(waiting[:free], 1)
    )
    deleted = () if limits.kept is None else tuple(_surplus(ordered, limits.kept))
    return Schedule((*cancelled, *released, *deleted), tuple(waiting[free:]))


def _turn(run: RunState) -> tuple[datetime, datetime, str]:
    """Order by creation. Kubernetes tells it in whole seconds; within one, by when the event was received."""
    return run.created_at or _UNKNOWN, run.received_at or _UNKNOWN, run.name


def _outdated(ordered: Sequence[RunState]) -> Iterable[Step]:
    """Yield a cancellation for every run of a group that is not finished while a newer one is there."""
    newest = {run.group: run for run in ordered if run.group}
    for run in ordered:
        successor = newest.get(run.group, run)
        if successor is not run and not run.phase.final and not run.progress.stopping:
            yield Step(Order.CANCEL, run, f"{successor.name} is newer on {run.ref or 'the same trigger'}")


def _surplus(ordered: Sequence[RunState], kept: int) -> Iterable[Step]:
    """Yield a deletion for every finished run beyond the newest `kept` of its pipeline, once its end was told."""
    finished: dict[str, list[RunState]] = defaultdict(list)
    for run in ordered:
        if run.phase.final:
            finished[run.pipeline].append(run)
    for pipeline, found in finished.items():
        for run in found[:-kept]:
            if not run.is_news:
                yield Step(Order.DELETE, run, f"{kept} newer runs of {pipeline or 'its pipeline'} are kept")


def _turn_came(limits: Limits, place: int) -> str:
    if limits.at_once is None:
        return "nothing limits the runs of its runtime any more"
    return f"its turn came: it is number {place} of {limits.at_once} that may run at once"
