"""The kinds that the API takes, as people name and see them. Pure.

Names, aliases and order tags: `commands`, `applyOrder` and `removeOrder` in `cmd/types/types.go` of the
original's command line, v0.4.2 (section 8 of the specification). Routes: its section 2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: what it shows is found in the API's answer at `path`, with dots between keys."""

    heading: str
    path: str
    wide: bool = False
    """Shown with `-o wide` only."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `order` is its place in `apply`, counted from 0; `remove` goes the other way."""

    name: str
    order: int
    segment: str
    """Its part of the path, as in `/products/{product}/environments`."""
    aliases: tuple[str, ...]
    columns: tuple[Column, ...]
    in_product: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that names this kind on the command line; the first is the usual word."""
        word = self.name.lower()
        return (word, f"{word}s", *self.aliases)

    def path(self, product: str, name: str = "") -> str:
        """Return the path below `/api/v1` of one entity, or of all without a name."""
        listing = (
            f"/products/{quote(product, safe='')}/{self.segment}" if self.in_product else f"/{self.segment}"
        )
        return f"{listing}/{quote(name, safe='')}" if name else listing


_NAME: Final = Column("NAME", "name")

_CLUSTER: Final = (
    _NAME,
    Column("API SERVER", "api_server"),
    Column("USAGE", "usage"),
    Column("TYPE", "cluster_type"),
    Column("WORKER", "worker_type"),
    Column("HOST", "host_cluster", wide=True),
    Column("DOMAIN", "primary_domain", wide=True),
    Column("PRODUCTS", "allowed_products", wide=True),
    Column("COMPONENTS", "components_list.*.name", wide=True),
)
_PRODUCT: Final = (
    _NAME,
    Column("PATH", "git.gitlab.path"),
    Column("VISIBILITY", "git.gitlab.visibility"),
    Column("DESCRIPTION", "git.gitlab.description", wide=True),
)
_ENVIRONMENT: Final = (
    _NAME,
    Column("CLUSTER", "cluster"),
    Column("TYPE", "env_type"),
    Column("PRODUCT", "product", wide=True),
)
_PROJECT: Final = (_NAME, Column("LANGUAGE", "language"), Column("PRODUCT", "product", wide=True))
_CODE_REPO: Final = (
    _NAME,
    Column("PROJECT", "project"),
    Column("VISIBILITY", "git.gitlab.visibility"),
    Column("SSH", "git.gitlab.ssh_url_to_repo"),
    Column("HTTP", "git.gitlab.http_url_to_repo", wide=True),
    Column("EVENTS", "webhook.events", wide=True),
    Column("PRODUCT", "product", wide=True),
)
_BINDING: Final = (
    _NAME,
    Column("REPOSITORY", "coderepo"),
    Column("PERMISSIONS", "permissions"),
    Column("TO PROJECTS", "projects"),
    Column("TO PRODUCT", "product", wide=True),
)
_PIPELINE_RUNTIME: Final = (
    _NAME,
    Column("PROJECT", "project"),
    Column("SOURCE", "pipeline_source"),
    Column("ENVIRONMENT", "destination.environment"),
    Column("NAMESPACE", "destination.namespace", wide=True),
    Column("ACCOUNT", "account", wide=True),
    Column("PIPELINES", "pipelines.*.name", wide=True),
    Column("EVENTS", "event_sources.*.name", wide=True),
)
_DEPLOYMENT_RUNTIME: Final = (
    _NAME,
    Column("REPOSITORY", "manifest_source.code_repo"),
    Column("REVISION", "manifest_source.target_revision"),
    Column("PATH", "manifest_source.path"),
    Column("ENVIRONMENT", "destination.environment"),
    Column("NAMESPACES", "destination.namespaces", wide=True),
    Column("PROJECTS", "projects_ref", wide=True),
    Column("ACCOUNT", "account", wide=True),
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("Cluster", 0, "clusters", ("cls",), _CLUSTER, in_product=False),
        Kind("Product", 1, "products", ("prod", "prods"), _PRODUCT, in_product=False),
        Kind("Environment", 2, "environments", ("env", "envs"), _ENVIRONMENT),
        Kind("Project", 3, "projects", ("pro", "pros", "proj"), _PROJECT),
        Kind("CodeRepo", 4, "coderepos", ("cr", "crs"), _CODE_REPO),
        Kind("CodeRepoBinding", 5, "coderepobindings", ("crb", "crbs"), _BINDING),
        Kind("ProjectPipelineRuntime", 6, "projectpipelineruntimes", ("ppr", "pprs"), _PIPELINE_RUNTIME),
        Kind("DeploymentRuntime", 7, "deploymentruntimes", ("dr", "drs"), _DEPLOYMENT_RUNTIME),
    )
}
"""By name, in the order of `apply`."""

WORDS: Final[Mapping[str, Kind]] = {word: kind for kind in KINDS.values() for word in kind.words}
"""By every word that names them."""


def kind_of(word: str) -> Kind | None:
    """Return the kind that a word names in any case, None if it names none."""
    return WORDS.get(word.lower())
