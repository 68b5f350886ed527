"""Vault's key-value engine, version 2, as the secret store."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from nautes_adapters.vault.errors import Refused
from nautes_adapters.vault.session import VaultSession
from nautes_domain.capabilities import StoredSecret
from nautes_domain.failures import Rejected, Retry

_SEGMENT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,126}[a-z0-9])?\Z")


class VaultSecretStore:
    """Implements `capabilities.SecretStore` (HTTP API, "KV secrets engine - version 2")."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session

    async def read(self, mount: str, path: str) -> StoredSecret | None:
        """Return the newest version, None if there is none or it was deleted."""
        found = await self._session.read(data_path(mount, path))
        if found is None or found.get("data") is None:
            return None
        about = found["metadata"]
        return StoredSecret(
            values={str(key): str(value) for key, value in found["data"].items()},
            version=int(about["version"]),
            written_at=datetime.fromisoformat(about["created_time"]),
        )

    async def write(
        self, mount: str, path: str, values: Mapping[str, str], *, expected: int | None = None
    ) -> int:
        """Write a version and return its number; Retry (`version-conflict`) if `expected` is not the newest."""
        options = {} if expected is None else {"cas": expected}
        where = data_path(mount, path)
        try:
            answer = await self._session.write(where, {"data": dict(values), "options": options}, secret=True)
        except Refused as refused:
            if "check-and-set" in refused.answer:
                raise Retry(
                    "somebody wrote this secret meanwhile",
                    after=timedelta(seconds=1),
                    what=f"vault/{where}",
                    code="version-conflict",
                ) from None
            raise
        return int(answer["version"])

    async def remove(self, mount: str, path: str) -> None:
        """Destroy every version and the metadata."""
        await self._session.delete(_joined(mount, "metadata", path))

    async def wrap(self, values: Mapping[str, str], ttl: timedelta) -> str:
        """Return a single-use token for the values; `ttl` is at least a second."""
        return await self._session.wrap(values, ttl)

    async def unwrap(self, token: str) -> Mapping[str, str]:
        """Return the wrapped values, once; afterwards Rejected (`wrapping-token`)."""
        try:
            found = await self._session.write("sys/wrapping/unwrap", {"token": token}, secret=True)
        except Refused:
            raise Rejected(
                "the wrapping token was used, has expired or never existed",
                who="platform team",
                next_step="offer the values again; if nobody of ours used the token, somebody else did",
                code="wrapping-token",
            ) from None
        return {str(key): str(value) for key, value in found.items()}


def data_path(mount: str, path: str) -> str:
    """Return the API path at which a secret's values are read: `git/data/gitlab/repo-7/default/readonly`.

    This is the path that a policy grants. Segments that are not of our grammar raise Rejected.
    """
    return _joined(mount, "data", path)


def _joined(mount: str, part: str, path: str) -> str:
    segments = (mount, *path.split("/"))
    if not all(_SEGMENT.match(segment) and ".." not in segment for segment in segments):
        raise Rejected("this is not a path of the secret store", what=path[:200], code="bad-secret-path")
    return f"{mount}/{part}/{path}"
