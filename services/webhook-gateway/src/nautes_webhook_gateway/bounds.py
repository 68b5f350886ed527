"""What may pass from a hook call into a delivery: texts for people are cut, keys are whole or refused. Pure."""

import re
from dataclasses import dataclass
from typing import Final

MAX_REF: Final = 1000
MAX_COUNT: Final = 2**53
_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_NOT_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|[/.]\Z")


@dataclass(frozen=True, slots=True)
class Ignored:
    """Genuine, but nothing here will ever act on it: answered 2xx, since GitLab counts failures of a hook."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not what GitLab sends: answered 4xx, nothing stored."""

    code: str
    message: str


class Ends(Exception):
    """No delivery comes of this call."""

    def __init__(self, result: Ignored | Malformed) -> None:
        super().__init__(result)
        self.result = result


def malformed(code: str, message: str) -> Ends:
    """Return what ends a call that GitLab cannot have sent."""
    return Ends(Malformed(code, message))


def shown(text: str | None, length: int) -> str:
    """Return text for people: one line, no control or bidirectional characters, cut."""
    cut = (text or "")[:length]
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() else " " for char in cut)
    return cut.strip()


def sha(field: str, text: str | None) -> str:
    """Return a commit id, empty for none. Ends the call for what is none."""
    if text and _SHA.match(text) is None:
        raise malformed("bad-sha", f"{field} is not 40 or 64 lower-case hexadecimal digits")
    return text or ""


def full_ref(text: str) -> str:
    """Return a full ref. Ends the call for what git-check-ref-format(1) would refuse."""
    if len(text) > MAX_REF or not text.startswith("refs/") or _NOT_A_REF.search(text):
        raise malformed("bad-ref", "ref is not a full Git ref of at most 1000 characters")
    return text


def short_ref(field: str, text: str | None) -> str:
    """Return the name of a branch or tag, empty for none."""
    if not text:
        return ""
    if len(text) > MAX_REF or text.startswith(("-", "/")) or _NOT_A_REF.search(text):
        raise malformed("bad-ref", f"{field} is not the name of a branch or tag")
    return text


def number(value: int | None) -> int:
    """Return a number that people see, 0 for none or for one that cannot be."""
    return value if value is not None and 0 <= value <= MAX_COUNT else 0
