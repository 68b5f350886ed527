"""The one rim towards python-gitlab: paths in, JSON out, our failures. What GitLab answers is `Any` up to here."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote

import gitlab
import requests
from gitlab._backends.requests_backend import RequestsBackend, RequestsResponse
from requests.adapters import HTTPAdapter

from nautes_adapters.gitlab.errors import Refused, Throttled, failure_of, retry_after
from nautes_adapters.threads import in_thread
from nautes_domain.failures import Rejected

T = TypeVar("T")
Json = Mapping[str, Any]
"""One object of GitLab's REST API v4."""

PAGE: Final = 100
"""Rows of a page; the most that GitLab gives."""
PARALLEL: Final = 8
"""Requests in flight per client; also the size of its connection pool."""


class _StrictBackend(RequestsBackend):
    """Tells 429 and 503 apart before the library sleeps on them in our thread."""

    def http_request(self, *args: Any, **kwargs: Any) -> RequestsResponse:
        """Make one request; raise Throttled when GitLab wants us to wait."""
        answer = super().http_request(*args, **kwargs)
        if answer.status_code in (429, 503):
            raise Throttled(retry_after(answer.headers.get("Retry-After")))
        return answer


class GitLabApi:
    """GitLab's REST API v4 with one token, sent in the header `PRIVATE-TOKEN`.

    Redirects are not followed (the token would go along), and pages are read from our own URL only.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 10.0) -> None:
        session = requests.Session()
        session.max_redirects = 0
        adapter = HTTPAdapter(pool_maxsize=PARALLEL)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._client = gitlab.Gitlab(
            url,
            private_token=token,
            timeout=timeout,
            keep_base_url=True,
            backend=_StrictBackend,
            session=session,
        )
        self._session = session
        self._slots = asyncio.Semaphore(PARALLEL)

    async def get(self, path: str, /, **query: Any) -> Json | None:
        """Return one object, None if GitLab knows none or hides it (404)."""
        try:
            found = await self._call(path, lambda: self._client.http_get(path, query_data=query))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return _object(found, path)

    async def rows(self, path: str, /, **query: Any) -> list[Json]:
        """Return all pages of a list, an empty list if its parent does not exist (404)."""
        try:
            found: Any = await self._call(
                path, lambda: self._client.http_list(path, query_data=_paged(query), get_all=True)
            )
        except Refused as refused:
            if refused.status == 404:
                return []
            raise
        return [_object(row, path) for row in found]

    async def newest(self, path: str, most: int, /, **query: Any) -> list[Json]:
        """Return the first rows of a list, at most `most`; an empty list if its parent does not exist (404)."""

        def fetch() -> list[Any]:
            rows = self._client.http_list(path, query_data=_paged(query), iterator=True)
            return list(islice(rows, most))

        try:
            found = await self._call(path, fetch)
        except Refused as refused:
            if refused.status == 404:
                return []
            raise
        return [_object(row, path) for row in found]

    async def post(self, path: str, body: Json, *, secret: bool = False) -> Json:
        """Create something, or do what the path says. `secret` keeps the answer's text out of errors."""
        answer = await self._call(
            path, lambda: self._client.http_post(path, post_data=dict(body)), secret=secret
        )
        return _object(answer, path)

    async def put(self, path: str, body: Json, *, secret: bool = False) -> Json:
        """Change something."""
        answer = await self._call(
            path, lambda: self._client.http_put(path, post_data=dict(body)), secret=secret
        )
        return _object(answer, path)

    async def delete(self, path: str) -> None:
        """Delete something; what is gone already is no error."""
        try:
            await self._call(path, lambda: self._client.http_delete(path))
        except Refused as refused:
            if refused.status != 404:
                raise

    async def raw(self, path: str, limit: int, /, **query: Any) -> bytes | None:
        """Return a body as it is, None on 404. More than `limit` bytes raise Rejected (code `too-large`)."""

        def fetch() -> bytes | None:
            response = self._client.http_request("get", path, query_data=query, streamed=True)
            with response:
                body = bytearray()
                for chunk in response.iter_content(64 * 1024):
                    body += chunk
                    if len(body) > limit:
                        return None
                return bytes(body)

        try:
            body = await self._call(path, fetch)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        if body is None:
            raise Rejected(f"it is larger than {limit} bytes", what=path, code="too-large")
        return body

    async def part(self, path: str, start: int, most: int) -> bytes:
        """Return at most `most` bytes of a body from `start` on; none on 404. What comes before is read over."""

        def fetch() -> bytes:
            response = self._client.http_request("get", path, streamed=True)
            with response:
                passed, body = 0, bytearray()
                for chunk in response.iter_content(64 * 1024):
                    body += chunk[max(0, start - passed) :]
                    passed += len(chunk)
                    if len(body) >= most:
                        break
                return bytes(body[:most])

        try:
            return await self._call(path, fetch)
        except Refused as refused:
            if refused.status == 404:
                return b""
            raise

    async def close(self) -> None:
        """Close the connections."""
        await in_thread(self._session.close)

    async def _call(self, what: str, function: Callable[[], T], *, secret: bool = False) -> T:
        async with self._slots:
            try:
                return await in_thread(function)
            except (gitlab.GitlabError, requests.RequestException, Throttled) as error:
                raise failure_of(error, what=f"gitlab{what}", secret=secret) from None


def _paged(query: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for the largest pages. The client's own setting counts for its managers only, not for paths."""
    return {"per_page": PAGE, **query}


def quoted(path: str) -> str:
    """Return a path with namespace, a branch or a file name as one segment of a URL."""
    return quote(path, safe="")


def _object(answer: Any, path: str) -> Json:
    if isinstance(answer, Mapping):
        return answer
    if isinstance(answer, requests.Response):  # an empty body, or one that is not JSON
        return {}
    raise Rejected("GitLab's answer is not an object", what=f"gitlab{path}", code="gitlab-refused")
