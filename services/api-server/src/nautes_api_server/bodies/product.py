"""Products and what they consist of: bodies and replies of section 2.4 of the original."""

from typing import Any

from pydantic import ConfigDict, Field

from nautes_api_server.bodies.base import (
    NAME,
    NAME_AND_PRODUCT,
    Body,
    Flag,
    Optional,
    View,
    one_of,
    required_one_of,
)


class GitLabPlaceBody(Body):
    """How the group or project looks in GitLab."""

    REPEATED = frozenset({"ssh_url_to_repo", "http_url_to_repo"})

    name: Optional = None
    path: Optional = None
    """The name in the URL, if it is given."""
    visibility: str = one_of("private", "public", default="private")
    description: str = ""
    parent_id: int | None = Field(default=None, exclude=True)
    """Sent by the original's command line, and not used: products are groups of their own."""


class GitPlaceBody(Body):
    """The place on the code host."""

    gitlab: GitLabPlaceBody | None = None
    github: dict[str, Any] | None = Field(default=None, exclude=True)
    """Part of the original's schema; nothing serves it."""


class ProductBody(Body):
    """A product: a group on the code host, with a repository for its declarations."""

    REPEATED = NAME

    model_config = ConfigDict(
        json_schema_extra={"example": {"git": {"gitlab": {"name": "orchard", "path": "orchard", "visibility": "private", "description": "fruit shop"}}}}
    )  # fmt: skip

    git: GitPlaceBody


class ProjectBody(Body):
    """A part of a product that is built on its own."""

    REPEATED = NAME_AND_PRODUCT

    model_config = ConfigDict(json_schema_extra={"example": {"language": "golang"}})

    language: str = ""


class EnvironmentBody(Body):
    """The product's name for a cluster."""

    REPEATED = NAME_AND_PRODUCT

    model_config = ConfigDict(json_schema_extra={"example": {"cluster": "run-east", "env_type": "test"}})

    cluster: str
    env_type: str


class WebhookBody(Body):
    """Which events of a repository the platform hears of."""

    events: tuple[str, ...] = ()


class CodeRepoBody(Body):
    """A repository of a product."""

    REPEATED = NAME_AND_PRODUCT

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "project": "apple-api", "webhook": {"events": ["push_events"]}, "deployment_runtime": False, "pipeline_runtime": True,
                "git": {"gitlab": {"name": "apple-api-src", "path": "apple-api-src", "visibility": "private", "description": ""}},
            }
        }
    )  # fmt: skip

    project: Optional = None
    """The project that owns it; without one it belongs to the product, and no project has rights without a binding."""
    webhook: WebhookBody | None = None
    deployment_runtime: Flag = False
    pipeline_runtime: Flag = False
    git: GitPlaceBody


class CodeRepoBindingBody(Body):
    """A right on a repository, lent to projects."""

    REPEATED = frozenset({"name", "product_name"})

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"product": "orchard", "projects": ["apple-web"], "permissions": "readonly", "coderepo": "apple-deploy"}
        }
    )  # fmt: skip

    product: Optional = None
    """Who receives the right; the product in the URL if it is not given."""
    projects: tuple[str, ...] = ()
    permissions: str = required_one_of("readonly", "readwrite")
    code_repo: str = Field(alias="coderepo")


class GitLabPlaceView(View):
    """The group or project in GitLab."""

    name: str = ""
    path: str = ""
    visibility: str = "private"
    description: str = ""


class GitPlaceView(View):
    """The place on the code host."""

    gitlab: GitLabPlaceView = GitLabPlaceView()


class ProductView(View):
    """A product."""

    name: str
    git: GitPlaceView = GitPlaceView()


class ProjectView(View):
    """A project."""

    product: str
    name: str
    language: str = ""


class EnvironmentView(View):
    """An environment."""

    product: str
    name: str
    cluster: str = ""
    env_type: str = ""


class WebhookView(View):
    """Events that the platform hears of."""

    events: tuple[str, ...] = ()


class RepoPlaceView(GitLabPlaceView):
    """The project in GitLab and where it is cloned from."""

    ssh_url_to_repo: str = ""
    """Empty if the platform does not know the code host's SSH address."""
    http_url_to_repo: str = ""


class RepoGitView(View):
    """The place on the code host."""

    gitlab: RepoPlaceView = RepoPlaceView()


class CodeRepoView(View):
    """A repository."""

    product: str
    name: str
    project: str = ""
    webhook: WebhookView = WebhookView()
    deployment_runtime: bool = False
    pipeline_runtime: bool = False
    git: RepoGitView = RepoGitView()


class CodeRepoBindingView(View):
    """An authorisation."""

    product: str
    name: str
    projects: tuple[str, ...] = ()
    permissions: str = ""
    coderepo: str = Field(default="", validation_alias="code_repo")
