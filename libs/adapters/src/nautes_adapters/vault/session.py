"""The one rim towards hvac: a login that renews itself, paths in, JSON out, our failures."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Self, TypeVar

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidRequest, VaultError
from requests.adapters import HTTPAdapter

from nautes_adapters.threads import in_thread
from nautes_adapters.vault.errors import DENIED, UNAVAILABLE, failure_of
from nautes_domain.failures import Rejected, Retry

T = TypeVar("T")
Json = Mapping[str, Any]
Login = Callable[[], tuple[str, Mapping[str, str]]]
"""Gives the path of a login call and its body; asked for each login, since a projected token is renewed."""

PARALLEL: Final = 8
"""Requests in flight per session; also the size of its connection pool."""


class VaultSession:
    """A connection to Vault or OpenBao as one identity. The token lives in memory only.

    A 403 means "expired" as well as "not allowed": the session logs in once more and asks again; the
    second 403 is Rejected (code `vault-denied`).
    """

    def __init__(
        self, address: str, login: Login | None, *, timeout: float = 10.0, verify: bool | str = True
    ) -> None:
        """Take where and as whom; `verify` may name a file of CA certificates. Connects on first use."""
        session = requests.Session()
        session.verify = verify
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=PARALLEL))
        # An empty token: with None hvac would take one from the environment or the home folder.
        self._client: Any = hvac.Client(
            url=address, token="", verify=verify, timeout=timeout, allow_redirects=False, session=session
        )
        self._login_call = login
        self._slots = asyncio.Semaphore(PARALLEL)
        self._login_turn = asyncio.Lock()

    @classmethod
    def with_token(cls, address: str, token: str, *, timeout: float = 10.0) -> Self:
        """Return a session of a token that is at hand: for setting up, where no login exists yet."""
        session = cls(address, None, timeout=timeout)
        session._client.token = token
        return session

    async def read(self, path: str) -> Json | None:
        """Return the `data` of a path, None if nothing is there."""
        answer = await self._call(path, lambda: self._client.read(path))
        return None if answer is None else _data(answer)

    async def names(self, path: str) -> list[str]:
        """Return the names under a path, none if it does not exist."""
        answer = await self._call(path, lambda: self._client.list(path))
        return [] if answer is None else [str(key) for key in _data(answer).get("keys", ())]

    async def write(self, path: str, data: Json, *, secret: bool = False) -> Json:
        """Write to a path and return the answer's `data`. `secret` keeps Vault's words out of errors."""
        return _data(await self._call(path, lambda: self._post(path, data), secret=secret))

    async def wrap(self, data: Json, ttl: timedelta) -> str:
        """Return a single-use token for `data` (HTTP API, "Response wrapping")."""
        seconds = f"{max(1, round(ttl.total_seconds()))}s"
        path = "sys/wrapping/wrap"
        answer = await self._call(path, lambda: self._post(path, data, wrap_ttl=seconds), secret=True)
        return str(answer["wrap_info"]["token"])

    async def delete(self, path: str) -> None:
        """Delete a path. What is gone, its mount included, is no error."""

        def gone() -> None:
            try:
                self._client.delete(path)
            except hvac.exceptions.InvalidPath:
                return

        await self._call(path, gone)

    async def close(self) -> None:
        """Close the connections and forget the token."""
        self._client.token = ""
        await in_thread(self._client.adapter.close)

    def _post(self, path: str, data: Json, *, wrap_ttl: str | None = None) -> Any:
        return self._client.write_data(path, data=dict(data), wrap_ttl=wrap_ttl)

    async def _call(self, what: str, function: Callable[[], T], *, secret: bool = False) -> T:
        async with self._slots:
            try:
                return await self._as_ourselves(function)
            except (VaultError, requests.RequestException) as error:
                raise failure_of(error, what=f"vault/{what}", secret=secret) from None

    async def _as_ourselves(self, function: Callable[[], T]) -> T:
        if not self._client.token:
            await self._login("")
        used = self._client.token
        try:
            return await in_thread(function)
        except Forbidden:
            if self._login_call is None:
                raise
        await self._login(used)
        return await in_thread(function)

    async def _login(self, used: str) -> None:
        """Log in, unless somebody else did since `used` was the token."""
        async with self._login_turn:
            if self._client.token != used or self._login_call is None:
                return
            path, body = self._login_call()
            try:
                answer = await in_thread(self._post, path, body)
            except (InvalidRequest, Forbidden):
                raise Rejected(
                    "Vault does not accept this service's login",
                    what=f"vault/{path.removesuffix('/login')}",
                    who="platform team",
                    next_step="issue a new secret id, or bind the role to the service's account",
                    code=DENIED,
                ) from None
            self._client.token = str(answer["auth"]["client_token"])


def _data(answer: Any) -> Json:
    if isinstance(answer, requests.Response):
        if answer.is_redirect:  # a standby that does not forward; another node will answer
            raise Retry("Vault redirects to another node", code=UNAVAILABLE)
        return {}
    found = answer.get("data")
    return found if isinstance(found, Mapping) else {}
