"""Names and paths of groups, projects and users. Pure. Source: GitLab, "Limitations on project and group names"."""

import re
from typing import Final

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")
RESERVED: Final = frozenset(
    {"-", "api", "assets", "admin", "dashboard", "explore", "groups", "help", "users"}
)
"""Top-level names that GitLab keeps to itself; a selection."""


def is_path(text: str) -> bool:
    """Say whether text may be one segment of a full path: it must not end like a file or a repository."""
    return (
        bool(_PATH.match(text))
        and not text.endswith((".git", ".atom", ".", "-"))
        and ".." not in text
        and not text.startswith((".", "-"))
    )


def path_from(name: str) -> str:
    """Return the path that a name suggests."""
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-.")
