"""What git prints, as values. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

ZERO: Final = "0" * 40
"""The object id of a ref that does not exist."""

COMMIT_FIELDS: Final = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
_FIELD_COUNT: Final = 9


@dataclass(frozen=True, slots=True)
class Person:
    """Who did it, and when (ISO 8601 with offset)."""

    name: str
    email: str
    at: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit with the paths that it touches, when they were asked for."""

    id: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str
    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.strip().split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class Change:
    """One ref moved by a push. Created: `before` is all zeros; removed: `after` is."""

    before: str
    after: str
    ref: str

    @property
    def action(self) -> str:
        """`created`, `removed` or `pushed`."""
        if not self.before.strip("0"):
            return "created"
        return "pushed" if self.after.strip("0") else "removed"

    @property
    def kind(self) -> str:
        """`branch`, `tag` or `other`."""
        if self.ref.startswith("refs/heads/"):
            return "branch"
        return "tag" if self.ref.startswith("refs/tags/") else "other"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree."""

    mode: str
    type: str
    id: str
    path: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One file that differs between two commits. `status` is git's letter: A, M, D, R, T."""

    status: str
    old_path: str
    new_path: str
    old_mode: str
    new_mode: str
    patch: str = field(default="", repr=False)


def commit_of(fields: Sequence[str]) -> Commit:
    """Return a commit from the fields that COMMIT_FIELDS asks for."""
    number, parents, name, email, at, committer, committer_email, committed, message = fields[:_FIELD_COUNT]
    return Commit(
        number,
        tuple(parents.split()),
        Person(name, email, at),
        Person(committer, committer_email, committed),
        message,
    )


def log_format(boundary: str) -> str:
    """Return the `--format` that `log` reads. The boundary must be unguessable: messages are free text."""
    return f"%x00{boundary}%x00{COMMIT_FIELDS}%x00"


def log(output: bytes, boundary: str) -> list[Commit]:
    """Return the commits that `git log -z --format=log_format(boundary) [--name-status]` printed."""
    chunks = output.decode(errors="replace").split(f"\0{boundary}\0")
    return [_logged(chunk.split("\0")) for chunk in chunks[1:]]


def _logged(fields: Sequence[str]) -> Commit:
    commit = commit_of(fields)
    names = [name for name in (one.removeprefix("\n") for one in fields[_FIELD_COUNT:]) if name]
    added: list[str] = []
    modified: list[str] = []
    removed: list[str] = []
    rest = iter(names)
    for status in rest:
        path = next(rest, "")
        if status[0] in "RC":
            # GitLab lists a moved file under its new path as added, and not its old one.
            added.append(next(rest, path))
        else:
            {"A": added, "D": removed}.get(status[0], modified).append(path)
    return Commit(
        commit.id,
        commit.parents,
        commit.author,
        commit.committer,
        commit.message,
        tuple(added),
        tuple(modified),
        tuple(removed),
    )


def tree(output: bytes) -> list[Entry]:
    """Return what `git ls-tree -z` printed."""
    entries = []
    for line in output.decode(errors="replace").split("\0"):
        if line:
            meta, _, path = line.partition("\t")
            mode, kind, number = meta.split(" ")
            entries.append(Entry(mode, kind, number, path))
    return entries


_PATCH = re.compile(r"^diff --git ", re.MULTILINE)
_HUNK = re.compile(r"^(?:@@ |Binary files )", re.MULTILINE)


def differences(output: bytes) -> list[Difference]:
    """Return what `git diff-tree -r -z -M --raw -p` printed."""
    text = output.decode(errors="replace")
    raw, patches = _raw_and_patch(text)
    entries = list(_raw_entries(raw))
    pieces = _PATCH.split(patches)[1:]
    if len(pieces) != len(entries):
        # A file that became a link has two patches; better no text than the wrong one.
        pieces = [""] * len(entries)
    return [Difference(*entry, patch=_hunks(piece)) for entry, piece in zip(entries, pieces, strict=True)]


def _raw_and_patch(text: str) -> tuple[str, str]:
    if text.startswith("diff --git "):
        return "", text
    raw, _, patch = text.partition("\0\0")
    return raw, patch


def _raw_entries(raw: str) -> Iterator[tuple[str, str, str, str, str]]:
    rest = iter(raw.split("\0"))
    for meta in rest:
        if not meta.startswith(":"):
            continue
        old_mode, new_mode, _, _, status = meta[1:].split(" ")
        old = next(rest, "")
        new = next(rest, "") if status[0] in "RC" else old
        yield status[0], old, new, old_mode, new_mode


def _hunks(patch: str) -> str:
    found = _HUNK.search(patch)
    return patch[found.start() :] if found else ""


def push_report(text: str) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return the changes and the push options that the post-receive hook wrote down."""
    changes: list[Change] = []
    options: list[str] = []
    for line in text.split("\n"):
        word, _, rest = line.partition(" ")
        # Options follow the refs; one with a line break in it cannot pass for a ref.
        if word == "ref" and not options:
            before, after, ref = rest.split(" ", 2)
            changes.append(Change(before, after, ref))
        elif word == "option":
            options.append(rest)
    return tuple(changes), tuple(options)
