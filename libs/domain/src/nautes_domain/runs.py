"""A run as it stands on its cluster: the marks that say whose it is, and how far it got. Pure.

All that is needed to report a run's end stands on the run itself, so that losing everything else loses no result.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from nautes_domain import names
from nautes_domain.effects import Cause

PRODUCT: Final = "nautes.io/product"
RUNTIME: Final = "nautes.io/runtime"
PIPELINE: Final = "nautes.io/pipeline"
"""Labels."""

PROJECT_ID: Final = "nautes.io/project-id"
CAUSE: Final = "nautes.io/cause"
REPOSITORY: Final = "nautes.io/repository"
REF: Final = "nautes.io/ref"
COMMIT: Final = "nautes.io/commit"
BRANCH: Final = "nautes.io/branch"
"""Source branch of a merge request: under it the code host shows the commit."""
ACTOR: Final = "nautes.io/actor"
TRACEPARENT: Final = "nautes.io/traceparent"
"""W3C trace context of the span that created the run; there only if somebody traces."""
RECEIVED_AT: Final = "nautes.io/received-at"
"""When the event was received, ISO 8601 with its zone."""
GROUP: Final = "nautes.io/concurrency-group"
"""The same for runs of which a newer one may take the place of an older one."""
QUEUED: Final = "nautes.io/queued"
"""There on a run that was created held."""
REPORTED: Final = "nautes.io/reported"
"""Annotations. The last is written when the code host was told: the phase that it knows of."""

FACT_KIND: Final = "run"
"""Kind of the facts that tell of runs."""

LONGEST: Final = 200
"""Characters of a reason or message that are kept."""

_USER_INFO: Final = re.compile(r"://[^/\s]+@")
_TOKEN: Final = re.compile(r"\b(gl[a-z]{1,8}-|hv[sbr]\.|ey[JK])[\w.=-]{8,}")
"""How tokens of GitLab, Vault and Kubernetes begin."""


_MERGE_REQUEST: Final = re.compile(r"refs/merge-requests/([0-9]{1,12})/head\Z")


class RunPhase(StrEnum):
    """How far a run is. The values are what is remembered on runs."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self not in {RunPhase.PENDING, RunPhase.RUNNING}


@dataclass(frozen=True, slots=True)
class Progress:
    """What an engine says about a run. `reason` and `message` are bounded and free of credentials, see `shown`."""

    phase: RunPhase = RunPhase.PENDING
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    held: bool = False
    """It was created to wait and was not let go yet."""
    stopping: bool = False
    """It was told to stop."""

    @property
    def duration(self) -> timedelta | None:
        """How long it ran; None while that cannot be told."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.started_at, timedelta(0))

    @property
    def why(self) -> str:
        """Reason and message in one line, as far as there are any."""
        return ": ".join(part for part in (self.reason, self.message) if part)


@dataclass(frozen=True, slots=True)
class RunState:
    """One run of ours. Who it belongs to is what the run claims: whoever may create runs can claim anything."""

    name: str
    namespace: str
    uid: str
    """Tells a run from a later one of the same name."""
    product: str
    runtime: str
    project_id: int
    """Project on the code host whose commit is built."""
    cause: Cause
    progress: Progress
    reported: str = ""
    """The phase that was reported last, as it stands on the run."""
    branch: str = ""
    """Source branch, if a merge request is built."""
    traceparent: str = ""
    """Trace context that reports on it go on with."""
    pipeline: str = ""
    """Name of the pipeline in its runtime."""
    queued: bool = False
    """It was created held: if it is not any more, it was let go."""
    group: str = ""
    """See `GROUP`; empty for a run of which none takes the place of another."""
    created_at: datetime | None = None
    """When the engine stored it, as precisely as the engine says."""
    received_at: datetime | None = None
    """When the event that it answers was received."""
    url: str = ""
    """Where people look at it; empty where there is no such page."""
    shows_itself: bool = False
    """The code host shows it beside the commit already, so that no status of ours is needed."""

    @property
    def phase(self) -> RunPhase:
        """How far it is."""
        return self.progress.phase

    @property
    def waits(self) -> bool:
        """Whether it stands in the queue."""
        return self.progress.held and not self.progress.stopping and not self.phase.final

    @property
    def commit(self) -> str:
        """The commit that is built."""
        return self.cause.commit

    @property
    def ref(self) -> str:
        """Short name of the branch or tag."""
        return self.branch or self.cause.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")

    @property
    def merge_request(self) -> int:
        """The number of the merge request that is built, 0 if none is."""
        found = _MERGE_REQUEST.match(self.cause.ref)
        return int(found[1]) if found else 0

    @property
    def is_news(self) -> bool:
        """Whether its phase comes after the one that was reported. A run never goes back, nor on from its end."""
        return rank(self.phase) > rank(self.reported)

    def removed(self) -> "RunState":
        """Return what is left to say about a run that was deleted: before its end, it was cancelled."""
        if self.phase.final:
            return self
        gone = Progress(RunPhase.CANCELLED, "Deleted", "the run was deleted", self.progress.started_at)
        return replace(self, progress=gone)


@dataclass(frozen=True, slots=True)
class Marks:
    """Labels and annotations of a run, and its address."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    created_at: datetime | None = None
    url: str = ""


def run_state(marks: Marks, progress: Progress) -> RunState | None:
    """Return the state of a run, None unless it carries every mark that reporting needs."""
    labels, notes = marks.labels, marks.annotations
    product, runtime = labels.get(PRODUCT, ""), labels.get(RUNTIME, "")
    project_id, delivery, commit = notes.get(PROJECT_ID, ""), notes.get(CAUSE, ""), notes.get(COMMIT, "")
    numbered = project_id.isascii() and project_id.isdecimal() and len(project_id) <= 18
    if not (names.is_label(product) and names.is_label(runtime) and numbered and delivery and commit):
        return None
    cause = Cause(
        delivery=delivery[:255],
        repository=notes.get(REPOSITORY, "")[:1000],
        ref=notes.get(REF, "")[:1000],
        commit=commit[:64],
        actor=notes.get(ACTOR, "")[:255],
    )
    return RunState(
        marks.name, marks.namespace, marks.uid, product, runtime, int(project_id), cause, progress,
        notes.get(REPORTED, ""), notes.get(BRANCH, "")[:1000], notes.get(TRACEPARENT, "")[:100],
        labels.get(PIPELINE, "")[:63], QUEUED in notes, notes.get(GROUP, "")[:64],
        marks.created_at, instant(notes.get(RECEIVED_AT)), marks.url,
    )  # fmt: skip


def instant(text: object) -> datetime | None:
    """Return a time in ISO 8601, None if it is none or has no zone."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def shown(text: str) -> str:
    """Return an engine's words as they may be shown to anyone: one line, bounded, without credentials."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: LONGEST * 20]).split())
    clean = _TOKEN.sub("[hidden]", _USER_INFO.sub("://", line))
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def spent(duration: timedelta) -> str:
    """Return a duration for people: `42 s`, `3 min 5 s`, `1 h 2 min`."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def rank(phase: str) -> int:
    """Return how far a phase is; anything else than a phase was never reported."""
    if phase not in set(RunPhase):
        return -1
    found = RunPhase(phase)
    return 2 if found.final else list(RunPhase).index(found)
