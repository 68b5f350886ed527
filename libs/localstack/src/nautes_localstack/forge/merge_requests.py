"""Merge requests as far as hooks tell of them: opened, edited, closed, opened again, moved by a push, commented."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from nautes_localstack.forge.git.parsing import Change, Commit
from nautes_localstack.forge.hooks import payloads
from nautes_localstack.forge.hooks.delivery import Deliveries
from nautes_localstack.forge.hooks.payloads import Happened, Place
from nautes_localstack.forge.hosting import Host
from nautes_localstack.forge.lanes import Lanes
from nautes_localstack.forge.records import MergeRequest, Note, Project, User

TRIGGER = "merge_request_hooks"
NOTE_TRIGGER = "note_hooks"

Payload = Callable[[Place, Commit], dict[str, Any]]
"""Makes what hooks are told of a project and the head of a merge request."""


class MergeRequests:
    """Keeps merge requests and tells the hooks, after the pushes that came before."""

    def __init__(self, host: Host, lanes: Lanes, deliveries: Deliveries) -> None:
        self._host = host
        self._lanes = lanes
        self._deliveries = deliveries

    def next_iid(self, project: Project) -> int:
        """Return the number of the next merge request of a project."""
        known = self._host.store.merge_requests.where(lambda one: one.project_id == project.id)
        return max((one.iid for one in known), default=0) + 1

    def put(self, request: MergeRequest, user: User, happened: Happened, event_uuid: str = "") -> None:
        """Store a merge request and tell of it."""
        self._host.store.merge_requests.put(request)
        tell = partial(self._tell, request, user, happened, event_uuid or str(uuid.uuid4()))
        self._lanes.submit(("project", request.project_id), tell)

    async def pushed(self, project: Project, user: User, change: Change, event_uuid: str) -> None:
        """Move the open merge requests of a branch along with it; GitLab tells of the head before as `oldrev`."""
        branch = change.ref.removeprefix("refs/heads/")
        moved = self._host.store.merge_requests.where(
            lambda one: (one.project_id, one.source_branch, one.state) == (project.id, branch, "opened")
        )
        for request in moved:
            if request.sha == change.after:
                continue
            now = request.model_copy(update={"sha": change.after, "updated_at": self._host.now()})
            self._host.store.merge_requests.put(now)
            await self._tell(now, user, Happened("update", oldrev=request.sha), event_uuid)

    def comment(
        self, request: MergeRequest, note: Note, user: User, action: str, event_uuid: str = ""
    ) -> None:
        """Store a note on a merge request and tell of it; `action` is `create` or `update`."""
        self._host.store.notes.put(note)
        tell = partial(self._tell_note, request, note, user, action, event_uuid or str(uuid.uuid4()))
        self._lanes.submit(("project", request.project_id), tell)

    async def _tell_note(
        self, request: MergeRequest, note: Note, user: User, action: str, event_uuid: str
    ) -> None:
        def told(place: Place, head: Commit) -> dict[str, Any]:
            return payloads.note(place, user, request, head, (note, action))

        await self._announce(request, ("note_events", NOTE_TRIGGER), told, event_uuid)

    async def _tell(self, request: MergeRequest, user: User, happened: Happened, event_uuid: str) -> None:
        def told(place: Place, head: Commit) -> dict[str, Any]:
            return payloads.merge_request(place, user, request, head, happened)

        await self._announce(request, ("merge_requests_events", TRIGGER), told, event_uuid)

    async def _announce(
        self, request: MergeRequest, kind: tuple[str, str], told: Payload, event_uuid: str
    ) -> None:
        """Tell the hooks that listen to an event; `kind` is what they subscribe to, and what the call is named by."""
        event, trigger = kind
        project = self._host.store.projects.get(request.project_id)
        if project is None:
            return
        hooks = self._host.store.hooks.where(lambda one: one.project_id == project.id and event in one.events)
        if not hooks:
            return
        head = await self._host.repository(project).commit(request.sha)
        payload = told(self._host.place(project), head)
        for hook in hooks:
            self._deliveries.announce(hook, trigger, payload, event_uuid)
