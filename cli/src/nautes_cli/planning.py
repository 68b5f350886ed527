"""What a plan says, entity by entity, of files whose entities need each other. Pure.

The API plans each entity on what is declared now. One that needs another of the same files cannot be judged before
that one is there: this is told, and is no failure.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Final

from nautes_cli.applying import Outcome, Result
from nautes_cli.entries import Entry
from nautes_cli.problems import ApiError

MISSING: Final = frozenset({"R4", "B2", "B5", "C5", "D2", "D4", "D7", "E2", "L4", "L10", "L11", "T6"})
"""Rules about something else that is not there, or not as it is needed."""


def changes(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the changes of files in an answer, without the generated index."""
    listed = answer.get("plan") or ()
    return [one for one in listed if not str(one.get("object", "")).endswith("kustomization.yaml")]


def unified(change: Mapping[str, Any]) -> str:
    """Return one change of a file as a unified diff."""
    before, after = str(change.get("before") or ""), str(change.get("after") or "")
    name = str(change.get("object")).removeprefix("git File ")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{name}" if before else "/dev/null",
        f"b/{name}" if after else "/dev/null",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def judged_later(error: ApiError, earlier: AbstractSet[str], product: str) -> str:
    """Return which earlier entry of the same files a refusal is only about; empty if it is about anything else.

    `earlier` are entries as `Kind/name` which would be saved first.
    """
    if error.status == 404 and f"Product/{product}" in earlier:
        return f"Product/{product}"
    names = {entity.partition("/")[2]: entity for entity in sorted(earlier)}
    needed = ""
    for violation in error.violations:
        words = str(violation.get("message", "")).replace("'", " ").replace(",", " ").split()
        known = next((entity for name, entity in names.items() if name in words), "")
        if violation.get("rule") not in MISSING or not known:
            return ""
        needed = needed or known
    return needed


def planning(act: Callable[[Entry], Outcome]) -> Callable[[Entry], Outcome]:
    """Return what plans an entity and knows what would be saved before it."""
    earlier: set[str] = set()

    def ask(entry: Entry) -> Outcome:
        outcome = act(entry)
        needed = judged_later(outcome.error, earlier, entry.product) if outcome.error else ""
        earlier.add(entry.entity)
        if not needed:
            return outcome
        message = f"would be saved after {needed}, and is judged then"
        return replace(outcome, result=Result.PLANNED, message=message, error=None)

    return ask
