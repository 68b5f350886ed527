"""After a push: the default branch of a new repository, and what hooks are told. Off the pusher's way."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from nautes_localstack.forge.git.commands import GitError, git
from nautes_localstack.forge.git.parsing import Change, Commit
from nautes_localstack.forge.git.repository import Repository
from nautes_localstack.forge.hooks import payloads
from nautes_localstack.forge.hooks.delivery import Deliveries
from nautes_localstack.forge.hooks.payloads import COMMITS_LIMIT, Pushed
from nautes_localstack.forge.hosting import Host
from nautes_localstack.forge.lanes import Lanes
from nautes_localstack.forge.merge_requests import MergeRequests
from nautes_localstack.forge.records import Hook, Project, User

TIDY_EVERY: Final = 256
"""Pushes to one repository after which git may pack its loose objects."""


@dataclass(frozen=True, slots=True)
class Push:
    """What one push did to a repository, by whom. `event_uuid` is recycled from the request, if it brought one."""

    project_id: int
    user: User
    changes: Sequence[Change]
    options: Sequence[str] = ()
    event_uuid: str = ""


class Pushes:
    """Takes note of pushes in their order and tells the hooks."""

    def __init__(self, host: Host, lanes: Lanes, deliveries: Deliveries, requests: MergeRequests) -> None:
        self._host = host
        self._lanes = lanes
        self._deliveries = deliveries
        self._requests = requests
        self._counts: Counter[int] = Counter()

    async def accept(self, push: Push) -> None:
        """Note a push; call it while the repository's lock is held. Hooks are told later."""
        project = self._host.store.projects.get(push.project_id)
        if project is None or not push.changes:
            return
        values: dict[str, object] = {"last_activity_at": self._host.now()}
        first = project.empty
        branches = [
            change.ref.removeprefix("refs/heads/")
            for change in push.changes
            if change.kind == "branch" and change.action == "created"
        ]
        if project.empty and branches:
            values["empty"] = False
            if project.default_branch not in branches:
                await self._host.repository(project).point_head(branches[0])
                values["default_branch"] = branches[0]
        project = self._host.store.projects.change(project, **values)
        self._lanes.submit(("project", project.id), partial(self._tell, push, first))
        self._counts[project.id] += 1
        if self._counts[project.id] % TIDY_EVERY == 0:
            path = self._host.repository(project).path
            self._lanes.submit(("tidy", project.id), partial(_tidy, path))

    async def describe(self, project: Project, change: Change, *, first: bool = False) -> Pushed:
        """Return what a change brought. `first`: the repository was empty before."""
        repository = self._host.repository(project)
        if change.action == "removed":
            return Pushed(change)
        if change.kind == "tag":
            return await _tagged(repository, change)
        ranges = await self._ranges(project, change, first=first)
        commits = await repository.newest(COMMITS_LIMIT, *ranges)
        # Counting is a call more, so it is left out where all were listed.
        total = len(commits) if len(commits) < COMMITS_LIMIT else await repository.count(*ranges)
        return Pushed(change, commits, total, change.after)

    async def _ranges(self, project: Project, change: Change, *, first: bool) -> tuple[str, ...]:
        if change.action == "pushed":
            return (f"{change.before}..{change.after}",)
        default = f"refs/heads/{project.default_branch}"
        if first or change.ref == default:
            return (change.after,)
        known = await self._host.repository(project).resolve(project.default_branch)
        return (change.after, f"^{known}") if known else (change.after,)

    async def _tell(self, push: Push, first: bool) -> None:  # noqa: FBT001 - called through partial
        project = self._host.store.projects.get(push.project_id)
        if project is None:
            return
        event_uuid = push.event_uuid or str(uuid.uuid4())
        for change in payloads.announced(push.changes):
            trigger = payloads.trigger(change)
            hooks = self._hooks(project, change, trigger)
            if not hooks:
                continue
            described = await self.describe(project, change, first=first)
            pushed = Pushed(
                change,
                described.commits,
                described.total,
                described.checkout_sha,
                described.message,
                push.options,
            )
            payload = payloads.push(self._host.place(project), push.user, pushed)
            for hook in hooks:
                self._deliveries.announce(hook, trigger, payload, event_uuid)
        for change in push.changes:
            if (change.kind, change.action) == ("branch", "pushed"):
                await self._requests.pushed(project, push.user, change, event_uuid)

    def _hooks(self, project: Project, change: Change, trigger: str) -> list[Hook]:
        event = "tag_push_events" if trigger == "tag_push_hooks" else "push_events"
        return [
            hook
            for hook in self._host.store.hooks.where(lambda one: one.project_id == project.id)
            if event in hook.events and payloads.passes_filter(hook.push_events_branch_filter, change)
        ]


async def _tidy(path: Path) -> None:
    # git would ask itself this after each push, in the pusher's time.
    await git(path, "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")


async def _tagged(repository: Repository, change: Change) -> Pushed:
    try:
        commits: list[Commit] = await repository.newest(1, change.after)
    except GitError:
        # A tag may name something that is no commit.
        return Pushed(change)
    sha = commits[0].id
    message = None
    if sha != change.after:
        tag = (await git(repository.path, "cat-file", "tag", change.after)).decode(errors="replace")
        message = tag.partition("\n\n")[2].partition("-----BEGIN ")[0].strip()
    return Pushed(change, commits, 1, sha, message)
