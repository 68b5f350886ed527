"""ProjectPipelineRuntime: events that are answered with pipeline runs."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from nautes_domain.names import Label
from nautes_domain.queueing import Limits
from nautes_domain.schema import (
    Condition,
    EventAction,
    FilePattern,
    FolderPath,
    GitUrl,
    HookEvent,
    Manifest,
    Part,
    PathPattern,
    Pattern,
    Revision,
    RevisionPattern,
    Text,
)

LabelValue = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
]
"""Kubernetes, "Labels and Selectors", syntax; not empty."""


class Pipeline(Part):
    """One pipeline file in the pipeline repository, every file that a pattern means, or a folder to build."""

    name: Label
    label: LabelValue = "default"
    """Stands on its runs as label `branch`."""
    path: FilePattern
    """`*` and `?` are any text within one folder: `ci/*.yaml`. A slash at its end means a folder with a kustomization file."""


class PipelineDestination(Part):
    """Where runs execute."""

    environment: Label
    namespace: Label | Literal[""] = ""


class GitLabSource(Part):
    """Events of a repository; filters that are left out let everything pass. The last three are ours."""

    repo_name: Label
    revision: RevisionPattern = ""
    """Which branch or tag; for merge requests the branch that they are to go into."""
    events: tuple[HookEvent, ...] = Field(min_length=1)
    paths: tuple[PathPattern, ...] = Field(default=(), max_length=50)
    """Which changed paths count; the last pattern that fits a path decides."""
    actions: tuple[EventAction, ...] = ()
    """What must have been done to a merge request, issue, note or release; left out: new code, something created."""
    condition: Condition = ""


CatchUp = Literal["latest", "all", "none"]
"""What becomes of the times that passed while nobody looked."""


class CalendarSource(Part):
    """Events of the clock: of a schedule or of an interval."""

    schedule: str = Field(default="", max_length=250)
    """A line as in crontab: `5 2 * * *`."""
    interval: str = Field(default="", max_length=40)
    """Hours, minutes, seconds: `1h30m`; at least one minute."""
    exclusion_dates: tuple[str, ...] = Field(default=(), max_length=400)
    """Days (`2026-12-24`, in the time zone) and times (`2026-12-24T12:00:00Z`) at which it does not fire."""
    timezone: str = Field(default="", max_length=60)
    """`Europe/Lisbon`; left out: UTC."""
    catch_up: CatchUp = "latest"
    """After an outage the latest missed time is made up for, or all (at most 24), or none. Ours."""


class EventSource(Part):
    """Where events come from: exactly one of `gitlab` and `calendar`."""

    name: Label
    gitlab: GitLabSource | None = None
    calendar: CalendarSource | None = None


class InputSource(Part):
    """A value of the platform or of the event; exactly one of the two."""

    built_in_var: str | None = None
    from_event: str | None = None


class Kustomization(Part):
    """A JSON pointer into the run."""

    path: Annotated[str, StringConstraints(pattern=r"^/", max_length=500)]


class TransmissionMethod(Part):
    """How a value reaches the run."""

    kustomization: Kustomization


class TriggerInput(Part):
    """One value that is handed to the run."""

    source: InputSource
    transmission_method: TransmissionMethod


class PipelineTrigger(Part):
    """Which pipeline answers which event source."""

    event_source: Label
    pipeline: Label
    revision: Pattern = ""
    """Revision of the pipeline repository; empty: that of the event."""
    inputs: tuple[TriggerInput, ...] = ()


class AdditionalGit(Part):
    """Manifests which are deployed beside the pipelines."""

    code_repo: Label | None = None
    url: GitUrl = ""
    """A repository outside of the tenant; where both are given, `url` counts, as in the original."""
    revision: Revision
    path: FolderPath

    @property
    def own_repo(self) -> str:
        """The repository of the product that they lie in; empty for one that is elsewhere."""
        return "" if self.url else self.code_repo or ""


class AdditionalResources(Part):
    """More that the runtime's namespace needs."""

    git: AdditionalGit | None = None


HookValue = Annotated[str, StringConstraints(max_length=4000)]


class Hook(Part):
    """A task before or after the pipeline; `nautes hooks list` shows which there are."""

    name: Text
    alias: str = ""
    """Tells it from another use of the same hook."""
    vars: Mapping[str, HookValue] = Field(default_factory=dict)
    """What the hook asks people for; `nautes hooks show` says what."""

    @property
    def label(self) -> str:
        """What it goes by in its runtime."""
        return self.alias or self.name


class Hooks(Part):
    """Tasks around the user's pipeline."""

    pre_hooks: tuple[Hook, ...] = Field(default=(), max_length=20)
    """They run one after the other, and the pipeline after the last; it does not run if one of them fails."""
    post_hooks: tuple[Hook, ...] = Field(default=(), max_length=20)
    """They run beside each other when the pipeline has ended, however it did."""


class Concurrency(Part):
    """How many runs are at work at one time; what is over waits its turn. Ours."""

    limit: int | None = Field(default=None, ge=1, le=1000)
    """Left out: as many as come."""
    cancel_previous: bool = False
    """A newer run of the same trigger on the same branch, tag or merge request cancels those before it."""


class ProjectPipelineRuntimeSpec(Part):
    """Which pipelines run where, on which events, as whom."""

    project: Label
    pipeline_source: Label
    pipelines: tuple[Pipeline, ...] = Field(min_length=1)
    destination: PipelineDestination
    event_sources: tuple[EventSource, ...] = Field(min_length=1)
    isolation: Literal["shared", "exclusive"]
    """`exclusive`: no other pipeline runtime of the product stands in the same environment."""
    pipeline_triggers: tuple[PipelineTrigger, ...] = Field(min_length=1)
    additional_resources: AdditionalResources | None = None
    hooks: Hooks | None = None
    account: Label | None = None
    concurrency: Concurrency = Concurrency()
    max_keep_runs: int | None = Field(default=None, ge=1, le=10_000)
    """Finished runs that are kept of each pipeline, the newest; left out: all. Ours."""


class ProjectPipelineRuntime(Manifest):
    """Answers events with pipeline runs."""

    KIND: ClassVar[str] = "ProjectPipelineRuntime"
    kind: Literal["ProjectPipelineRuntime"]
    spec: ProjectPipelineRuntimeSpec

    @property
    def account(self) -> str:
        """The machine account under which runs work; the runtime's name where none is given."""
        return self.spec.account or self.name

    @property
    def namespace(self) -> str:
        """Where runs execute; the runtime's name where none is given."""
        return self.spec.destination.namespace or self.name

    @property
    def additional(self) -> AdditionalGit | None:
        """What is deployed beside the pipelines."""
        return self.spec.additional_resources.git if self.spec.additional_resources else None

    @property
    def limits(self) -> Limits:
        """What is declared about the number of runs."""
        return Limits(
            self.spec.concurrency.limit, self.spec.concurrency.cancel_previous, self.spec.max_keep_runs
        )
