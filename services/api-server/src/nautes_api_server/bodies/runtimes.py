"""Runtimes: bodies and replies of section 2.4 of the original.

Ours are `paths`, `actions` and `condition` of events, `catch_up` of calendars, `concurrency` and `max_keep_runs`.
"""

from pydantic import ConfigDict, Field

from nautes_api_server.bodies.base import (
    NAME_AND_PRODUCT,
    Body,
    Flag,
    Optional,
    View,
    one_of,
    required_one_of,
)


class ManifestSourceBody(Body):
    """Where the manifests of a deployment lie."""

    code_repo: str
    target_revision: str
    path: str


class DeploymentDestinationBody(Body):
    """Where a deployment goes."""

    environment: str
    namespaces: tuple[str, ...] = ()


class DeploymentRuntimeBody(Body):
    """Keeps an environment equal to manifests in Git."""

    REPEATED = NAME_AND_PRODUCT

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "projects_ref": ["apple-api"], "account": "apple-deployer",
                "manifest_source": {"code_repo": "apple-deploy", "target_revision": "main", "path": "overlays/test"},
                "destination": {"environment": "test", "namespaces": ["apple-test"]},
            }
        }
    )  # fmt: skip

    projects_ref: tuple[str, ...] = ()
    manifest_source: ManifestSourceBody
    destination: DeploymentDestinationBody
    account: Optional = None


class PipelineBody(Body):
    """One pipeline file."""

    name: str
    label: Optional = None
    path: str


class GitLabSourceBody(Body):
    """Events of a repository."""

    repo_name: str
    revision: str = ""
    events: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Ours: which changed paths count."""
    actions: tuple[str, ...] = ()
    """Ours: what must have been done to a merge request, issue, note or release."""
    condition: str = ""
    """Ours: an expression of CEL about the event."""


class CalendarBody(Body):
    """Events of the clock."""

    schedule: str = ""
    interval: str = ""
    exclusion_dates: tuple[str, ...] = ()
    timezone: str = ""
    catch_up: str = one_of("latest", "all", "none", default="latest")
    """Ours: what becomes of the times that passed during an outage."""


class EventSourceBody(Body):
    """Where events come from: exactly one of `gitlab` and `calendar`."""

    name: str
    gitlab: GitLabSourceBody | None = None
    calendar: CalendarBody | None = None


class InputSourceBody(Body):
    """A value of the platform or of the event; an empty one is not given."""

    built_in_var: Optional = None
    from_event: Optional = None


class KustomizationBody(Body):
    """A JSON pointer into the run."""

    path: str


class TransmissionMethodBody(Body):
    """How a value reaches the run."""

    kustomization: KustomizationBody


class TriggerInputBody(Body):
    """One value that is handed to the run."""

    source: InputSourceBody
    transmission_method: TransmissionMethodBody


class PipelineTriggerBody(Body):
    """Which pipeline answers which event source."""

    event_source: str
    pipeline: str
    revision: str = ""
    inputs: tuple[TriggerInputBody, ...] = ()


class PipelineDestinationBody(Body):
    """Where runs execute."""

    environment: str
    namespace: str = ""


class AdditionalGitBody(Body):
    """Manifests that are deployed beside the pipelines."""

    code_repo: Optional = Field(default=None, alias="coderepo")
    url: str = ""
    revision: str
    path: str


class AdditionalResourcesBody(Body):
    """More that the runtime's namespace needs."""

    git: AdditionalGitBody | None = None


class HookBody(Body):
    """A task before or after the pipeline."""

    name: str
    alias: str = ""
    vars: dict[str, str] = Field(default_factory=dict)


class HooksBody(Body):
    """Tasks around the pipeline."""

    pre_hooks: tuple[HookBody, ...] = ()
    post_hooks: tuple[HookBody, ...] = ()


class ConcurrencyBody(Body):
    """How many runs are at work at one time."""

    limit: int | None = None
    """Left out: as many as come."""
    cancel_previous: Flag = False
    """A newer run of the same trigger and ref cancels those before it."""


class ProjectPipelineRuntimeBody(Body):
    """Answers events with pipeline runs."""

    REPEATED = NAME_AND_PRODUCT

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "project": "apple-api", "pipeline_source": "apple-ci-defs", "isolation": "shared", "account": "apple-builder",
                "destination": {"environment": "build", "namespace": "apple-ci"},
                "pipelines": [{"name": "trunk", "label": "main", "path": "ci/trunk.yaml"}],
                "event_sources": [
                    {"name": "src", "gitlab": {"repo_name": "apple-api-src", "revision": "main", "events": ["push_events"]}},
                    {"name": "night", "calendar": {"schedule": "5 2 * * *", "interval": "", "exclusion_dates": [], "timezone": "UTC"}},
                ],
                "pipeline_triggers": [
                    {
                        "event_source": "src", "pipeline": "trunk", "revision": "",
                        "inputs": [
                            {"source": {"from_event": "commitID"}, "transmission_method": {"kustomization": {"path": "/spec/params/1/value"}}}
                        ],
                    }
                ],
                "additional_resources": {"git": {"coderepo": "apple-ci-defs", "url": "", "revision": "main", "path": "ci/support"}},
                "hooks": {"pre_hooks": [], "post_hooks": []},
            }
        }
    )  # fmt: skip

    project: str
    pipeline_source: str
    pipelines: list[PipelineBody]
    destination: PipelineDestinationBody
    event_sources: list[EventSourceBody]
    isolation: str = required_one_of("shared", "exclusive")
    pipeline_triggers: list[PipelineTriggerBody]
    additional_resources: AdditionalResourcesBody | None = None
    hooks: HooksBody | None = None
    account: Optional = None
    concurrency: ConcurrencyBody | None = None
    """Ours: how many runs are at work at one time."""
    max_keep_runs: int | None = None
    """Ours: finished runs that are kept of each pipeline; left out: all."""


class ManifestSourceView(View):
    """Where the manifests of a deployment lie."""

    code_repo: str = ""
    target_revision: str = ""
    path: str = ""


class DeploymentDestinationView(View):
    """Where a deployment goes."""

    environment: str = ""
    namespaces: tuple[str, ...] = ()


class DeploymentRuntimeView(View):
    """A deployment runtime."""

    product: str
    name: str
    projects_ref: tuple[str, ...] = ()
    manifest_source: ManifestSourceView = ManifestSourceView()
    destination: DeploymentDestinationView = DeploymentDestinationView()
    account: str = ""


class PipelineView(View):
    """One pipeline file."""

    name: str = ""
    label: str = ""
    path: str = ""


class GitLabSourceView(View):
    """Events of a repository."""

    repo_name: str = ""
    revision: str = ""
    events: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    condition: str = ""


class CalendarView(View):
    """Events of the clock."""

    schedule: str = ""
    interval: str = ""
    exclusion_dates: tuple[str, ...] = ()
    timezone: str = ""
    catch_up: str = "latest"


class EventSourceView(View):
    """Where events come from."""

    name: str = ""
    gitlab: GitLabSourceView | None = None
    calendar: CalendarView | None = None


class InputSourceView(View):
    """A value of the platform or of the event."""

    built_in_var: str = ""
    from_event: str = ""


class KustomizationView(View):
    """A JSON pointer into the run."""

    path: str = ""


class TransmissionMethodView(View):
    """How a value reaches the run."""

    kustomization: KustomizationView = KustomizationView()


class TriggerInputView(View):
    """One value that is handed to the run."""

    source: InputSourceView = InputSourceView()
    transmission_method: TransmissionMethodView = TransmissionMethodView()


class PipelineTriggerView(View):
    """Which pipeline answers which event source."""

    event_source: str = ""
    pipeline: str = ""
    revision: str = ""
    inputs: tuple[TriggerInputView, ...] = ()


class PipelineDestinationView(View):
    """Where runs execute."""

    environment: str = ""
    namespace: str = ""


class AdditionalGitView(View):
    """Manifests beside the pipelines."""

    coderepo: str = Field(default="", validation_alias="code_repo")
    url: str = ""
    revision: str = ""
    path: str = ""


class AdditionalResourcesView(View):
    """More that the runtime's namespace needs."""

    git: AdditionalGitView | None = None


class HookView(View):
    """A task before or after the pipeline."""

    name: str = ""
    alias: str = ""
    vars: dict[str, str] = Field(default_factory=dict)


class HooksView(View):
    """Tasks around the pipeline."""

    pre_hooks: tuple[HookView, ...] = ()
    post_hooks: tuple[HookView, ...] = ()


class ConcurrencyView(View):
    """How many runs are at work at one time."""

    limit: int | None = None
    cancel_previous: bool = False


class ProjectPipelineRuntimeView(View):
    """A pipeline runtime. The original's reply names no product."""

    name: str
    project: str = ""
    pipeline_source: str = ""
    pipelines: tuple[PipelineView, ...] = ()
    destination: PipelineDestinationView = PipelineDestinationView()
    event_sources: tuple[EventSourceView, ...] = ()
    isolation: str = ""
    pipeline_triggers: tuple[PipelineTriggerView, ...] = ()
    additional_resources: AdditionalResourcesView | None = None
    hooks: HooksView | None = None
    account: str = ""
    concurrency: ConcurrencyView = ConcurrencyView()
    max_keep_runs: int | None = None
