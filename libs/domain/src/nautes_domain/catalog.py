"""A tree of files to declared entities: the layouts of the tenant's and the products' repositories. Pure.

Layouts: sections 2.8 and 7.1 of the original. Every problem of every file is collected; nothing is raised
for the first one. What entities may refer to is judged in `validation`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from nautes_domain import source
from nautes_domain.declared import Declared, Kind, declared
from nautes_domain.failures import Violation
from nautes_domain.manifests import (
    PRODUCT_KINDS,
    TENANT_KINDS,
    ArtifactRepo,
    ArtifactRepoProvider,
    Cluster,
    CodeRepo,
    CodeRepoBinding,
    CodeRepoProvider,
    DeploymentRuntime,
    Environment,
    Product,
    ProductProvider,
    Project,
    ProjectArtifactRepo,
    ProjectPipelineRuntime,
    Tenant,
)

__all__ = [
    "Declared",
    "ProductCatalog",
    "TenantCatalog",
    "Tree",
    "product_of",
    "read_documents",
    "read_product",
    "read_tenant",
    "tenant_of",
]

Tree = Mapping[str, bytes]
"""Files of a repository at one commit, by path."""

_Layout = Iterable[tuple[re.Pattern[str], frozenset[str]]]

_PRODUCT_LAYOUT: Final = (
    (re.compile(r"projects/[^/]+/[^/]+\.ya?ml\Z"), frozenset({"Project", "ProjectPipelineRuntime"})),
    (re.compile(r"envs/[^/]+\.ya?ml\Z"), frozenset({"Environment"})),
    (re.compile(r"code-repos/[^/]+/[^/]+\.ya?ml\Z"), frozenset({"CodeRepo", "CodeRepoBinding"})),
    (re.compile(r"runtimes/[^/]+\.ya?ml\Z"), frozenset({"DeploymentRuntime"})),
    (re.compile(r"artifact-repos/[^/]+/[^/]+\.ya?ml\Z"), frozenset({"ArtifactRepo", "ProjectArtifactRepo"})),
)
_TENANT_LAYOUT: Final = tuple(
    (re.compile(rf"nautes/overlays/production/{folder}/[^/]+\.ya?ml\Z"), frozenset({kind}))
    for folder, kind in (
        ("tenant", "Tenant"),
        ("code-repo-providers", "CodeRepoProvider"),
        ("product-provider", "ProductProvider"),
        ("artifact-repo-providers", "ArtifactRepoProvider"),
        ("clusters", "Cluster"),
        ("products", "Product"),
    )
)
_EVERYWHERE: Final = ((re.compile(""), frozenset(kind.KIND for kind in (*TENANT_KINDS, *PRODUCT_KINDS))),)
_IGNORED: Final = re.compile(r"(.*/)?kustomization\.ya?ml\Z|\.[^/]*(/.*)?")
"""Generated files and dot files."""
_REMEMBERED_BYTES: Final = 8 * 1024
"""Files up to this size are remembered: a push changes few of them, and all are read again."""


@dataclass(frozen=True, slots=True)
class TenantCatalog:
    """What the tenant's repository declares."""

    clusters: Mapping[str, Declared[Cluster]] = field(default_factory=dict)
    products: Mapping[str, Declared[Product]] = field(default_factory=dict)
    tenants: Mapping[str, Declared[Tenant]] = field(default_factory=dict)
    code_repo_providers: Mapping[str, Declared[CodeRepoProvider]] = field(default_factory=dict)
    product_providers: Mapping[str, Declared[ProductProvider]] = field(default_factory=dict)
    artifact_repo_providers: Mapping[str, Declared[ArtifactRepoProvider]] = field(default_factory=dict)

    def entities(self) -> Iterator[Declared[Any]]:
        """Yield everything that is declared, parents first."""
        yield from self.tenants.values()
        yield from self.code_repo_providers.values()
        yield from self.product_providers.values()
        yield from self.artifact_repo_providers.values()
        yield from self.clusters.values()
        yield from self.products.values()

    def without(self, kind: str, name: str) -> "TenantCatalog":
        """Return the catalog after an entity was deleted."""
        return _tenant(_others(self.entities(), kind, name), [])

    @property
    def reserved_namespaces(self) -> frozenset[str]:
        """Namespaces that the tenant keeps from all products."""
        tenants = self.tenants.values()
        return frozenset(name for one in tenants for name in one.manifest.spec.reserved_namespaces)

    @property
    def certificate_authorities(self) -> str:
        """The authorities of the tenant's own servers, as PEM; empty if none are declared."""
        return next((one.manifest.spec.certificate_authorities for one in self.tenants.values()), "")

    @property
    def ssh_known_hosts(self) -> str:
        """The lines by which the code host is known over SSH; empty if none are declared."""
        return next((one.manifest.spec.ssh_known_hosts for one in self.tenants.values()), "")


@dataclass(frozen=True, slots=True)
class ProductCatalog:
    """What one product's `default.project` declares."""

    product: str
    projects: Mapping[str, Declared[Project]] = field(default_factory=dict)
    environments: Mapping[str, Declared[Environment]] = field(default_factory=dict)
    repos: Mapping[str, Declared[CodeRepo]] = field(default_factory=dict)
    bindings: Mapping[str, Declared[CodeRepoBinding]] = field(default_factory=dict)
    pipelines: Mapping[str, Declared[ProjectPipelineRuntime]] = field(default_factory=dict)
    deployments: Mapping[str, Declared[DeploymentRuntime]] = field(default_factory=dict)
    artifact_repos: Mapping[str, Declared[ArtifactRepo]] = field(default_factory=dict)
    project_artifact_repos: Mapping[str, Declared[ProjectArtifactRepo]] = field(default_factory=dict)
    laid_out: bool = True
    """The files lie where the layout says; false for files that were picked one by one."""

    def entities(self) -> Iterator[Declared[Any]]:
        """Yield everything that is declared, parents first."""
        yield from self.projects.values()
        yield from self.environments.values()
        yield from self.repos.values()
        yield from self.bindings.values()
        yield from self.artifact_repos.values()
        yield from self.project_artifact_repos.values()
        yield from self.runtimes()

    def without(self, kind: str, name: str) -> "ProductCatalog":
        """Return the catalog after an entity was deleted."""
        return _product(self.product, _others(self.entities(), kind, name), [], laid_out=self.laid_out)

    def runtimes(self) -> Iterator[Declared[ProjectPipelineRuntime] | Declared[DeploymentRuntime]]:
        """Yield all runtimes, pipelines first."""
        yield from self.pipelines.values()
        yield from self.deployments.values()

    def cluster_of(self, runtime: ProjectPipelineRuntime | DeploymentRuntime) -> str:
        """Return the name of the cluster behind a runtime's environment. KeyError if the product is not valid."""
        return self.environments[runtime.spec.destination.environment].manifest.spec.cluster


def read_tenant(tree: Tree, root: str = "") -> tuple[TenantCatalog, tuple[Violation, ...]]:
    """Return what the tenant's repository declares, and everything that is wrong with its files.

    Files outside of our folders are none of our business: component manifests lie there. `root` is the
    folder of the repository, with a slash at its end, where paths do not start in the repository.
    """
    start = len(root)
    ours = {
        path: text
        for path, text in tree.items()
        if any(rule.match(path[start:]) for rule, _ in _TENANT_LAYOUT)
    }
    found, problems = _read(ours, _TENANT_LAYOUT, start)
    catalog = _tenant(found, problems)
    return catalog, tuple(sorted(problems))


def read_product(product: str, tree: Tree, root: str = "") -> tuple[ProductCatalog, tuple[Violation, ...]]:
    """Return what a product declares, and everything that is wrong with its files.

    A file at a place that the layout does not know is a violation (rule T1): it would be dead otherwise.
    `root` is the folder of the repository, as for `read_tenant`.
    """
    found, problems = _read(tree, _PRODUCT_LAYOUT, len(root))
    catalog = _product(product, found, problems)
    return catalog, tuple(sorted(problems))


def read_documents(tree: Tree) -> tuple[tuple[Declared[Any], ...], tuple[Violation, ...]]:
    """Return the entities in files of any place, and everything that is wrong with the files."""
    found, problems = _read(tree, _EVERYWHERE)
    return tuple(found), tuple(sorted(problems))


def tenant_of(found: Iterable[Declared[Any]]) -> tuple[TenantCatalog, tuple[Violation, ...]]:
    """Return the catalog of entities that were read one by one, and names that are declared twice."""
    problems: list[Violation] = []
    return _tenant(found, problems), tuple(problems)


def product_of(product: str, found: Iterable[Declared[Any]]) -> tuple[ProductCatalog, tuple[Violation, ...]]:
    """Return the catalog of entities that were read one by one, and names that are declared twice."""
    problems: list[Violation] = []
    return _product(product, found, problems, laid_out=False), tuple(problems)


def _tenant(found: Iterable[Declared[Any]], problems: list[Violation]) -> TenantCatalog:
    kinds = _by_kind(found, problems)
    return TenantCatalog(
        clusters=_of(kinds, Cluster),
        products=_of(kinds, Product),
        tenants=_of(kinds, Tenant),
        code_repo_providers=_of(kinds, CodeRepoProvider),
        product_providers=_of(kinds, ProductProvider),
        artifact_repo_providers=_of(kinds, ArtifactRepoProvider),
    )


def _product(
    product: str, found: Iterable[Declared[Any]], problems: list[Violation], *, laid_out: bool = True
) -> ProductCatalog:
    kinds = _by_kind(found, problems)
    return ProductCatalog(
        product,
        projects=_of(kinds, Project),
        environments=_of(kinds, Environment),
        repos=_of(kinds, CodeRepo),
        bindings=_of(kinds, CodeRepoBinding),
        pipelines=_of(kinds, ProjectPipelineRuntime),
        deployments=_of(kinds, DeploymentRuntime),
        artifact_repos=_of(kinds, ArtifactRepo),
        project_artifact_repos=_of(kinds, ProjectArtifactRepo),
        laid_out=laid_out,
    )


def _others(found: Iterable[Declared[Any]], kind: str, name: str) -> Iterator[Declared[Any]]:
    return (one for one in found if (one.manifest.kind, one.manifest.name) != (kind, name))


def _read(tree: Tree, layout: _Layout, start: int = 0) -> tuple[list[Declared[Any]], list[Violation]]:
    found: list[Declared[Any]] = []
    problems: list[Violation] = []
    for path in sorted(tree):
        if not path.endswith((".yaml", ".yml")) or _IGNORED.match(path[start:]):
            continue
        allowed = next((kinds for rule, kinds in layout if rule.match(path[start:])), None)
        if allowed is None:
            fix = "move it to projects/, envs/, code-repos/, runtimes/ or artifact-repos/"
            problems.append(Violation(path, 1, "file", "", "", "T1", "no entity is expected here", fix))
            continue
        text = tree[path]
        read = _file if len(text) <= _REMEMBERED_BYTES else _file.__wrapped__
        entities, violations = read(path, text, allowed)
        found.extend(entities)
        problems.extend(violations)
    return found, problems


@lru_cache(maxsize=8192)
def _file(
    path: str, text: bytes, allowed: frozenset[str]
) -> tuple[tuple[Declared[Any], ...], tuple[Violation, ...]]:
    """Return what one file declares and what is wrong with it; both are values that nobody changes."""
    problems: list[Violation] = []
    found = (declared(document, allowed, problems) for document in source.documents(text, path, problems))
    entities = tuple(one for one in found if one is not None)
    return entities, tuple(problems)


_Kinds = Mapping[str, Mapping[str, Declared[Any]]]


def _by_kind(found: Iterable[Declared[Any]], problems: list[Violation]) -> _Kinds:
    """Return the entities by kind and name; a name that is declared twice is a violation (rule T3)."""
    kinds: dict[str, dict[str, Declared[Any]]] = {}
    for one in found:
        first = kinds.setdefault(one.manifest.kind, {}).setdefault(one.manifest.name, one)
        if first is not one:
            message = f"{one.entity} is declared in {first.file} already"
            problems.append(one.violation(("metadata", "name"), "T3", message, "remove one of them"))
    return kinds


def _of(kinds: _Kinds, kind: type[Kind]) -> Mapping[str, Declared[Kind]]:
    return kinds.get(kind.KIND, {})
