"""One API server over kubernetes.aio: TLS from memory, no proxy, no redirect. The only user of that package.

Only its transport is used: its typed APIs return None where server-side apply creates (one success code is
mapped), and its dynamic client patches custom resources with a media type which these do not know.
"""

import contextlib
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import client as kubernetes_client

from nautes_adapters.kubernetes.errors import UNAVAILABLE, Answer
from nautes_domain.failures import Rejected, Retry
from nautes_domain.kubeconfig import Credentials

USER_AGENT: Final = "nautes"
TIMEOUT: Final = 15.0
"""Seconds that one call may take as a whole."""

MAX_BYTES: Final = 64 * 2**20
"""Largest answer: a page of 500 objects, most of which are far below their limit of 1.5 MB."""

Query = Sequence[tuple[str, str]]


class Transport:
    """Calls and streams on one API server. Made anywhere, used within one event loop."""

    def __init__(self, credentials: Credentials, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._api = _api_client(credentials)
        self._closed = False

    async def close(self) -> None:
        """Close all connections. What is under way, or asked for later, raises Retry."""
        self._closed = True
        await self._api.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer, whatever its status; raise Retry or Rejected when there is none."""
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        sent = {"Content-Type": content_type, **(headers or {})}
        response = await self._request(method, path, query, body, sent, timeout)
        try:
            with _transport_failures(method, path):
                data = await _bounded(response, f"{method} {path}")
        finally:
            response.release()
        return _answer(response, data, f"{method} {path}")

    @contextlib.asynccontextmanager
    async def lines(self, path: str, *, query: Query, seconds: float) -> AsyncIterator[AsyncIterator[Answer]]:
        """Open a stream of JSON lines; each comes as an Answer with the status of the whole.

        An answer of 400 or more comes as one single Answer. `seconds` bounds the silence between two lines.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=seconds)
        response = await self._request("GET", path, query, None, {}, timeout)
        try:
            yield _lines(response, path)
        finally:
            _hang_up(response)

    @contextlib.asynccontextmanager
    async def text(
        self, path: str, *, query: Query, silence: float
    ) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """Open a stream of text; it comes as the server sends it, no faster than it is taken.

        The answer's body is that of a refusal (400 or more), else empty. `silence` is how many seconds may pass
        without a byte.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=silence)
        accepted = {"Accept": "*/*"}  # a Status comes as JSON all the same
        response = await self._request("GET", path, query, None, accepted, timeout)
        try:
            refused = await _bounded(response, path) if response.status >= 400 else b"{}"
            yield _answer(response, refused, path), _chunks(response, path)
        finally:
            _hang_up(response)

    async def _request(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> aiohttp.ClientResponse:
        if self._closed:
            raise Retry("the connection was closed: credentials were renewed", what=path, code=UNAVAILABLE)
        request = await self._api.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": "application/json", **headers},
            body=body,
            auth_settings=["BearerToken"],
        )
        with _transport_failures(method, path):
            answer = await self._api.call_api(*request, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


async def _lines(response: aiohttp.ClientResponse, path: str) -> AsyncIterator[Answer]:
    with _transport_failures("GET", path):
        if response.status >= 400:
            yield _answer(response, await _bounded(response, path), path)
            return
        async for line in response.content:
            if line.strip():
                yield _answer(response, line, path)


async def _chunks(response: aiohttp.ClientResponse, path: str) -> AsyncIterator[bytes]:
    with _transport_failures("GET", path):
        async for chunk in response.content.iter_any():
            yield chunk


async def _bounded(response: aiohttp.ClientResponse, what: str) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_BYTES:
            response.close()
            raise Rejected("the API server's answer is too long", what=what, code="kubernetes-too-long")
    return bytes(data)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """End a stream at once: a TLS connection that is closed politely outlives us while its server says nothing."""
    connection = response.connection
    transport = connection.transport if connection is not None else None
    response.close()
    if transport is not None:
        transport.abort()


def _answer(response: aiohttp.ClientResponse, data: bytes, what: str) -> Answer:
    """Return what was answered. A refusal may come from a proxy on the way and hold anything but JSON."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        if response.status < 400:
            raise Retry("the API server's answer is no JSON object", what=what, code=UNAVAILABLE)
        body = {}
    return Answer(response.status, body, response.headers.get("Retry-After", ""))


@contextlib.contextmanager
def _transport_failures(method: str, path: str) -> Iterator[None]:
    """Turn errors of the connection into failures. Their texts name host and port, never a token."""
    what = f"{method} {path}"
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise Rejected(
            f"the cluster's certificate is not trusted: {error.certificate_error}",
            what=what,
            who="platform team",
            next_step="register the cluster with its present CA",
            code="kubernetes-untrusted",
        ) from None
    except TimeoutError:
        raise Retry("the API server did not answer in time", what=what, code=UNAVAILABLE) from None
    except (aiohttp.ClientError, OSError) as error:
        raise Retry(f"the API server cannot be reached: {error}", what=what, code=UNAVAILABLE) from None


async def _no_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Refuse redirects: an API server has no reason for one, and our token goes nowhere else."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.release()
        raise Rejected("the API server answered with a redirect", code="kubernetes-redirect")
    return response


def _api_client(credentials: Credentials) -> Any:
    configuration: Any = kubernetes_client.Configuration(
        host=credentials.server,
        ca_cert_data=credentials.ca_pem or None,
        # Proxies and .netrc of the environment are not ours to obey: the cluster is called directly.
        client_session_kwargs={"trust_env": False, "middlewares": (_no_redirects,)},
    )
    configuration.tls_server_name = credentials.tls_server_name or None
    if credentials.token_file:
        token_file = Path(credentials.token_file)

        def renewed(of: Any) -> None:
            of.api_key["BearerToken"] = f"Bearer {read_token(token_file)}"

        renewed(configuration)
        configuration.refresh_api_key_hook = renewed
    elif credentials.token:
        configuration.api_key["BearerToken"] = f"Bearer {credentials.token}"
    try:
        with _client_certificate(credentials) as path:
            configuration.cert_file = path
            api = kubernetes_client.ApiClient(configuration)
    except ssl.SSLError:
        raise Rejected("a certificate or key cannot be read", code="kubernetes-credentials") from None
    api.user_agent = USER_AGENT
    return api


def read_token(file: Path) -> str:
    """Return the token of our pod's account. Raises Rejected (code `kubernetes-account`)."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise no_account(file, error) from None


def no_account(place: Path, error: Exception) -> Rejected:
    """Return the failure of a process that has no account on the cluster that it is said to run on."""
    return Rejected(
        f"the account of the pod cannot be read: {type(error).__name__}",
        what=str(place),
        who="platform team",
        next_step="run the pod with its account's token mounted, or give a kubeconfig",
        code="kubernetes-account",
    )


@contextlib.contextmanager
def _client_certificate(credentials: Credentials) -> Iterator[str | None]:
    """Yield a path to certificate and key for as long as OpenSSL needs to read it; it takes paths only.

    On Linux the file lives in memory and has no name; elsewhere it is readable by us alone and removed at once.
    """
    if not credentials.certificate_pem:
        yield None
        return
    content = f"{credentials.certificate_pem}\n{credentials.key_pem}\n".encode()
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("client-certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:
            named.write(content)
            named.flush()
            yield named.name
