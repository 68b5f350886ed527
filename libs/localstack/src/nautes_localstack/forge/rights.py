"""Who may do what: access levels and token scopes (GitLab, "Permissions and roles"; "Personal access tokens"). Pure."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Level(IntEnum):
    """Access levels with GitLab's numbers."""

    NONE = 0
    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50
    ADMIN = 60


GRANTABLE: Final = frozenset({10, 15, 20, 30, 40, 50})
"""Levels that a member may be given; 15 is the planner."""

SCOPES: Final = frozenset(
    {"api", "read_api", "read_user", "read_repository", "write_repository", "self_rotate"}
)


def visible_at(visibility: str, *, known: bool) -> Level:
    """Return the level that anyone has: known users read what is internal, everybody what is public."""
    opened = visibility == "public" or (visibility == "internal" and known)
    return Level.REPORTER if opened else Level.NONE


def allows_call(scopes: Iterable[str], method: str, path: str) -> bool:
    """Say whether a token's scopes allow an API call at all; the level is judged apart."""
    granted = frozenset(scopes)
    reading = method in ("GET", "HEAD")
    if "api" in granted or (reading and "read_api" in granted):
        return True
    if path.startswith("personal_access_tokens/self"):
        return True
    if reading and "read_user" in granted and path.split("/", maxsplit=1)[0] in ("user", "users"):
        return True
    return reading and "read_repository" in granted and "/repository/" in path


def allows_git(scopes: Iterable[str], *, write: bool) -> bool:
    """Say whether a token's scopes allow a clone, or a push."""
    granted = frozenset(scopes)
    return bool(
        granted & ({"api", "write_repository"} if write else {"api", "read_repository", "write_repository"})
    )
