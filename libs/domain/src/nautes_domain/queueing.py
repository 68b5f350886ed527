"""Which runs of a runtime may start, which are outdated and which may go. Pure.

The queue lives on the cluster and nowhere else: a run that has to wait is created there and held back. What
is planned here derives from the runs as they stand there, so that whoever plans next plans the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
    replaced = _replaced(ordered) if limits.cancel_previous else {}
    cancelled = tuple(
        Step(Order.CANCEL, run, replaced[run.uid])
        for run in ordered
        if run.uid in replaced and not run.phase.final and not run.progress.stopping
    )
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


def carried_out(runs: Iterable[RunState], limits: Limits) -> tuple[Step, ...]:
    """Return the steps that were carried out on runs whose end was not told yet, as the runs show them.

    Whoever carried one out may have died before it was recorded. What was deleted shows nothing any more.
    """
    ordered = sorted(runs, key=_turn)
    untold = [run for run in ordered if run.is_news or not run.phase.final]
    stopped = _replaced(ordered) if limits.cancel_previous else {}
    let_go = [run for run in untold if run.queued and not run.progress.held and run.uid not in stopped]
    return (
        *(Step(Order.CANCEL, run, stopped[run.uid]) for run in untold if run.uid in stopped and run.progress.stopping),
        *(Step(Order.RELEASE, run, "its turn had come") for run in let_go if not run.progress.stopping),
    )  # fmt: skip


def _turn(run: RunState) -> tuple[datetime, datetime, str]:
    """Order by creation. Kubernetes tells it in whole seconds; within one, by when the event was received."""
    return run.created_at or _UNKNOWN, run.received_at or _UNKNOWN, run.name


def _replaced(ordered: Sequence[RunState]) -> Mapping[str, str]:
    """Return why each run is outdated, by uid: a newer one of its group is there, however far that is."""
    newest = {run.group: run for run in ordered if run.group}
    return {
        run.uid: f"{newest[run.group].name} is newer on {run.ref or 'the same trigger'}"
        for run in ordered
        if run.group and newest[run.group] is not run
    }


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
