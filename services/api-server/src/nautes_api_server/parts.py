"""What the routes stand on, and how each finds its caller."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from nautes_api_server.callers import Caller, Callers
from nautes_api_server.deciding import Decided
from nautes_api_server.declarations import Declarations
from nautes_api_server.known_runs import KnownRuns
from nautes_api_server.problems import unauthenticated
from nautes_api_server.records import Logs, News, Records
from nautes_api_server.writing import Writer
from nautes_domain.access import PersonalHost

BEARER = HTTPBearer(
    auto_error=False, description="A token of GitLab: personal, group or project access token, or OAuth 2.0."
)
PRIVATE = APIKeyHeader(
    name="PRIVATE-TOKEN", auto_error=False, description="The same, as GitLab's own API takes it."
)


@dataclass(frozen=True, slots=True)
class Parts:
    """Handed to every router."""

    tenant: str
    callers: Callers
    host: PersonalHost
    records: Records
    news: News
    logs: Logs
    runs: KnownRuns
    decided: Decided
    declarations: Declarations
    writer: Writer
    request_id: Callable[[], str]
    now: Callable[[], datetime]
    patience: float = 15.0
    """Seconds until a caller is told that the reconciler has not decided yet what was asked for."""


async def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    private: Annotated[str | None, Depends(PRIVATE)],
) -> Caller:
    token = (bearer.credentials if bearer else private or "").strip()
    callers: Callers = request.app.state.callers
    caller = await callers.identify(token) if token else None
    if caller is None:
        raise unauthenticated()
    return caller


CallerOf = Annotated[Caller, Depends(_caller)]
"""The caller of a request, known to the code host; 401 otherwise."""
