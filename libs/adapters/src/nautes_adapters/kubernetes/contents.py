"""What Secrets that we write have in common: values as text, a digest that shows tampering, and keys from the secret store."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import ReadKey
from nautes_domain.failures import Blocked, Retry

CONTENT: Final = "nautes.io/content"
"""Annotation with the digest of what we wrote."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A stored read key: its value, its version, and the fingerprint of its public half (`SHA256:…`)."""

    value: str = field(repr=False)
    version: int
    fingerprint: str


KeyOf = Callable[[str], Awaitable[PrivateKey | None]]
"""Gives the newest key at a path of the secret store, None while there is none."""


async def planned_key(key_of: KeyOf, planned: ReadKey, *, what: str, repository: str) -> PrivateKey:
    """Return the key that a plan names. Blocked while there is none, Retry if it was replaced since it was planned.

    `repository` is `<product>/<name>`.
    """
    key = await key_of(planned.path) if planned.path else None
    if key is None:
        by = f"secret/{planned.path}" if planned.path else f"coderepo/{repository}"
        raise Blocked("the repository has no read key yet", by=by, what=what, code="no-read-key")
    if (key.version, key.fingerprint) != (planned.version, planned.fingerprint):
        raise Retry("its read key was replaced meanwhile", what=what, code="read-key-stale")
    return key


def encoded(text: str) -> str:
    """Return a value as `data` of a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


def decoded(data: Mapping[str, str], key: str) -> str:
    """Return a value of `data` as text, empty where there is none."""
    return base64.b64decode(data.get(key) or "").decode("utf-8", "replace")


def content_digest(data: Mapping[str, str]) -> str:
    """Return a digest that shows tampering and no value: the token or key in it is long and random."""
    return names.digest(*(f"{key}={data[key]}" for key in sorted(data)), length=40)
