"""What travels on the bus: deliveries, facts, work, their subjects and headers. Pure; nothing is published here."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from nautes_domain import names
from nautes_domain.effects import Cause

PARTITIONS: Final = 4
"""Streams DELIVERIES_0…3: order is kept within one project, projects run in parallel."""

ZERO: Final = "0"
"""GitLab's blank SHA consists of this character only (40 or 64 of them)."""


class Event(BaseModel):
    """A value on the bus. Additive: readers ignore what they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DeliveryKind(StrEnum):
    """What GitLab told us of. The value is the subject token."""

    PUSH = "push"
    TAG_PUSH = "tag_push"
    MERGE_REQUEST = "merge_request"
    NOTE = "note"
    ISSUE = "issue"
    JOB = "job"
    PIPELINE = "pipeline"
    DEPLOYMENT = "deployment"
    RELEASE = "release"
    CALENDAR = "calendar"
    """Nobody told us: a calendar of a runtime fired."""
    OTHER = "other"
    REQUEST = "request"
    """No hook call: a person asked for something through our own API."""


PUSHES: Final = frozenset({DeliveryKind.PUSH, DeliveryKind.TAG_PUSH})

HOOK_EVENTS: Final[Mapping[DeliveryKind, str]] = {
    DeliveryKind.PUSH: "push_events",
    DeliveryKind.TAG_PUSH: "tag_push_events",
    DeliveryKind.MERGE_REQUEST: "merge_requests_events",
    DeliveryKind.NOTE: "note_events",
    DeliveryKind.ISSUE: "issues_events",
    DeliveryKind.JOB: "job_events",
    DeliveryKind.PIPELINE: "pipeline_events",
    DeliveryKind.DEPLOYMENT: "deployment_events",
    DeliveryKind.RELEASE: "releases_events",
}
"""What a hook must be subscribed to for each kind (GitLab API, "Project webhooks"); confidential ones stand apart."""

_SKIP = re.compile(r"\[(?:ci[ _-]skip|skip[ _-]ci)\]", re.IGNORECASE)


def asks_to_skip(message: str) -> bool:
    """Say whether a commit message asks for no pipeline (GitLab, lib/gitlab/ci/pipeline/chain/skip.rb)."""
    return _SKIP.search(message) is not None


class Delivery(Event):
    """One genuine hook call, normalised and bounded. A hint: only its keys are trusted."""

    id: str
    """`Idempotency-Key` of the hook call; stable over resends."""
    hook: str
    """Id of the hook in our URL."""
    kind: DeliveryKind
    event: str = Field(max_length=100)
    """GitLab's own word, `X-Gitlab-Event`."""
    instance: str = Field(default="", max_length=500)
    project_id: int = Field(ge=1)
    project: str = Field(max_length=1000)
    """Path with namespace at the time of the call."""
    ref: str = Field(default="", max_length=1000)
    """Full ref, `refs/heads/main`; `refs/merge-requests/7/head` for what is about merge request 7.

    A deployment names no more than `main`, which may be a branch or a tag.
    """
    before: str = Field(default="", max_length=64)
    """The commit before: all zeros for a new ref; of a merge request the head before its code changed, or empty."""
    after: str = Field(default="", max_length=64)
    checkout_sha: str = Field(default="", max_length=64)
    """The commit to build; the commit behind an annotated tag; empty for deletes."""
    actor: str = Field(default="", max_length=255)
    message: str = Field(default="", max_length=300)
    """First line of the head commit, for people."""
    commits_count: int = Field(default=0, ge=0)
    skip_ci: bool = False
    """The push option `ci.skip` was given."""
    message_skips: bool | None = None
    """The head commit's message asks for no pipeline; None when the payload does not list that commit."""
    variables: Mapping[str, str] = Field(default_factory=dict, max_length=20)
    """Push options `ci.variable`: words of the pusher, not for secrets."""
    action: str = Field(default="", max_length=50)
    """GitLab's own word: `open`, `update`, `create`, …"""
    state: str = Field(default="", max_length=50)
    number: int = Field(default=0, ge=0)
    """The number that people see of a merge request or issue; the id of a note, job, pipeline, deployment, release."""
    about: str = Field(default="", max_length=255)
    """What a note is on (`MergeRequest`, `Commit`, …), a deployment's environment, a job's or release's name; the
    runtime and the event source of a calendar."""
    title: str = Field(default="", max_length=300)
    text: str = Field(default="", max_length=1000)
    """The beginning of a note."""
    labels: tuple[str, ...] = Field(default=(), max_length=20)
    edited: tuple[str, ...] = Field(default=(), max_length=20)
    """What of a merge request or issue was edited: `labels`, `title`, …"""
    source_branch: str = Field(default="", max_length=1000)
    target_branch: str = Field(default="", max_length=1000)
    source_project_id: int = Field(default=0, ge=0)
    """The project that a merge request comes from; another one for a fork."""
    draft: bool = False
    confidential: bool = False
    occurred_at: str = Field(default="", max_length=40)
    """GitLab's own time of the event, as it writes it."""
    received_at: datetime
    request: str = Field(default="", max_length=255)
    """The comment or call by which a person asked for it: asked for again, the same is done again."""

    @property
    def deletes(self) -> bool:
        """Whether the ref was deleted."""
        return bool(self.after) and not self.after.strip(ZERO)

    @property
    def branch(self) -> str:
        """The short branch name, empty for anything but a branch."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""

    @property
    def tag(self) -> str:
        """The short tag name, empty for anything but a tag."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""

    @property
    def hook_event(self) -> str:
        """The event that an event source lists to hear of this; empty for what nothing can listen to."""
        event = HOOK_EVENTS.get(self.kind, "")
        apart = self.confidential and self.kind in {DeliveryKind.NOTE, DeliveryKind.ISSUE}
        return f"confidential_{event}" if apart else event

    @property
    def from_fork(self) -> bool:
        """Whether the code is that of another project's merge request."""
        return self.source_project_id not in {0, self.project_id}

    @property
    def revision_ref(self) -> str:
        """The ref that revision filters are held against: that of a merge request is the branch it is to go into."""
        return f"refs/heads/{self.target_branch}" if self.target_branch else self.ref

    @property
    def revision(self) -> str:
        """The short name of `revision_ref`."""
        return self.revision_ref.removeprefix("refs/heads/").removeprefix("refs/tags/")

    @property
    def content_key(self) -> str:
        """The same for one event seen through several hooks; differs for A→B→A, since `before` counts."""
        parts = [self.instance, str(self.project_id), self.kind, self.ref, self.before, self.after]
        if self.kind is DeliveryKind.CALENDAR:
            parts += [self.about, self.occurred_at]
        elif self.kind not in PUSHES:
            parts += [str(self.number), self.action, self.state, self.occurred_at]
        if self.request:
            parts.append(self.request)
        return names.digest(*parts, length=32)

    @property
    def cause(self) -> Cause:
        """What every effect of this delivery is ascribed to."""
        commit = self.checkout_sha or self.after
        return Cause(
            delivery=self.id,
            repository=self.project,
            ref=self.ref,
            commit=commit,
            actor=self.actor,
            received_at=self.received_at,
        )


class Fact(Event):
    """Something that became true about an entity: `kind` and a past-tense `verb`."""

    kind: str
    """Lower-case kind of the entity: `cluster`, `product`, `coderepo`, `secret`, …"""
    verb: str
    """Past tense: `declared`, `provisioned`, `issued`, `registered`, `offered`, …"""
    scope: str
    """The scope that the entity belongs to."""
    name: str
    by: str
    """The service that says so."""
    cause: Cause
    data: Mapping[str, Any] = Field(default_factory=dict)
    """References and versions; never a secret value. A single-use wrapping token is a reference."""


class Work(Event):
    """Please reconcile this scope. Coalesced: only the newest of a scope waits."""

    scope: str
    because: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Subjects:
    """Every subject of one tenant."""

    tenant: str

    @property
    def root(self) -> str:
        """The prefix of all."""
        return f"nautes.{names.label(self.tenant)}"

    def delivery(self, delivery: Delivery) -> str:
        """Return the subject of a delivery."""
        return (
            f"{self.root}.delivery.{partition(delivery.project_id)}.{delivery.kind}.{delivery.project_id:d}"
        )

    def deliveries(self, index: int) -> str:
        """Return the filter of one delivery stream."""
        return f"{self.root}.delivery.{index:d}.>"

    def fact(self, kind: str = "*", verb: str = "*") -> str:
        """Return the subject of a fact, or a filter."""
        return f"{self.root}.fact.{kind}.{verb}"

    def work(self, service: str, scope: str = "*") -> str:
        """Return the subject of a request for work, or a filter."""
        return f"{self.root}.work.{service}.{scope}"

    def effect(self, service: str = "*", system: str = "*") -> str:
        """Return the subject of an effect record, or a filter. A slash in the system becomes an underscore."""
        return f"{self.root}.effect.{service}.{system.replace('/', '_')}"

    def decision(self) -> str:
        """Return the subject of decision records; they live beside the effects."""
        return f"{self.root}.effect.reconciler.decision"

    def logs(self) -> str:
        """Return the subject on which a run's log is asked for. Nothing is stored there."""
        return f"{self.root}.logs.read"

    def log_part(self, stream: str) -> str:
        """Return the subject on which the parts of a log that is being read are asked for, or a filter."""
        return f"{self.root}.logs.part.{stream}"

    def dead(self, stream: str = ">") -> str:
        """Return the subject of dead letters of one stream, or the filter of all."""
        return f"{self.root}.dead.{stream}"


def partition(project_id: int) -> int:
    """Return the delivery stream of a project: crc32 of the decimal id modulo 4 (events.md)."""
    return zlib.crc32(str(project_id).encode()) % PARTITIONS


TYPE_PREFIX: Final = "io.nautes"


def headers(event: Event, *, source: str, cause: Cause, event_id: str, at: datetime) -> dict[str, str]:
    """Return the CloudEvents 1.0 binary-mode headers of an event, with cause and actor.

    `Nats-Msg-Id` is the event id: JetStream drops a second publish within its window.
    """
    kind = type(event).__name__.lower()
    values = {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": f"{TYPE_PREFIX}.{kind}.v1",
        "ce-source": source,
        "ce-time": at.isoformat(),
        "content-type": "application/json",
        "nautes-cause": cause.delivery,
        "nautes-actor": cause.actor,
        "Nats-Msg-Id": event_id,
    }
    return {key: header_text(value) for key, value in values.items() if value}


def header_text(text: str) -> str:
    """Return text that is safe in a header: printable ASCII, no line breaks, at most 500 characters."""
    if text.isascii() and text.isprintable():  # nearly always, and on the path of every delivery
        return text[:500]
    return "".join(char if 32 <= ord(char) < 127 else "?" for char in text)[:500]
