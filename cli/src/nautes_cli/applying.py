"""The run of `apply`, `remove` and `delete`: one entity after the other, nothing left untold. Pure.

What is done to one entity is given from outside, as a function from entry to outcome.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from nautes_cli.entries import Entry
from nautes_cli.problems import ApiError


class Result(StrEnum):
    """What became of one entity."""

    SAVED = "saved"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    ABSENT = "not there"
    PLANNED = "planned"
    REFUSED = "refused"
    FAILED = "failed"
    LATE = "waiting"
    SKIPPED = "skipped"


UNDECLARED: Final = "C16"
BAD: Final = frozenset({Result.REFUSED, Result.FAILED, Result.LATE, Result.SKIPPED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entity, and why."""

    entry: Entry
    result: Result
    message: str = ""
    error: ApiError | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    """The API's JSON, for machines: the plan of a dry run is in it."""
    seconds: float = 0.0

    @property
    def warnings(self) -> Sequence[Mapping[str, Any]]:
        """What the API took in and is probably not meant."""
        return [one for one in self.answer.get("warnings") or () if isinstance(one, Mapping)]

    @property
    def document(self) -> Mapping[str, Any]:
        """The outcome as JSON. Bodies of requests are not part of it."""
        document: dict[str, Any] = {
            "kind": self.entry.kind.name,
            "name": self.entry.name,
            "product": self.entry.product,
            "place": self.entry.place,
            "result": self.result.value,
            "message": self.message,
            "seconds": round(self.seconds, 3),
        }
        if self.error is not None:
            document |= {"code": self.error.code, "violations": [dict(one) for one in self.error.violations]}
        if self.warnings:
            document["warnings"] = [dict(one) for one in self.warnings]
        if self.result is Result.PLANNED:
            document["plan"] = self.answer.get("plan", [])
        return document


def without_warnings_of(outcome: Outcome, products: AbstractSet[str]) -> Outcome:
    """Return an outcome without warnings that products are not declared (rule C16) which the same files declare."""
    kept = [one for one in outcome.warnings if one.get("rule") != UNDECLARED or not _names(one, products)]
    if len(kept) == len(outcome.warnings):
        return outcome
    return replace(outcome, answer={**outcome.answer, "warnings": kept})


def _names(warning: Mapping[str, Any], products: AbstractSet[str]) -> bool:
    return any(f"'{product}'" in str(warning.get("message")) for product in products)


def failed(entry: Entry, error: ApiError) -> Outcome:
    """Return the outcome of an entity that the API refused, or could not be asked for."""
    kind = Result.REFUSED if 400 <= error.status < 500 else Result.FAILED
    return Outcome(entry, kind, str(error), error)


def run(entries: Iterable[Entry], act: Callable[[Entry], Outcome], *, go_on: bool) -> Iterator[Outcome]:
    """Yield what became of each entity, in order.

    After a failure the rest is skipped, unless `go_on`: then only what belongs to a product that could not be
    saved is skipped. Whoever cannot be reached, or lets nobody in, is not asked again in either case.
    """
    stopped = ""
    lost: dict[str, str] = {}
    for entry in entries:
        reason = stopped or lost.get(entry.product, "")
        if reason:
            yield Outcome(entry, Result.SKIPPED, f"not tried, since {reason} failed")
            continue
        outcome = act(entry)
        yield outcome
        if (
            outcome.result not in BAD or outcome.result is Result.LATE
        ):  # it is saved: what follows may help it
            continue
        if not go_on or (outcome.error is not None and outcome.error.status in {0, 401}):
            stopped = entry.entity
        if entry.kind.name == "Product":
            lost[entry.name] = entry.entity


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many of each result there were: `12 saved, 1 refused`."""
    counted = Counter(outcome.result for outcome in outcomes)
    words = ", ".join(f"{counted[result]} {result.value}" for result in Result if counted[result])
    return words or "nothing to do"
