"""Bytes of a YAML file to JSON-like values with the line of every field. Bounded before anything is built.

Scalars are read by the core schema of YAML 1.2 (section 10.3.2): `yes` and `2026-11-24` are text, as the
people who wrote them meant. Custom tags, merge keys and duplicate keys are refused (security rule 8).
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import yaml

from nautes_domain.failures import Rejected, Violation

_Read = TypeVar("_Read")

Path = tuple[str | int, ...]
"""Where a value stands in its document: keys and list indices."""

MAX_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 60
MAX_NODES: Final = 50_000
"""Counted after aliases are expanded, so that nested aliases cannot multiply."""
MAX_ALIASES: Final = 100
MAX_DOCUMENTS: Final = 200

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_CONSTANTS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_KNOWN_TAGS: Final = frozenset(f"tag:yaml.org,2002:{tag}" for tag in ("str", "map", "seq", "int", "bool"))


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: a mapping, and the line (from 1) at which each of its values starts."""

    file: str
    value: Mapping[str, Any]
    lines: Mapping[Path, int] = field(repr=False)

    def line_of(self, path: Path = ()) -> int:
        """Return the line of a value, or of its nearest parent that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Refused(Exception):
    """A document that is not read any further."""

    def __init__(self, message: str, line: int, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.fix = message, line, fix


def parse(text: bytes, file: str) -> tuple[Document, ...]:
    """Return the documents of a YAML file; empty documents are left out.

    Raises Rejected (code `yaml`) with one violation: what follows a broken place cannot be judged.
    """
    return tuple(_parsed(text, file, _documents))


def parse_any(text: bytes, file: str) -> tuple[Any, ...]:
    """Return the values of the documents of a YAML file, whatever they are; otherwise as `parse`."""
    return tuple(builder.root for builder in _parsed(text, file, lambda decoded, _: _roots(decoded)))


def _parsed(text: bytes, file: str, read: Callable[[str, str], Iterator[_Read]]) -> list[_Read]:
    if len(text) > MAX_BYTES:
        raise _rejected(file, 1, f"the file has {len(text)} bytes; {MAX_BYTES} are allowed", "split the file")
    try:
        return list(read(text.decode("utf-8-sig"), file))
    except _Refused as refused:
        raise _rejected(file, refused.line, refused.message, refused.fix) from None
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise _rejected(file, line, "the file is not UTF-8", "save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = str(getattr(error, "problem", None) or "not YAML")
        raise _rejected(file, mark.line + 1 if mark else 1, message, "mend the YAML") from None


def documents(text: bytes, file: str, problems: list[Violation]) -> tuple[Document, ...]:
    """Return the documents of a YAML file; none, after adding to `problems`, if it cannot be read."""
    try:
        return parse(text, file)
    except Rejected as refused:
        problems.extend(refused.violations)
        return ()


def _rejected(file: str, line: int, message: str, fix: str) -> Rejected:
    violation = Violation(file, line, "file", "", "", "yaml", message, fix)
    return Rejected(f"{file}:{line} {message}", [violation], code="yaml")


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. `key` waits for its value."""

    value: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    key: str | None = None


class _Builder:
    """Builds one document from parser events, without recursion."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.root: Any = None
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._aliases = 0

    def take(self, event: Any) -> None:
        """Take one event of the document's content."""
        line = _line(event)
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", line)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        else:
            self._collection(event, line)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Refused(f"the document has more than {MAX_NODES} values", line, "split the file")

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _scalar(self, event: Any, line: int) -> None:
        self._count(1, line)
        if self._expects_key():
            self._key(event.value, line)
            return
        value = _scalar(event, line)
        self._place(value, line)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _key(self, key: str, line: int) -> None:
        top = self._open[-1]
        if key == "<<":
            raise _Refused("merge keys (<<) are not read", line, "write the fields out")
        if key in top.value:
            raise _Refused(f"the key {key!r} stands twice in one mapping", line, "remove one of them")
        top.key = key

    def _alias(self, anchor: str, line: int) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _Refused(f"the document has more than {MAX_ALIASES} aliases", line)
        if anchor not in self._anchors:
            raise _Refused(f"the alias *{anchor} has no complete anchor before it", line)
        if self._expects_key():
            raise _Refused("an alias is not a key", line)
        value, nodes = self._anchors[anchor]
        self._count(nodes, line)
        self._place(value, line)

    def _collection(self, event: Any, line: int) -> None:
        self._count(1, line)
        if self._expects_key():
            raise _Refused("only text can be a key", line)
        if len(self._open) >= MAX_DEPTH:
            raise _Refused(f"values are nested deeper than {MAX_DEPTH} levels", line)
        _check_tag(event, line)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._place(value, line)
        self._open.append(_Open(value, path, event.anchor))

    def _place(self, value: Any, line: int) -> Path:
        if not self._open:
            self.root, self.lines[()] = value, line
            return ()
        top = self._open[-1]
        if isinstance(top.value, list):
            path: Path = (*top.path, len(top.value))
            top.value.append(value)
        else:
            key = top.key or ""
            path = (*top.path, key)
            top.value[key], top.key = value, None
        self.lines[path] = line
        return path

    def _close(self) -> None:
        done = self._open.pop()
        if done.anchor:
            self._anchors[done.anchor] = (done.value, _size(done.value))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _size(value: Any) -> int:
    """Count the values in a finished collection; its depth is bounded, its aliases were counted."""
    if isinstance(value, dict):
        return 1 + sum(_size(one) for one in value.values())
    if isinstance(value, list):
        return 1 + sum(_size(one) for one in value)
    return 1


def _check_tag(event: Any, line: int) -> None:
    if event.tag and event.tag != "!" and event.tag not in _KNOWN_TAGS:
        raise _Refused(f"the tag {event.tag[:60]!r} is not read", line, "write a plain value")


def is_plain_text(text: str) -> bool:
    """Say whether unquoted text would be read as text, and not as a number, a boolean or nothing."""
    return text not in _CONSTANTS and not _INT.match(text) and not _FLOAT.match(text) and text != "<<"


def _scalar(event: Any, line: int) -> Any:
    _check_tag(event, line)
    text: str = event.value
    plain = event.implicit[0] and event.tag is None
    if not plain and not (event.tag or "").endswith((":int", ":bool")):
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > 40:
        return text
    if _INT.match(text):
        return int(text, 0 if text[:2] in {"0o", "0x"} else 10)
    if not _FLOAT.match(text):
        return text
    number = float(text)
    if math.isinf(number):
        raise _Refused(f"{text} is too large a number", line)
    return number


def _documents(text: str, file: str) -> Iterator[Document]:
    for builder in _roots(text):
        if not isinstance(builder.root, dict):
            raise _Refused("the document is not a mapping", builder.lines[()])
        yield Document(file, builder.root, builder.lines)


def _roots(text: str) -> Iterator[_Builder]:
    """Yield each document that is not empty."""
    builder = _Builder()
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            builder = _Builder()
            count += 1
            if count > MAX_DOCUMENTS:
                raise _Refused(f"more than {MAX_DOCUMENTS} documents", _line(event))
        elif isinstance(event, yaml.DocumentEndEvent):
            if builder.root is not None:
                yield builder
        elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            builder.take(event)
