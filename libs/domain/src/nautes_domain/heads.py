"""Where branches and tags stood when we last heard of them, and what moved without our being told. Pure.

GitLab does not repeat a hook call that failed, and makes none for a push of more than three refs. What is
found is no sooner believed than at a second look, since the call for it may be on its way.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from nautes_domain.capabilities import Head
from nautes_domain.effects import Record
from nautes_domain.events import PUSHES, ZERO, Delivery

MOST_REFS: Final = 10_000
"""Refs of one project that are followed: about half of what a bucket takes under one key."""


def _pack(refs: Mapping[str, str]) -> str:
    return b64encode(zlib.compress(json.dumps(dict(sorted(refs.items()))).encode(), 6)).decode()


def _unpack(value: Any) -> Any:
    return json.loads(zlib.decompress(b64decode(value))) if isinstance(value, str) else value


Refs = Annotated[Mapping[str, str], BeforeValidator(_unpack), PlainSerializer(_pack, return_type=str)]
"""What each full ref names; compressed on the wire."""


class Heads(Record):
    """What we know of one project."""

    seen: Refs = Field(default_factory=dict)
    """Where each ref stood after the last delivery, or at the first look."""
    candidates: Refs = Field(default_factory=dict)
    """Where refs stood at the last look that were seen elsewhere; all zeros for those that were gone."""
    instance: str = ""
    """How the code host calls itself in its deliveries."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A ref that moved without our being told."""

    ref: str
    before: str
    after: str
    commit: str


def heads_key(project_id: int) -> str:
    """Return the key of a project's heads in bucket `index`."""
    return f"heads_{project_id:d}"


def first_look(now: Mapping[str, Head]) -> Heads:
    """Return what is known of a project from now on; nothing of it counts as missed."""
    return Heads(seen={ref: head.target for ref, head in now.items()})


def look(known: Heads, now: Mapping[str, Head]) -> tuple[tuple[Missed, ...], Heads]:
    """Return what moved unheard and still stands where it stood at the last look, and what is known after this one.

    That everything is gone is not believed: more likely the repository is hidden from us for a while, and
    everything in it would look new when it comes back.
    """
    if not now:
        return (), known
    moved = {
        ref: now[ref].target if ref in now else _nothing(known.seen[ref])
        for ref in sorted({*known.seen, *now})
        if known.seen.get(ref) != (now[ref].target if ref in now else None)
    }
    missed = tuple(
        Missed(
            ref,
            known.seen.get(ref) or _nothing(target),
            target,
            now[ref].commit if ref in now else "",
        )
        for ref, target in moved.items()
        if known.candidates.get(ref) == target
    )
    return missed, known.model_copy(update={"candidates": moved})


def heard(known: Heads, delivery: Delivery) -> Heads:
    """Return what is known once a delivery was dealt with."""
    if delivery.kind not in PUSHES:
        return known
    seen = dict(known.seen)
    if delivery.deletes:
        seen.pop(delivery.ref, None)
    else:
        seen[delivery.ref] = delivery.after
    return known.model_copy(update={"seen": seen, "instance": delivery.instance or known.instance})


def was_heard(known: Heads, delivery: Delivery) -> bool:
    """Say whether we were told of a ref after it was found to have moved.

    What was found holds only while the ref stands where it stood then. Anything heard since, be it the very push
    or a later one, had its own delivery; what is still missing is found by the next looks, from where we stand.
    """
    return known.seen.get(delivery.ref, _nothing(delivery.before)) != delivery.before


def _nothing(like: str) -> str:
    return ZERO * len(like)
