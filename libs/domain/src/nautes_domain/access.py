"""The code host as one person sees it: every call is made with that person's own token. Values and one protocol.

What a person may see and do is what the code host lets that person see and do; nobody lends our rights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol

from nautes_domain.capabilities import HostedProject, Person

CONFLICT: Final = "conflict"
"""Code of the Retry for a commit that does not fit on the branch any more."""
FORBIDDEN: Final = "forbidden"
"""Code of the Rejected for what a person may see but not do."""
UNKNOWN_CALLER: Final = "unknown-token"
"""Code of the Rejected for a token that the code host does not know (any more)."""


CREATOR: Final = "nautes.io/creator"
"""Annotation of a Product: who asked for it, by user name. That person owns the group until somebody else does."""
_PERSON: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_BOT: Final = re.compile(r"(project|group)_[0-9]+_bot(_|\Z)")


def is_person(username: str) -> bool:
    """Say whether somebody can be let into other groups: bots of access tokens cannot (GitLab, "Bot users for groups")."""
    return _PERSON.fullmatch(username) is not None and not _BOT.match(username)


class Level(IntEnum):
    """Access levels with GitLab's numbers (GitLab API, "Group and project members")."""

    NONE = 0
    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


@dataclass(frozen=True, slots=True)
class Access:
    """A project that a person sees, and how much that person may do there."""

    project: HostedProject
    level: int


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a branch stands, and whether the person may push to it."""

    commit: str
    may_push: bool


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a commit: None before if it is new, None after if it goes."""

    path: str
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewCommit:
    """What to commit: on `base`, which must still be what the changed files were last seen at."""

    branch: str
    base: str
    message: str
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that was made, and the one that it stands on."""

    commit: str
    parent: str


@dataclass(frozen=True, slots=True)
class PastCommit:
    """A commit in the history of a file."""

    commit: str
    at: datetime
    author: str
    message: str


class PersonalHost(Protocol):
    """The code host with a person's token. Raises Retry, or Rejected (codes above), never a client's error.

    Whatever the person cannot see is None or empty, exactly as if it did not exist.
    """

    async def whose(self, token: str) -> Person | None:
        """Return who a token belongs to, None if the host does not know it."""
        ...

    async def access(self, token: str, path: str) -> Access | None:
        """Return a project by its path with namespace, and the person's level there."""
        ...

    async def groups_with(self, token: str, project: str) -> frozenset[str]:
        """Return the groups in which the person sees a project of this name."""
        ...

    async def changed_paths(
        self, token: str, path: str, before: str, after: str, *, since_fork: bool = False
    ) -> tuple[str, ...] | None:
        """Return the paths that differ between two commits, None if the host cannot say or hides them."""
        ...

    async def tip(self, token: str, path: str, branch: str) -> Tip | None:
        """Return where a branch of a project stands."""
        ...

    async def tree(self, token: str, path: str, commit: str) -> Mapping[str, bytes]:
        """Return all `.yaml`/`.yml` files at a commit by path."""
        ...

    async def commit(self, token: str, path: str, new: NewCommit) -> Committed:
        """Make one commit as the person.

        Retry (code `conflict`) if a changed file is not as it was at `base` any more: then nothing was committed.
        Rejected (code `forbidden`) if the person may not push, (code `no-such-project`) if there is no such project.
        """
        ...

    async def history(self, token: str, path: str, file: str, most: int) -> tuple[PastCommit, ...]:
        """Return the newest commits of the default branch that changed a file, at most `most` of them."""
        ...
