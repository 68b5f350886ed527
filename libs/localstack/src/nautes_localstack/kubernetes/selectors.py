"""Label and field selectors (Kubernetes, "Labels and Selectors"; apimachinery `labels.Parse`). Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nautes_localstack.kubernetes.errors import bad_request
from nautes_localstack.kubernetes.shapes import Object

_TOKEN: Final = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
_OPERATORS: Final = ("=", "==", "!=", "in", "notin", ">", "<")
_KEY: Final = re.compile(r"([A-Za-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Labels) -> bool:
        """Say whether labels meet it. A label that is absent differs from every value."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "==" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            number, limit = int(value or ""), int(next(iter(self.values)))
        except ValueError:
            return False
        return number > limit if self.operator == ">" else number < limit


class _Tokens:
    def __init__(self, text: str) -> None:
        self._found = [match.group(1) for match in _TOKEN.finditer(text)]
        self._next = 0

    def peek(self) -> str:
        return self._found[self._next] if self._next < len(self._found) else ""

    def take(self) -> str:
        token = self.peek()
        self._next += 1
        return token


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a label selector; raise ApiError (400) if it has none of its grammar."""
    tokens = _Tokens(text)
    found: list[Requirement] = []
    while tokens.peek():
        found.append(_requirement(tokens))
        following = tokens.take()
        if following not in ("", ","):
            raise bad_request(f"found '{following}', expected: ',' or 'end of string'")
        if following == "," and not tokens.peek():
            raise bad_request("found '', expected: identifier after ','")
    return tuple(found)


def _requirement(tokens: _Tokens) -> Requirement:
    first = tokens.take()
    if first == "!":
        return Requirement(_key(tokens.take()), "!")
    key = _key(first)
    operator = tokens.peek()
    if operator in ("", ","):
        return Requirement(key, "exists")
    if operator not in _OPERATORS:
        raise bad_request(f"found '{operator}', expected: {', '.join(_OPERATORS)}")
    tokens.take()
    if operator in ("in", "notin"):
        return Requirement(key, operator, _values(tokens))
    value = "" if tokens.peek() in ("", ",") else tokens.take()
    return Requirement(key, operator, frozenset((value,)))


def _values(tokens: _Tokens) -> frozenset[str]:
    if (opening := tokens.take()) != "(":
        raise bad_request(f"found '{opening}' expected: '('")
    values: set[str] = set()
    while (word := tokens.take()) != ")":
        if not word:
            raise bad_request("found '', expected: ',', or ')'")
        if word != ",":
            values.add(word)
    return frozenset(values)


def _key(token: str) -> str:
    if not _KEY.match(token):
        raise bad_request(f"found '{token}', expected: !, identifier, or 'end of string'")
    return token


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field; fields are compared as text."""

    path: str
    value: str
    equal: bool

    def holds(self, obj: Object) -> bool:
        """Say whether an object meets it. A field that is absent is the empty text."""
        found: Any = obj
        for key in self.path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        text = "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
        return (text == self.value) == self.equal


def parse_fields(text: str, known: tuple[str, ...], *, custom: bool) -> tuple[FieldRequirement, ...]:
    """Return the requirements of a field selector over the fields that a kind can select by."""
    found = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = match.groups()
        if path not in known:
            raise bad_request(_unknown(path, known, custom=custom))
        found.append(FieldRequirement(path, value, operator != "!="))
    return tuple(found)


def _unknown(path: str, known: tuple[str, ...], *, custom: bool) -> str:
    if custom:
        return f"field label not supported: {path}"
    if len(known) > 2:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only ' + ", ".join(f'"{one}"' for one in known)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which objects of a collection are asked for."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def holds(self, obj: Object) -> bool:
        """Say whether an object is asked for."""
        labels = (obj.get("metadata") or {}).get("labels") or {}
        return all(one.holds(labels) for one in self.labels) and all(one.holds(obj) for one in self.fields)


Wanted = Callable[[Object], bool]
