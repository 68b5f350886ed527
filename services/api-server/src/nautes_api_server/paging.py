"""Lists in parts: sorted by name, so that the last name of one part is where the next begins, whatever changed meanwhile. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from nautes_api_server.declarations import Entity

MOST: Final = 1_000
"""Rows of one part."""


@dataclass(frozen=True, slots=True)
class Page:
    """One part of a list."""

    items: tuple[Entity, ...]
    total: int
    """Rows of all parts."""
    next: str
    """Name after which the next part begins; empty at the end."""

    def text(self) -> bytes:
        """Return the JSON of the reply."""
        rest = json.dumps({"total": self.total, "next": self.next}, separators=(",", ":")).encode()
        return b'{"items":[' + b",".join(one.text for one in self.items) + b"]," + rest[1:]


def etag(text: bytes) -> str:
    """Return what changes whenever a reply does."""
    return f'"{hashlib.sha256(text).hexdigest()[:20]}"'


def page(rows: Iterable[Entity], *, limit: int | None, after: str) -> Page:
    """Return the part of a list, sorted by name, that begins after a name; all of it without a limit."""
    found = list(rows)
    rest = [one for one in found if one.name > after] if after else found
    part = rest if limit is None else rest[:limit]
    more = len(rest) > len(part)
    return Page(tuple(part), len(found), part[-1].name if more else "")


def link(url: str, query: Mapping[str, Any], following: str) -> str:
    """Return the `Link` header to the next part (RFC 8288)."""
    return f'<{url}?{urlencode({**query, "after": following})}>; rel="next"'
