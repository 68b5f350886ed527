"""What the rules look at: a product or the tenant, its state before, and the facts that others hold."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.hooks import NO_HOOKS, HookKinds
from nautes_domain.manifests import Cluster, DeploymentRuntime, ProjectPipelineRuntime
from nautes_domain.source import Path

Claims = Mapping[tuple[str, str], str]
"""Who holds a namespace: (cluster, namespace) to product."""

ENVIRONMENT: Final[Path] = ("spec", "destination", "environment")


@dataclass(frozen=True)
class Setting:
    """A product among the others: what the rules may look at."""

    catalog: ProductCatalog
    tenant: TenantCatalog
    claims: Claims = field(default_factory=dict)
    """Namespaces held by other products."""
    before: ProductCatalog | None = None
    """What was declared before; None if that is not known, then nothing counts as changed or removed."""
    hooks: HookKinds = field(default_factory=lambda: NO_HOOKS)
    locked_repos: frozenset[str] = frozenset()
    """Repositories whose deploy keys the person who declares may not change."""

    @cached_property
    def lent(self) -> Mapping[str, frozenset[str]]:
        """Projects that each repository is lent to by its owner."""
        return lent(self.catalog)

    def may_use(self, project: str, repo: str) -> bool:
        """Say whether a project may use a repository of this product."""
        declared = self.catalog.repos.get(repo)
        if declared is None:
            return False
        return declared.manifest.spec.project == project or project in self.lent.get(repo, ())

    def cluster_of(self, environment: str) -> Declared[Cluster] | None:
        """Return the cluster behind an environment, None when either is missing."""
        declared = self.catalog.environments.get(environment)
        return None if declared is None else self.tenant.clusters.get(declared.manifest.spec.cluster)


@dataclass(frozen=True)
class TenantSetting:
    """The tenant and what its products make of it."""

    catalog: TenantCatalog
    name: str
    """The tenant's name: its group on the code host."""
    before: TenantCatalog | None = None
    """What was declared before; None if that is not known."""
    products: Mapping[str, ProductCatalog] = field(default_factory=dict)
    """What the products declare."""


Rule = Callable[[Setting], Iterator[Violation]]
TenantRule = Callable[[TenantSetting], Iterator[Violation]]


def lent(catalog: ProductCatalog) -> Mapping[str, frozenset[str]]:
    """Return the projects that each repository is lent to (security rule 2).

    Only bindings in this catalog count, which is the owner's own; an empty project list lends to nobody.
    """
    found: dict[str, frozenset[str]] = {}
    for binding in catalog.bindings.values():
        spec = binding.manifest.spec
        if spec.product == catalog.product:
            found[spec.code_repo] = found.get(spec.code_repo, frozenset()) | frozenset(spec.projects)
    return found


def may_use(catalog: ProductCatalog, project: str, repo: str) -> bool:
    """Say whether a project may use a repository: it owns it, or the owner lent it (security rule 2)."""
    return Setting(catalog, TenantCatalog()).may_use(project, repo)


def places(catalog: ProductCatalog) -> Iterator[tuple[Declared[Any], tuple[str, str]]]:
    """Yield each runtime with each (cluster, namespace) that it uses."""
    for runtime in catalog.runtimes():
        manifest = runtime.manifest
        environment = catalog.environments.get(manifest.spec.destination.environment)
        if environment is not None:
            for namespace in namespaces_of(manifest):
                yield runtime, (environment.manifest.spec.cluster, namespace)


def namespaces_of(manifest: ProjectPipelineRuntime | DeploymentRuntime) -> tuple[str, ...]:
    """Return the namespaces of a runtime, those that follow from its name included."""
    return manifest.namespaces if isinstance(manifest, DeploymentRuntime) else (manifest.namespace,)


def space_path(manifest: ProjectPipelineRuntime | DeploymentRuntime) -> Path:
    """Return the field that names the namespaces of a runtime."""
    pipeline = isinstance(manifest, ProjectPipelineRuntime)
    return ("spec", "destination", "namespace" if pipeline else "namespaces")


def claims_of(catalog: ProductCatalog) -> Claims:
    """Return the namespaces which a product's runtimes use."""
    return {place: catalog.product for _, place in places(catalog)}
