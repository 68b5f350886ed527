"""When a hook's secrets are replaced, and what stays valid meanwhile. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from nautes_secret_broker.desired import CURRENT

EXPIRED: Final = "expired"
OVERLAPPING: Final = "overlapping"
INCOMPLETE: Final = "incomplete"

BYTES: Final = 32
"""Random bytes of each secret."""

FIELDS: Final = ("token", "signing_token")
SIGNING_PREFIX: Final = "whsec_"
"""Standard Webhooks, "Signature scheme": the prefix of a base64 key."""


@dataclass(frozen=True, slots=True)
class Ages:
    """After what age secrets are replaced, and for how long those before stay valid."""

    limit: timedelta
    overlap: timedelta


def state(values: Mapping[str, str], written_at: datetime | None, now: datetime, ages: Ages) -> str:
    """Return what has to be done: nothing (`current`), replace (`expired`), or end the overlap (`overlapping`)."""
    if not all(values.get(field) for field in FIELDS):
        return INCOMPLETE
    age = timedelta(0) if written_at is None else now - written_at
    if age > ages.limit:
        return EXPIRED
    overlaps = any(values.get(f"previous_{field}") for field in FIELDS)
    return OVERLAPPING if overlaps and age > ages.overlap else CURRENT


def fresh(project_id: int, token: bytes, signing: bytes) -> dict[str, str]:
    """Return the fields of new secrets made of random bytes. GitLab takes visible ASCII as a token."""
    return {
        "token": base64.urlsafe_b64encode(token).decode().rstrip("="),
        "signing_token": SIGNING_PREFIX + base64.b64encode(signing).decode(),
        "project_id": str(project_id),
        "previous_token": "",
        "previous_signing_token": "",
    }


def replaced(before: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Return new secrets beside which those before stay valid."""
    return {**new, **{f"previous_{field}": before.get(field, "") for field in FIELDS}}


def settled(values: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets without those before: the overlap is over."""
    return {**values, **{f"previous_{field}": "" for field in FIELDS}}


def successor(before: Mapping[str, str], condition: str, new: Mapping[str, str]) -> dict[str, str]:
    """Return what is written over `before`, whose `state` is `condition`; `new` are unused fresh secrets.

    Secrets of another project, or such that cannot protect a hook, get no overlap.
    """
    if condition == INCOMPLETE or before.get("project_id") != new["project_id"]:
        return dict(new)
    return replaced(before, new) if condition == EXPIRED else settled(before)
