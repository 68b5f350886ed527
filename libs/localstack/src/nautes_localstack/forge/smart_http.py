"""`git clone`, `fetch` and `push` over HTTP: tokens and rights here, the protocol in git's own `http-backend`.

Sources: git-http-backend(1), gitprotocol-http(5).
"""

import asyncio
import base64
import binascii
import contextlib
import re
import tempfile
from collections.abc import Mapping
from typing import IO, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from nautes_localstack.forge.git.commands import GIT
from nautes_localstack.forge.git.parsing import push_report
from nautes_localstack.forge.hosting import Caller, Host
from nautes_localstack.forge.pushes import Push, Pushes
from nautes_localstack.forge.records import Project
from nautes_localstack.forge.rights import Level, allows_git

PATH: Final = re.compile(
    r"/(?P<project>.+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack|git-receive-pack)\Z"
)
CHUNK: Final = 64 * 1024


def git_password(headers: Mapping[str, str]) -> str:
    """Return the token of a request: the password of Basic with any user name, or a bearer token; "" without."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class SmartHttp:
    """An ASGI application for paths that match PATH."""

    def __init__(self, host: Host, pushes: Pushes, environment: Mapping[str, str]) -> None:
        self._host = host
        self._pushes = pushes
        self._environment = {
            **environment,
            "GIT_PROJECT_ROOT": str(host.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        found = PATH.match(scope["path"])
        service = found["service"] if found else ""
        command = request.query_params.get("service", "") if service == "info/refs" else service
        if not found or command not in ("git-upload-pack", "git-receive-pack"):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
            return
        caller = self._host.authenticate(git_password(request.headers))
        project = self._host.project(found["project"]) if not found["project"].isdigit() else None
        refusal = self._refusal(request, caller, project, write=command == "git-receive-pack")
        if refusal is not None or project is None:
            await (refusal or _not_found())(scope, receive, send)
            return
        with contextlib.suppress(ClientDisconnect):
            if service == "git-receive-pack" and caller is not None:
                await self._receive_pack(request, send, caller, project)
            else:
                await self._serve(request, send, self._cgi(request, project, service, caller))

    async def _serve(self, request: Request, send: Send, environment: Mapping[str, str]) -> None:
        """Serve what changes nothing."""
        with self._spool() as body:
            await _read(request, body)
            await _run(body, environment, send)
        await send({"type": "http.response.body", "body": b""})

    def _refusal(
        self, request: Request, caller: Caller | None, project: Project | None, *, write: bool
    ) -> Response | None:
        """Return why not, or None."""
        given = "authorization" in request.headers
        level = (
            Level.NONE
            if project is None
            else self._host.project_level(caller.user if caller else None, project)
        )
        if caller is None and (given or write or level < Level.REPORTER):
            return PlainTextResponse(
                "HTTP Basic: Access denied", 401, headers={"WWW-Authenticate": 'Basic realm="GitLab"'}
            )
        if project is None or level < Level.GUEST:
            return _not_found()
        if caller is not None and not allows_git(caller.token.scopes, write=write):
            return PlainTextResponse("The token's scopes do not allow this.", 403)
        if write and project.archived:
            return PlainTextResponse("You can't push to an archived project.", 403)
        if level < (Level.DEVELOPER if write else Level.REPORTER):
            return PlainTextResponse("You are not allowed to do this with the code of this project.", 403)
        return None

    def _cgi(self, request: Request, project: Project, service: str, caller: Caller | None) -> dict[str, str]:
        """Return the environment of `http-backend` for a request (RFC 3875)."""
        headers = request.headers
        return {
            **self._environment,
            "PATH_INFO": f"/{project.id:d}.git/{service}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.url.query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "REMOTE_USER": caller.user.username if caller else "",
            "REMOTE_ADDR": request.client.host if request.client else "",
            **({"GIT_PROTOCOL": headers["git-protocol"]} if "git-protocol" in headers else {}),
            **(
                {"HTTP_CONTENT_ENCODING": headers["content-encoding"]}
                if "content-encoding" in headers
                else {}
            ),
        }

    async def _receive_pack(self, request: Request, send: Send, caller: Caller, project: Project) -> None:
        """Serve a push. The answer ends only when the push is noted, so that whoever pushed can rely on it."""
        environment = self._cgi(request, project, "git-receive-pack", caller)
        with tempfile.NamedTemporaryFile(dir=self._host.scratch) as report, self._spool() as body:
            # A slow sender must not hold the lock, so the body is there before it is taken.
            await _read(request, body)
            environment["NAUTES_PUSH_REPORT"] = report.name
            async with self._host.lock(project):
                await _run(body, environment, send)
                changes, options = push_report(report.read().decode(errors="replace"))
                await self._pushes.accept(Push(project.id, caller.user, changes, options))
            await send({"type": "http.response.body", "body": b""})

    def _spool(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._host.scratch)


async def _read(request: Request, body: IO[bytes]) -> None:
    """Write a request's body to a file, from which git reads it without a pump in between."""
    async for chunk in request.stream():
        body.write(chunk)
    body.flush()
    body.seek(0)


async def _run(body: IO[bytes], environment: Mapping[str, str], send: Send) -> None:
    """Run `http-backend` and send what it answers; the end of the response is left to the caller."""
    process = await asyncio.create_subprocess_exec(
        GIT, "http-backend", stdin=body, stdout=asyncio.subprocess.PIPE, env=dict(environment)
    )
    output = process.stdout
    if output is None:
        raise RuntimeError("a process without output")
    try:
        head = await output.readuntil(b"\r\n\r\n")
        status, headers = _cgi_head(head)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        while chunk := await output.read(CHUNK):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        if process.returncode is None and not output.at_eof():
            process.kill()
        await process.wait()


def _cgi_head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Return status and headers of a CGI answer (RFC 3875, section 6)."""
    status = 200
    headers = []
    for line in head.split(b"\r\n"):
        name, separator, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        elif separator:
            headers.append((name.lower(), value.strip()))
    return status, headers


def _not_found() -> Response:
    return PlainTextResponse("The project you were looking for could not be found.", 404)
