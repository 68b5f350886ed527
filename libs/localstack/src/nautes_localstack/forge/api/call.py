"""One API call: who calls, with what, and what of the host they may touch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.responses import JSONResponse, Response

from nautes_localstack.forge.api.answers import (
    Problem,
    bad_request,
    forbidden,
    not_found,
    page_headers,
    page_of,
)
from nautes_localstack.forge.hooks.delivery import Deliveries
from nautes_localstack.forge.hosting import Caller, Host
from nautes_localstack.forge.merge_requests import MergeRequests
from nautes_localstack.forge.pipelines import Pipelines
from nautes_localstack.forge.pushes import Pushes
from nautes_localstack.forge.records import Group, Project, User
from nautes_localstack.forge.rights import Level
from nautes_localstack.forge.store import Store

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Services:
    """What the API works on."""

    host: Host
    pushes: Pushes
    deliveries: Deliveries
    merge_requests: MergeRequests
    pipelines: Pipelines
    allow_local_hooks: bool = True
    """Whether hooks may have URLs on the loopback or a private network."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call after authentication. `path` holds the parts of the URL that a pattern names, decoded."""

    services: Services
    caller: Caller
    url: str
    path: Mapping[str, str]
    query: dict[str, str]
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def event_uuid(self) -> str:
        """`X-Gitlab-Event-UUID` that the caller echoes, so that chains of hooks can be cut."""
        return self.headers.get("x-gitlab-event-uuid", "")[:64]

    @property
    def host(self) -> Host:
        """The forge."""
        return self.services.host

    @property
    def store(self) -> Store:
        """Its state."""
        return self.services.host.store

    @property
    def user(self) -> User:
        """Who calls."""
        return self.caller.user

    def admin(self) -> None:
        """Refuse everybody but administrators."""
        if not self.user.is_admin:
            raise forbidden()

    def project(self, needed: Level) -> Project:
        """Return the project in the URL: 404 if the caller does not see it, 403 below the level."""
        found = self.host.project(self.path["id"])
        level = Level.NONE if found is None else self.host.project_level(self.user, found)
        if found is None or level == Level.NONE:
            raise not_found("Project")
        if level < needed:
            raise forbidden()
        return found

    def group(self, needed: Level) -> Group:
        """Return the group in the URL, likewise."""
        found = self.host.group(self.path["id"])
        level = Level.NONE if found is None else self.host.group_level(self.user, found)
        if found is None or level == Level.NONE:
            raise not_found("Group")
        if level < needed:
            raise forbidden()
        return found

    def number(self, name: str, what: str) -> int:
        """Return an id from the URL; 404 if it is none."""
        text = self.path[name]
        if not (text.isascii() and text.isdigit()):
            raise not_found(what)
        return int(text)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text of the body; 400 if it is missing and there is no default."""
        value = self.body.get(name)
        if value is None or (value == "" and default is None):
            if default is None:
                raise bad_request(f"{name} is missing" if value is None else f"{name} is empty")
            return default
        if not isinstance(value, str | int | float):
            raise bad_request(f"{name} is invalid")
        return str(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean of the body, or of the query."""
        value = self.body.get(name, self.query.get(name))
        if value is None:
            return default
        return as_flag(value, name)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts of the body, also given with commas; None if it is not there."""
        value = self.body.get(name)
        if value is None:
            return None
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise bad_request(f"{name} is invalid")
        return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))

    def page(self, rows: Sequence[R], view: Callable[[R], Any]) -> Response:
        """Answer with the page of a list that is asked for."""
        page = page_of(self.query)
        part = rows[page.start : page.start + page.size]
        headers = page_headers(page, len(rows), self.url, self.query)
        return JSONResponse([view(row) for row in part], headers=headers)


def as_flag(value: object, name: str) -> bool:
    """Return a boolean as GitLab reads it: JSON's own, or the words of a form."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "1", "t", "on"):
        return True
    if str(value).lower() in ("false", "0", "f", "off", ""):
        return False
    raise bad_request(f"{name} is invalid")


__all__ = ["Call", "Problem", "Services", "as_flag"]
