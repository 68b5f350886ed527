"""A secret store in memory: versions, check-and-set, single-use wrapping."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from nautes_domain.capabilities import StoredSecret
from nautes_domain.failures import Rejected, Retry


def _now() -> datetime:
    return datetime.now(UTC)


class MemorySecretStore:
    """Implements `capabilities.SecretStore`. `now` decides when wrapped values expire."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._secrets: dict[tuple[str, str], StoredSecret] = {}
        self._wrapped: dict[str, tuple[Mapping[str, str], datetime]] = {}

    async def read(self, mount: str, path: str) -> StoredSecret | None:
        """Return the newest version."""
        return self._secrets.get((mount, path))

    async def write(
        self, mount: str, path: str, values: Mapping[str, str], *, expected: int | None = None
    ) -> int:
        """Write a version on top of the newest, or on top of `expected` alone."""
        found = self._secrets.get((mount, path))
        newest = found.version if found else 0
        if expected not in (None, newest):
            raise Retry(
                "somebody wrote this secret meanwhile",
                after=timedelta(seconds=1),
                what=f"{mount}/{path}",
                code="version-conflict",
            )
        self._secrets[mount, path] = StoredSecret(dict(values), newest + 1, self._now())
        return newest + 1

    async def remove(self, mount: str, path: str) -> None:
        """Forget every version."""
        self._secrets.pop((mount, path), None)

    async def wrap(self, values: Mapping[str, str], ttl: timedelta) -> str:
        """Keep values for whoever has the token."""
        token = secrets.token_urlsafe(24)
        self._wrapped[token] = (dict(values), self._now() + ttl)
        return token

    async def unwrap(self, token: str) -> Mapping[str, str]:
        """Hand wrapped values out, once."""
        values, until = self._wrapped.pop(token, (None, None))
        if values is None or until is None or until <= self._now():
            raise Rejected("the wrapping token was used, has expired or never existed", code="wrapping-token")
        return values
