"""A code host in memory: projects, commits, statuses and people."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nautes_domain.capabilities import CommitStatus, Head, HostedProject, Person
from nautes_domain.failures import Rejected

SUFFIXES = (".yaml", ".yml")


@dataclass(slots=True)
class _Repository:
    project: HostedProject
    branches: dict[str, str] = field(default_factory=dict)
    trees: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    links: dict[str, Sequence[str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    def ancestors(self, commit: str) -> Iterator[str]:
        """Yield a commit and those before it."""
        while commit:
            yield commit
            commit = self.parents[commit]


class MemoryCodeHost:
    """Implements `capabilities.CodeHost`; the methods that change things stand in for people pushing."""

    def __init__(self) -> None:
        self._repositories: dict[int, _Repository] = {}
        self._ids = itertools.count(1)
        self._people: dict[str, Person] = {}
        self.statuses: dict[tuple[int, str, str], CommitStatus] = {}
        """The last status by project, commit and name."""

    def add_project(self, path: str, default_branch: str = "main") -> HostedProject:
        """Make an empty project."""
        project = HostedProject(next(self._ids), path, default_branch, f"memory://{path}")
        self._repositories[project.id] = _Repository(project)
        return project

    def add_person(self, token: str, person: Person) -> None:
        """Make a token known."""
        self._people[token] = person

    def commit(
        self,
        project_id: int,
        branch: str,
        files: Mapping[str, bytes | None],
        *,
        links: Sequence[str] = (),
        message: str = "Change something",
        start: str = "",
    ) -> str:
        """Commit on top of a branch and return the commit; None removes a file, `links` are symbolic links.

        A new branch begins at the commit `start`, or at nothing.
        """
        repository = self._repositories[project_id]
        parent = repository.branches.get(branch, start)
        tree = {**repository.trees.get(parent, {}), **files}
        kept = {path: content for path, content in sorted(tree.items()) if content is not None}
        changed = [[path, text.hex()] for path, text in kept.items()]
        content = json.dumps([parent, changed, list(links), message])
        commit = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        repository.trees[commit] = kept
        repository.parents[commit] = parent
        repository.links[commit] = links
        repository.messages[commit] = message
        repository.branches[branch] = commit
        return commit

    async def project(self, path: str) -> HostedProject | None:
        """Return a project by path."""
        return next((one.project for one in self._repositories.values() if one.project.path == path), None)

    async def head(self, project_id: int, branch: str) -> str | None:
        """Return the head of a branch."""
        repository = self._repositories.get(project_id)
        return None if repository is None else repository.branches.get(branch)

    async def heads(self, project_id: int) -> Mapping[str, Head]:
        """Return where all branches stand; there are no tags here."""
        repository = self._repositories.get(project_id)
        branches = {} if repository is None else repository.branches
        return {f"refs/heads/{name}": Head(commit, commit) for name, commit in branches.items()}

    async def message(self, project_id: int, commit: str) -> str:
        """Return the whole message of a commit."""
        self._tree(project_id, commit)
        return self._repositories[project_id].messages[commit]

    async def tree(self, project_id: int, commit: str) -> Mapping[str, bytes]:
        """Return all manifests at a commit."""
        tree = self._tree(project_id, commit)
        for link in self._repositories[project_id].links.get(commit, ()):
            raise Rejected(f"{link} is a symbolic link", code="symlink")
        return {path: content for path, content in tree.items() if path.endswith(SUFFIXES)}

    async def read(self, project_id: int, path: str, commit: str) -> bytes:
        """Return one file at a commit."""
        content = self._tree(project_id, commit, code="no-such-file").get(path)
        if content is None:
            raise Rejected(f"there is no file {path} at {commit[:12]}", what=path, code="no-such-file")
        return content

    async def files(self, project_id: int, commit: str, folder: str) -> Sequence[str]:
        """Return the paths of all files below a folder."""
        tree = self._repositories[project_id].trees.get(commit, {})
        return sorted(path for path in tree if not folder or path.startswith(f"{folder}/"))

    async def changed_paths(
        self, project_id: int, before: str, after: str, *, since_fork: bool = False
    ) -> tuple[str, ...] | None:
        """Return the paths that differ."""
        repository = self._repositories.get(project_id)
        if repository is None or before not in repository.trees or after not in repository.trees:
            return None
        base = before
        if since_fork:
            theirs = set(repository.ancestors(before))
            base = next((one for one in repository.ancestors(after) if one in theirs), "")
        old, new = repository.trees.get(base, {}), repository.trees[after]
        return tuple(sorted(path for path in {*old, *new} if old.get(path) != new.get(path)))

    async def set_status(self, project_id: int, commit: str, status: CommitStatus) -> None:
        """Remember a status."""
        self._tree(project_id, commit)
        self.statuses[project_id, commit, status.name] = status

    async def status(self, project_id: int, commit: str, name: str, ref: str = "") -> CommitStatus | None:
        """Return the last status of a name."""
        found = self.statuses.get((project_id, commit, name))
        return found if found is not None and ref in ("", found.ref) else None

    async def account(self) -> str:
        """Return our own name."""
        return "nautes"

    async def whose(self, token: str) -> Person | None:
        """Return who a token belongs to."""
        return self._people.get(token)

    def _tree(self, project_id: int, commit: str, code: str = "no-such-commit") -> Mapping[str, bytes]:
        repository = self._repositories.get(project_id)
        if repository is None or commit not in repository.trees:
            raise Rejected("there is no such commit", what=f"commit {commit[:12]}", code=code)
        return repository.trees[commit]
