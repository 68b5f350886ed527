"""Desired against observed: the fewest actions, each with its reason. Pure; applies nothing."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nautes_domain import names
from nautes_domain.failures import Rejected

Spec = Mapping[str, Any]
"""The declared content of one object, as JSON values. Never a secret: a reference and a version instead."""


class Verb(StrEnum):
    """What an action does to its object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The address of one object in one system.

    `system` is `gitlab`, `vault`, `argocd`, or `kubernetes/<cluster>`; `scope` is the container that
    the system knows (a group path, a namespace, a mount), empty where there is none.
    """

    system: str
    kind: str
    name: str
    scope: str = ""

    def __str__(self) -> str:
        """`system kind scope/name`."""
        return (
            f"{self.system} {self.kind} {self.scope}/{self.name}"
            if self.scope
            else f"{self.system} {self.kind} {self.name}"
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object that should exist: its content, why, and the declared entity that asks for it."""

    spec: Spec
    because: str
    entity: str = ""


State = Mapping[Ref, Wanted]
"""What should exist."""

Observed = Mapping[Ref, Spec]
"""What exists of ours. Objects that do not carry our mark are never in it."""


@dataclass(frozen=True, slots=True)
class Action:
    """One change of one object. `before` is None on create, `after` is None on delete."""

    verb: Verb
    ref: Ref
    before: Spec | None
    after: Spec | None
    because: str
    entity: str = ""

    def __str__(self) -> str:
        """`verb object because …`."""
        return f"{self.verb} {self.ref} because {self.because}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions in the order in which they are applied: parents first, deletions last and children first."""

    actions: tuple[Action, ...] = ()
    observed: int = 0
    unchanged: int = 0

    def __iter__(self) -> Iterator[Action]:
        """Iterate over the actions in order."""
        return iter(self.actions)

    def __len__(self) -> int:
        """Count the actions."""
        return len(self.actions)

    @property
    def deletions(self) -> tuple[Action, ...]:
        """The actions that remove something."""
        return tuple(action for action in self.actions if action.verb is Verb.DELETE)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one reconcile may delete without being asked twice (security rule 12)."""

    count: int = 20
    """Deletions that are always allowed, unless they are everything."""
    share: float = 0.5
    """Largest share of the observed objects that may go."""
    everything: bool = field(default=False)
    """Whether deleting all that is observed was confirmed."""

    def check(self, plan: Plan) -> None:
        """Raise Rejected when the plan deletes more than is allowed."""
        gone = len(plan.deletions)
        if not gone or self.everything:
            return
        survives = plan.observed - gone + sum(1 for action in plan if action.verb is Verb.CREATE)
        too_many = gone > self.count and gone > self.share * plan.observed
        if too_many or (survives == 0 and gone > 1):
            raise Rejected(
                f"the change would delete {gone} of {plan.observed} objects; nothing was deleted",
                who="whoever pushed the change",
                next_step="restore the manifests, or confirm with the commit trailer 'Nautes-Allow-Deletions: all'",
                code="deletion-budget",
            )


def covers(observed: Any, desired: Any) -> bool:
    """Say whether `observed` holds all of `desired`; what the system added by itself does not count."""
    if isinstance(desired, Mapping):
        return isinstance(observed, Mapping) and all(
            key in observed and covers(observed[key], value) for key, value in desired.items()
        )
    if isinstance(desired, list | tuple):
        return (
            isinstance(observed, list | tuple)
            and len(observed) == len(desired)
            and all(covers(mine, theirs) for mine, theirs in zip(observed, desired, strict=True))
        )
    return type(observed) is type(desired) and bool(observed == desired)


def spec_digest(spec: Spec | None) -> str:
    """Return a short digest of an object's content, empty for None."""
    return "" if spec is None else names.digest(json.dumps(spec, sort_keys=True, default=str))


def differences(observed: Any, desired: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which `observed` does not hold `desired`, for the `because` of an update."""
    if covers(observed, desired):
        return
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        for key, value in desired.items():
            below = f"{path}.{key}" if path else str(key)
            yield from differences(observed.get(key), value, below)
    else:
        yield path or "content"


def plan(desired: State, observed: Observed, *, order: Sequence[str]) -> Plan:
    """Return the fewest actions which turn `observed` into `desired`.

    `order` lists the kinds, parents first; a kind that is not listed is a mistake of the caller.
    """
    rank = {kind: index for index, kind in enumerate(order)}

    def position(ref: Ref) -> tuple[int, Ref]:
        return rank[ref.kind], ref

    writes: list[Action] = []
    for ref in sorted(desired, key=position):
        wanted, found = desired[ref], observed.get(ref)
        if found is None:
            writes.append(Action(Verb.CREATE, ref, None, wanted.spec, wanted.because, wanted.entity))
        elif not covers(found, wanted.spec):
            what = ", ".join(list(differences(found, wanted.spec))[:3])
            because = f"{wanted.because}; {what} differed"
            writes.append(Action(Verb.UPDATE, ref, found, wanted.spec, because, wanted.entity))
    gone = sorted((ref for ref in observed if ref not in desired), key=position, reverse=True)
    removals = [Action(Verb.DELETE, ref, observed[ref], None, "no longer declared") for ref in gone]
    return Plan((*writes, *removals), observed=len(observed), unchanged=len(desired) - len(writes))


def of_system(state: State, system: str) -> State:
    """Return the part of a state that lies in one system."""
    return {ref: wanted for ref, wanted in state.items() if ref.system == system}


def merged(states: Iterable[State]) -> State:
    """Return the union of states; the first reason for an object wins."""
    union: dict[Ref, Wanted] = {}
    for state in states:
        for ref, wanted in state.items():
            union.setdefault(ref, wanted)
    return union
