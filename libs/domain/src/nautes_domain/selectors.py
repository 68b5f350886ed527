"""`field_selector`: which of the listed entities are meant. Grammar of section 2.5 of the original, with `!=` and `in`. Pure.

cluster=run-east,env_type!=test        every term must hold
usage in (host,worker)                 one of the values
projects.in=apple-api                  a list that holds the value
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

MOST_TERMS: Final = 20
LONGEST: Final = 1_000
"""Characters of a selector."""

_KEY: Final = r"[A-Za-z_][A-Za-z0-9_.]*"
_TERM: Final = re.compile(
    rf"\s*(?P<key>{_KEY})\s*(?:(?P<op>!=|==?)(?P<value>[^,]*)|\s+in\s*\((?P<values>[^()]*)\)\s*)(?:,|\Z)"
)


class Match(Enum):
    """How a field's value is compared with the one that is asked for."""

    EXACT = "exact"
    CONTAINS = "contains"
    BOOLEAN = "boolean"
    MEMBER = "member"
    """The field is a list, which holds the value."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that can be asked for: its path in the reply, and how it is compared."""

    path: str
    match: Match = Match.CONTAINS


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of the values, or with `negated` none of them."""

    field: Field
    values: tuple[str, ...]
    negated: bool = False

    def holds(self, view: Mapping[str, Any]) -> bool:
        """Say whether an entity, as it is replied, fulfils the condition."""
        found = list(_at(view, self.field.path.split(".")))
        compare = _COMPARE[self.field.match]
        return any(compare(one, value) for one in found for value in self.values) is not self.negated


Selector = tuple[Term, ...]


def parse(text: str, fields: Mapping[str, Field]) -> Selector:
    """Return the conditions of a selector; an empty text means everything.

    Raises ValueError, in words for its author, for anything that is not understood: a filter that is not
    understood must not let everything pass.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a selector has at most {LONGEST} characters")
    terms: list[Term] = []
    position = 0
    while position < len(text) and text.strip():
        found = _TERM.match(text, position)
        if found is None:
            raise ValueError(
                f"{text[position:][:80]!r} is not a condition: write key=value, key!=value or key in (a,b), joined by commas"
            )
        terms.append(_term(found, fields))
        position = found.end()
    if len(terms) > MOST_TERMS:
        raise ValueError(f"a selector has at most {MOST_TERMS} conditions")
    return tuple(terms)


def selects(selector: Selector, view: Mapping[str, Any]) -> bool:
    """Say whether an entity fulfils every condition."""
    return all(term.holds(view) for term in selector)


def _term(found: re.Match[str], fields: Mapping[str, Field]) -> Term:
    key = found["key"]
    if key not in fields:
        raise ValueError(f"{key[:80]!r} cannot be selected by; these can: {', '.join(sorted(fields))}")
    field = fields[key]
    listed = found["values"]
    values = (found["value"].strip(),) if listed is None else tuple(one.strip() for one in listed.split(","))
    if field.match is Match.BOOLEAN and not {one.lower() for one in values} <= {"true", "false"}:
        raise ValueError(f"{key} is true or false")
    return Term(field, values, negated=found["op"] == "!=")


def _at(value: Any, path: list[str]) -> Any:
    """Yield what stands at a path; of a list, each of its elements is looked at."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _at(one, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


_COMPARE: Final[Mapping[Match, Callable[[Any, str], bool]]] = {
    Match.EXACT: lambda found, asked: found == asked,
    Match.CONTAINS: lambda found, asked: isinstance(found, str) and asked in found,
    Match.BOOLEAN: lambda found, asked: found is (asked.lower() == "true"),
    Match.MEMBER: lambda found, asked: found == asked,
}
