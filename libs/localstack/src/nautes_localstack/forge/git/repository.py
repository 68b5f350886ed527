"""One bare repository: what the API reads from it. Sources: git-log(1), git-cat-file(1), git-for-each-ref(1)."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nautes_localstack.forge.git import parsing
from nautes_localstack.forge.git.commands import GitError, git
from nautes_localstack.forge.git.parsing import ZERO, Change, Commit, Difference, Entry

_NOT_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|[/.]\Z|\A[-/.]|\A@?\Z")
_COMMIT_ID = re.compile(r"[0-9a-f]{4,40}\Z")
_FOR_EACH_REF: Final = "%00".join(
    f"%({star}{field})"
    for star in ("", "*")
    for field in (
        "objectname",
        "parent",
        "authorname",
        "authoremail:trim",
        "authordate:iso-strict",
        "committername",
        "committeremail:trim",
        "committerdate:iso-strict",
        "contents",
    )
)
_REF_END: Final = "\x00\x01\x00"


@dataclass(frozen=True, slots=True)
class Named:
    """A branch or a tag. `target` is the object that the ref holds, `commit` the commit behind it."""

    name: str
    target: str
    commit: Commit
    message: str = ""
    """The message of an annotated tag."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's content."""

    id: str
    content: bytes


def is_revision(text: str) -> bool:
    """Say whether text may name a branch, tag or commit (git-check-ref-format(1)): no options, ranges, expressions."""
    return not _NOT_A_REF.search(text)


class Repository:
    """Reads; the writes are in `committing` and in git's own receive-pack."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    async def initialise(self, default_branch: str) -> None:
        """Make it, empty; once more is no error."""
        await git(self.path, "init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}")

    async def point_head(self, branch: str) -> None:
        """Make a branch the one that a clone checks out."""
        await git(self.path, "symbolic-ref", "HEAD", f"refs/heads/{branch}")

    async def resolve(self, revision: str) -> str | None:
        """Return the commit that a branch, tag or commit id names. A branch wins over a tag of its name."""
        if not is_revision(revision):
            return None
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        if _COMMIT_ID.match(revision):
            names = [revision] if len(revision) == len(ZERO) else [*names, revision]
        elif revision == "HEAD" or revision.startswith("refs/"):
            names = [revision]
        for name in names:
            try:
                found = await git(
                    self.path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
                )
            except GitError:
                continue
            return found.decode().strip()
        return None

    async def log(self, *ranges: str, limit: int, skip: int = 0, paths: Sequence[str] = ()) -> list[Commit]:
        """Return commits newest first, without their files."""
        return await self._log(
            f"--skip={skip}", f"--max-count={limit}", "--end-of-options", *ranges, "--", *paths
        )

    async def commit(self, sha: str) -> Commit:
        """Return one commit by its id, with the files that it touches compared with its first parent."""
        return (await self._log_files("--max-count=1", "--end-of-options", sha, "--"))[0]

    async def newest(self, limit: int, *ranges: str) -> list[Commit]:
        """Return the newest commits of a range, oldest first, each with the files that it touches."""
        return await self._log_files("--reverse", f"--max-count={limit}", "--end-of-options", *ranges, "--")

    async def count(self, *ranges: str) -> int:
        """Return how many commits a range has."""
        return int(await git(self.path, "rev-list", "--count", "--end-of-options", *ranges, "--"))

    async def contains(self, ancestor: str, commit: str) -> bool:
        """Say whether a commit is an ancestor of another."""
        try:
            await git(self.path, "merge-base", "--is-ancestor", ancestor, commit)
        except GitError:
            return False
        return True

    async def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor."""
        try:
            return (await git(self.path, "merge-base", one, other)).decode().split("\n")[0].strip()
        except GitError:
            return None

    async def refs(self, prefix: str, *, containing: str = "") -> list[Named]:
        """Return the refs below `refs/heads/` or `refs/tags/`, sorted by name, that lead to commits."""
        contains = [f"--contains={containing}"] if containing else []
        form = f"%(refname)%00{_FOR_EACH_REF}%00%01%00"
        output = await git(self.path, "for-each-ref", f"--format={form}", *contains, prefix)
        found = []
        for chunk in output.decode(errors="replace").split(_REF_END)[:-1]:
            name, *fields = chunk.removeprefix("\n").split("\0")
            plain, peeled = fields[:9], fields[9:]
            short = name.removeprefix("refs/heads/").removeprefix("refs/tags/")
            if peeled[0]:
                found.append(Named(short, plain[0], parsing.commit_of(peeled), plain[8].rstrip("\n")))
            elif plain[5]:
                found.append(Named(short, plain[0], parsing.commit_of(plain)))
        return found

    async def tree(self, sha: str, path: str = "", *, recursive: bool = False) -> list[Entry] | None:
        """Return the entries of a folder at a commit; None where there is none."""
        where = path.strip("/")
        depth = ("-r", "-t") if recursive else ()
        try:
            output = await git(self.path, "ls-tree", "-z", "--full-tree", *depth, f"{sha}:{where}")
        except GitError:
            return None
        entries = parsing.tree(output)
        if not where:
            return entries
        return [Entry(entry.mode, entry.type, entry.id, f"{where}/{entry.path}") for entry in entries]

    async def blob(self, sha: str, path: str) -> Blob | None:
        """Return a file at a commit; None where there is no file."""
        if "\n" in path or not path:
            return None
        output = await git(self.path, "cat-file", "--batch", data=f"{sha}:{path}\n".encode())
        header, _, content = output.partition(b"\n")
        words = header.decode(errors="replace").rsplit(" ", 2)
        if len(words) != 3 or words[1] != "blob":
            return None
        return Blob(words[0], content[: int(words[2])])

    async def differences(self, before: str, after: str) -> list[Difference]:
        """Return the files that differ between two commits, with their patches."""
        output = await git(self.path, "diff-tree", "-r", "-z", "-M", "--raw", "-p", before, after)
        return parsing.differences(output)

    async def archive(self, sha: str, prefix: str, form: str) -> bytes:
        """Return all files at a commit as `tar.gz`, `tar` or `zip`."""
        level = [] if form == "tar" else ["-1"]
        return await git(self.path, "archive", f"--format={form}", *level, f"--prefix={prefix}/", sha)

    async def annotate(self, name: str, sha: str, message: str, tagger: str, email: str) -> str:
        """Make a tag object for a commit and return its id; no ref leads to it yet."""
        who = "".join(char for char in f"{tagger} <{email}>" if char not in "\0\n")
        at = int(datetime.now(UTC).timestamp())
        text = f"object {sha}\ntype commit\ntag {name}\ntagger {who} {at} +0000\n\n{message.strip()}\n"
        return (
            (await git(self.path, "hash-object", "-w", "-t", "tag", "--stdin", data=text.encode()))
            .decode()
            .strip()
        )

    async def update(self, change: Change) -> None:
        """Move a ref, if it still is where the change expects it; GitError otherwise."""
        await git(self.path, "update-ref", change.ref, change.after, change.before)

    async def _log(self, *arguments: str) -> list[Commit]:
        boundary = secrets.token_hex(16)
        form = f"--format={parsing.log_format(boundary)}"
        return parsing.log(await git(self.path, "log", "-z", form, *arguments), boundary)

    async def _log_files(self, *arguments: str) -> list[Commit]:
        return await self._log("--name-status", "-M", "--diff-merges=first-parent", *arguments)
