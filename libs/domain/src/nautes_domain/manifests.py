"""What people write in Git: the kinds of `nautes.resource.nautes.io/v1alpha1` and their fields.

Fields and their meaning are those of Nautes v0.4.2 (CRDs in `config/crd/bases`), except that references
are human names and never numeric ids, and `Cluster.spec.allowedProducts`, which is ours: a product may
use a cluster only if it is listed there. What a field must refer to is judged in `validation`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from nautes_domain.names import Label
from nautes_domain.schema import (
    Condition,
    EventAction,
    FolderPath,
    HookEvent,
    Manifest,
    Part,
    PathPattern,
    Pattern,
    RevisionPattern,
    Text,
)


class Component(Part):
    """Which implementation serves one category on a cluster, and where."""

    name: Text
    namespace: Label
    additions: Mapping[str, str] = Field(default_factory=dict)


class ComponentsList(Part):
    """The ten categories of components; each is optional here, `validation` knows which are required."""

    cert_management: Component | None = None
    deployment: Component | None = None
    event_listener: Component | None = None
    gateway: Component | None = None
    multi_tenant: Component | None = None
    pipeline: Component | None = None
    progressive_delivery: Component | None = None
    secret_management: Component | None = None
    secret_sync: Component | None = None
    oauth_proxy: Component | None = None

    def namespaces(self) -> frozenset[str]:
        """Return the namespaces which belong to components."""
        parts = (getattr(self, name) for name in type(self).model_fields)
        return frozenset(part.namespace for part in parts if part is not None)


class ClusterResource(Part):
    """A cluster-scoped kind that a product may deploy."""

    kind: Text
    group: Text


class ClusterSpec(Part):
    """Where a cluster is and what it is for."""

    api_server: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+/?$")]
    cluster_type: Literal["physical", "virtual"]
    cluster_kind: Literal["kubernetes"] = "kubernetes"
    usage: Literal["host", "worker"]
    host_cluster: str = ""
    primary_domain: str = ""
    worker_type: Literal["", "pipeline", "deployment"] = ""
    components_list: ComponentsList
    reserved_namespaces_allowed_products: Mapping[str, tuple[Label, ...]] = Field(default_factory=dict)
    product_allowed_cluster_resources: Mapping[Label, tuple[ClusterResource, ...]] = Field(
        default_factory=dict
    )
    allowed_products: tuple[Label, ...] = ()
    """Products which may use this cluster; nobody else may (security rule 3)."""


class Cluster(Manifest):
    """A Kubernetes cluster of the tenant."""

    KIND: ClassVar[str] = "Cluster"
    kind: Literal["Cluster"]
    spec: ClusterSpec


class ProductSpec(Part):
    """A product is a group on the code host; `name` is its path."""

    name: Label
    meta_data_path: str = ""
    """URL of its `default.project`; found by its path when empty."""


class Product(Manifest):
    """Everything of one team that is built and run together."""

    KIND: ClassVar[str] = "Product"
    kind: Literal["Product"]
    spec: ProductSpec


class ProjectSpec(Part):
    """`language` is for people; nothing reads it."""

    product: Label
    language: str = ""


class Project(Manifest):
    """A part of a product that is built on its own."""

    KIND: ClassVar[str] = "Project"
    kind: Literal["Project"]
    spec: ProjectSpec


class EnvironmentSpec(Part):
    """The product's name for a cluster."""

    product: Label
    cluster: Label
    env_type: Text


class Environment(Manifest):
    """Where runtimes of a product run."""

    KIND: ClassVar[str] = "Environment"
    kind: Literal["Environment"]
    spec: EnvironmentSpec


class Webhook(Part):
    """Which events of a repository the platform hears of."""

    events: tuple[HookEvent, ...] = ()


class CodeRepoSpec(Part):
    """A repository; without `project` it belongs to the product, and no project has rights without a binding."""

    code_repo_provider: str = ""
    product: Label
    project: Label | None = None
    repo_name: Label
    url: str = ""
    deployment_runtime: bool = False
    pipeline_runtime: bool = False
    webhook: Webhook | None = None


class CodeRepo(Manifest):
    """A repository of a product."""

    KIND: ClassVar[str] = "CodeRepo"
    kind: Literal["CodeRepo"]
    spec: CodeRepoSpec


class CodeRepoBindingSpec(Part):
    """A right on a repository, lent to a product or to some of its projects (none listed: to none)."""

    code_repo: Label
    product: Label
    projects: tuple[Label, ...] = ()
    permissions: Literal["readonly", "readwrite"]


class CodeRepoBinding(Manifest):
    """An authorisation. It lies beside the repository that is lent."""

    KIND: ClassVar[str] = "CodeRepoBinding"
    kind: Literal["CodeRepoBinding"]
    spec: CodeRepoBindingSpec


class ManifestSource(Part):
    """Where the manifests of a deployment lie."""

    code_repo: Label
    target_revision: Text
    path: FolderPath


class DeploymentDestination(Part):
    """Where a deployment goes; the first namespace is where Argo CD deploys to."""

    environment: Label
    namespaces: tuple[Label, ...] = ()


class DeploymentRuntimeSpec(Part):
    """What is deployed, from where, to where, and as whom."""

    product: Label
    projects_ref: tuple[Label, ...] = ()
    manifest_source: ManifestSource
    destination: DeploymentDestination
    account: Label | None = None


class DeploymentRuntime(Manifest):
    """Keeps an environment equal to manifests in Git."""

    KIND: ClassVar[str] = "DeploymentRuntime"
    kind: Literal["DeploymentRuntime"]
    spec: DeploymentRuntimeSpec

    @property
    def account(self) -> str:
        """The machine account that deploys; the runtime's name where none is given."""
        return self.spec.account or self.name

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces, the destination first; the runtime's name where none is given."""
        return self.spec.destination.namespaces or (self.name,)


class Pipeline(Part):
    """One pipeline file in the pipeline repository."""

    name: Label
    label: str = "default"
    path: FolderPath


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


class CalendarSource(Part):
    """Events of the clock."""

    schedule: str = ""
    interval: str = ""
    exclusion_dates: tuple[str, ...] = ()
    timezone: str = ""


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
    url: str = ""
    revision: Text
    path: FolderPath


class AdditionalResources(Part):
    """More that the runtime's namespace needs."""

    git: AdditionalGit | None = None


class Hook(Part):
    """A task before or after the pipeline."""

    name: Text
    alias: str = ""
    vars: Mapping[str, str] = Field(default_factory=dict)


class Hooks(Part):
    """Tasks around the user's pipeline."""

    pre_hooks: tuple[Hook, ...] = ()
    post_hooks: tuple[Hook, ...] = ()


class ProjectPipelineRuntimeSpec(Part):
    """Which pipelines run where, on which events, as whom."""

    project: Label
    pipeline_source: Label
    pipelines: tuple[Pipeline, ...] = Field(min_length=1)
    destination: PipelineDestination
    event_sources: tuple[EventSource, ...] = Field(min_length=1)
    isolation: Literal["shared", "exclusive"]
    pipeline_triggers: tuple[PipelineTrigger, ...] = Field(min_length=1)
    additional_resources: AdditionalResources | None = None
    hooks: Hooks | None = None
    account: Label | None = None


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


KINDS: Final[Mapping[str, type[Any]]] = {
    kind.KIND: kind
    for kind in (
        Cluster,
        Product,
        Project,
        Environment,
        CodeRepo,
        CodeRepoBinding,
        ProjectPipelineRuntime,
        DeploymentRuntime,
    )
}
