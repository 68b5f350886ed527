"""Conditions on events in CEL, the Common Expression Language (cel.dev): checked when declared, evaluated within limits.

CEL always ends, but its comprehensions multiply when they are nested. Two of them over lists of at most
twenty labels, in an expression of at most 500 characters, are evaluated within milliseconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 500
"""Characters."""
COMPREHENSIONS: Final = 2
DEPTH: Final = 20
"""Brackets within brackets."""

_COMPREHENSION = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|filter|map|reduce|min)\s*\(")

SAMPLE: Final[Mapping[str, Any]] = {
    "about": "", "action": "", "actor": "", "after": "", "before": "", "commits_count": 0, "confidential": False,
    "draft": False, "edited": [""], "event": "", "kind": "push", "labels": [""], "message": "", "number": 0,
    "project": "", "ref": "", "revision": "", "source_branch": "", "state": "", "target_branch": "", "text": "",
    "title": "", "variables": {"": ""},
}  # fmt: skip
"""Every variable of a condition with a value of its type."""

_UNDECLARED = "undeclared reference"
_NEVER = (
    "it does not parse",
    "it gives",
    _UNDECLARED,
    "found no matching overload",
    "match error",
    "RecursionError",
)
"""Beginnings of what goes wrong with every event; an index or a key may be absent from the sample alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a condition says of an event. Without a truth value the words say what went wrong."""

    holds: bool
    words: str


def checked(expression: str) -> str:
    """Return a condition. Raises ValueError, in words for people, for one that could never be evaluated."""
    if not expression:
        return expression
    problem = _oversized(expression)
    if not problem:
        outcome = _evaluate(expression, SAMPLE)
        if isinstance(outcome, bool):
            return expression
        problem = outcome
        if not problem.startswith(_NEVER):
            return expression
    raise ValueError(f"{problem}; known are {', '.join(SAMPLE)}" if _UNDECLARED in problem else problem)


def evaluate(expression: str, event: Mapping[str, Any]) -> Outcome:
    """Return whether a condition holds for an event (variables as in SAMPLE). Never raises."""
    problem = _oversized(expression)
    outcome = problem or _evaluate(expression, event)
    if isinstance(outcome, str):
        return Outcome(holds=False, words=f"its condition cannot be evaluated: {outcome}")
    words = "holds" if outcome else "does not hold"
    return Outcome(holds=outcome, words=f"its condition {words}: {expression}")


def _oversized(expression: str) -> str:
    if len(expression) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if len(_COMPREHENSION.findall(expression)) > COMPREHENSIONS:
        return f"it has more than {COMPREHENSIONS} comprehensions (all, exists, exists_one, filter, map)"
    depth = deepest = 0
    for char in expression:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return f"its brackets stand more than {DEPTH} deep" if deepest > DEPTH else ""


def _evaluate(expression: str, event: Mapping[str, Any]) -> bool | str:
    """Return the truth value, or in words why there is none."""
    # A quarter of a second that only those with conditions pay.
    from celpy.adapter import json_to_cel  # noqa: PLC0415
    from celpy.celparser import CELParseError  # noqa: PLC0415
    from celpy.celtypes import BoolType  # noqa: PLC0415
    from celpy.evaluation import CELEvalError, CELUnsupportedError  # noqa: PLC0415

    try:
        value = _program(expression).evaluate({name: json_to_cel(one) for name, one in event.items()})
    except CELParseError:
        return "it does not parse"
    except CELEvalError as error:
        return str(error.args[0] if error.args else error).partition(" (in activation")[0][:200]
    except (
        RecursionError,
        ValueError,
        TypeError,
        ArithmeticError,
        LookupError,
        CELUnsupportedError,
    ) as error:
        return f"{type(error).__name__} in it"
    if not isinstance(value, BoolType | bool):
        return f"it gives {type(value).__name__.removesuffix('Type').lower()}, not true or false"
    return bool(value)


@lru_cache(maxsize=512)
def _program(expression: str) -> Any:
    import celpy  # noqa: PLC0415 - see above

    environment = celpy.Environment(runner_class=celpy.InterpretedRunner)
    return environment.program(environment.compile(expression))
