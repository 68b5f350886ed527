"""What travels on the bus: deliveries, facts, work, their subjects and headers. Pure; nothing is published here."""

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
    OTHER = "other"


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
    """Full ref, `refs/heads/main`."""
    before: str = Field(default="", max_length=64)
    after: str = Field(default="", max_length=64)
    checkout_sha: str = Field(default="", max_length=64)
    """The commit to build; the commit behind an annotated tag; empty for deletes."""
    actor: str = Field(default="", max_length=255)
    message: str = Field(default="", max_length=300)
    """First line of the head commit, for people."""
    commits_count: int = Field(default=0, ge=0)
    skip_ci: bool = False
    """The push option `ci.skip` was given."""
    received_at: datetime

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
    def content_key(self) -> str:
        """The same for one push seen through several hooks; differs for A→B→A, since `before` counts."""
        return names.digest(
            self.instance, str(self.project_id), self.kind, self.ref, self.before, self.after, length=32
        )

    @property
    def cause(self) -> Cause:
        """What every effect of this delivery is ascribed to."""
        commit = self.checkout_sha or self.after
        return Cause(delivery=self.id, repository=self.project, ref=self.ref, commit=commit, actor=self.actor)


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
