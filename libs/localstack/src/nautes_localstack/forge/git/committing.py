"""Commits made through the API: file actions become one commit in one `git fast-import`. Source: git-fast-import(1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nautes_localstack.forge.git.commands import GitError, git
from nautes_localstack.forge.git.parsing import ZERO, Change
from nautes_localstack.forge.git.repository import Repository


class Unacceptable(Exception):
    """The actions do not fit what is in the repository; the text is GitLab's."""


@dataclass(frozen=True, slots=True)
class FileAction:
    """One change to one file: `create`, `update`, `delete`, `move` or `chmod`."""

    action: str
    path: str
    content: bytes = b""
    previous_path: str = ""
    executable: bool = False
    keeps_content: bool = False
    """A move or chmod that leaves the content as it was."""
    last_commit_id: str = ""
    """The commit at which the caller saw the file last; empty if that does not matter."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who the commit is by."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class NewCommit:
    """What to commit where. `parent` is empty for the first commit of a repository."""

    branch: str
    parent: str
    message: str
    author: Author
    committer: Author
    actions: Sequence[FileAction]
    creates_branch: bool = False
    at: datetime | None = None


def is_path(path: str) -> bool:
    """Say whether a path may be written: relative, no dots as folders, nothing of git's own, no line breaks."""
    parts = path.split("/")
    return (
        bool(path)
        and all(part not in ("", ".", "..") and part.lower() != ".git" for part in parts)
        and not any(char in path for char in "\0\n\r")
    )


async def commit(repository: Repository, new: NewCommit) -> Change:
    """Make the commit and move the branch; return how it moved. Raises Unacceptable. Needs the repository's lock."""
    known = await _files(repository, new.parent)
    for action in new.actions:
        _check(action, known)
    stream = _stream(new, known)
    try:
        output = await git(
            repository.path,
            "-c",
            "core.autocrlf=false",
            "fast-import",
            "--quiet",
            "--date-format=raw",
            data=stream,
        )
    except GitError as error:
        raise Unacceptable("The branch could not be updated") from error
    before = ZERO if new.creates_branch or not new.parent else new.parent
    return Change(before, output.decode().strip(), f"refs/heads/{new.branch}")


async def _files(repository: Repository, parent: str) -> dict[str, str]:
    """Return the files at the parent: path to mode and object."""
    if not parent:
        return {}
    entries = await repository.tree(parent, recursive=True) or []
    return {entry.path: f"{entry.mode} {entry.id}" for entry in entries if entry.type != "tree"}


def _check(action: FileAction, known: dict[str, str]) -> None:
    """Apply one action to what is known, so that later ones see it; Unacceptable if it does not fit."""
    for path in filter(None, (action.path, action.previous_path)):
        if not is_path(path):
            raise Unacceptable("file_path should be a valid file path")
    source = action.previous_path if action.action == "move" else action.path
    if action.action == "create":
        if action.path in known:
            raise Unacceptable("A file with this name already exists")
        if any(path.startswith(f"{action.path}/") for path in known):
            raise Unacceptable("A directory with this name already exists")
    elif source not in known:
        raise Unacceptable("A file with this name doesn't exist")
    if action.action in ("delete", "move"):
        known[action.path] = known.pop(source)
    if action.action == "delete":
        del known[action.path]
    elif action.action == "create":
        known[action.path] = "100644 inline"


def _stream(new: NewCommit, known: dict[str, str]) -> bytes:
    """Return the input of fast-import: one commit, and the id that it got."""
    at = int((new.at or datetime.now(UTC)).timestamp())
    message = new.message.encode()
    # Built on a ref of its own first would cost a call more: fast-import updates the branch itself, and
    # refuses to when the branch does not lead to the parent.
    lines = [
        f"commit refs/heads/{new.branch}\nmark :1\n".encode(),
        f"author {_clean(new.author.name)} <{_clean(new.author.email)}> {at} +0000\n".encode(),
        f"committer {_clean(new.committer.name)} <{_clean(new.committer.email)}> {at} +0000\n".encode(),
        f"data {len(message)}\n".encode() + message + b"\n",
    ]
    if new.parent:
        lines.append(f"from {new.parent}\n".encode())
    lines.extend(_line(action, known) for action in new.actions)
    lines.append(b"get-mark :1\n")
    return b"".join(lines)


def _line(action: FileAction, known: dict[str, str]) -> bytes:
    path = _quoted(action.path)
    if action.action == "delete":
        return b"D " + path + b"\n"
    if action.action == "move":
        moved = b"R " + _quoted(action.previous_path) + b" " + path + b"\n"
        return moved if action.keeps_content else moved + _content(action, path, "100644")
    mode = "100755" if action.executable else "100644"
    if action.action == "chmod":
        return f"M {mode} {known[action.path].split()[1]} ".encode() + path + b"\n"
    if action.action == "update" and known[action.path].startswith("100755"):
        mode = "100755"
    return _content(action, path, mode)


def _content(action: FileAction, path: bytes, mode: str) -> bytes:
    return (
        f"M {mode} inline ".encode()
        + path
        + f"\ndata {len(action.content)}\n".encode()
        + action.content
        + b"\n"
    )


def _quoted(path: str) -> bytes:
    """Return a path in C quotes, which may hold spaces."""
    return b'"' + path.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def _clean(text: str) -> str:
    """Return a name or address without what would end its field."""
    return "".join(char for char in text if char not in "<>\0\n\r").strip() or "unknown"
