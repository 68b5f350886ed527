"""What a product consists of: projects, environments, repositories, and the rights on them."""

from typing import ClassVar, Literal

from nautes_domain.names import Label
from nautes_domain.schema import GitPlace, GitUrl, HookEvent, Manifest, Part, Text


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

    code_repo_provider: Label | Literal[""] = ""
    """Name of a CodeRepoProvider; the tenant's only one where it is empty."""
    product: Label
    project: Label | None = None
    repo_name: Label
    url: GitUrl = ""
    """SSH address; made from the provider's where it is empty."""
    deployment_runtime: bool = False
    """For people: it holds manifests of deployments."""
    pipeline_runtime: bool = False
    """For people: pipelines react to it."""
    webhook: Webhook | None = None
    git: GitPlace | None = None
    """How its project looks on the code host."""


class CodeRepo(Manifest):
    """A repository of a product."""

    KIND: ClassVar[str] = "CodeRepo"
    kind: Literal["CodeRepo"]
    spec: CodeRepoSpec

    @property
    def events(self) -> tuple[HookEvent, ...]:
        """The events that the platform hears of; pushes of branches and tags where none are listed."""
        listed = self.spec.webhook.events if self.spec.webhook else ()
        return listed or ("push_events", "tag_push_events")


class CodeRepoBindingSpec(Part):
    """A right on a repository, lent to projects of a product. None listed: to none (security rule 2)."""

    code_repo: Label
    product: Label
    projects: tuple[Label, ...] = ()
    permissions: Literal["readonly", "readwrite"]


class CodeRepoBinding(Manifest):
    """An authorisation. It lies beside the repository that is lent."""

    KIND: ClassVar[str] = "CodeRepoBinding"
    kind: Literal["CodeRepoBinding"]
    spec: CodeRepoBindingSpec
