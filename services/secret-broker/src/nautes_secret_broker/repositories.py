"""Which repositories a scope has, and their ids on the code host: from the index and from what is stored. Pure.

An id is looked up in both places, so that losing one of them removes nothing: a repository counts as gone
only when it is no longer declared, never because its id is unknown.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nautes_domain import names
from nautes_domain.catalog import ProductCatalog, TenantCatalog
from nautes_domain.snapshot import IndexedProject


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """One repository on the code host."""

    group: str
    name: str
    project_id: int

    @property
    def hook(self) -> str:
        """Id of its hook: `orchard.apple-api-src`."""
        return names.hook_id(self.group, self.name)


Known = Mapping[str, Repository]
"""Repositories by hook id."""


def scope_of(tenant: str, group: str, name: str) -> str:
    """Return the scope whose declarations ask for a repository: configuration belongs to the tenant."""
    if group == tenant or name == names.CONFIG_PROJECT:
        return names.scope("tenant")
    return names.scope("product", group)


def known(
    tenant: str, scope: str, index: Iterable[IndexedProject], stored: Mapping[str, int]
) -> Mapping[str, Repository]:
    """Return the repositories of a scope by hook id; `stored` gives project ids by hook id.

    The index is newer than what is stored; of two ids of one path the higher is the newer (GitLab never
    gives an id twice).
    """
    found: dict[str, Repository] = {}
    for hook, project_id in stored.items():
        group, _, name = hook.partition(".")
        if scope_of(tenant, group, name) == scope:
            found[hook] = Repository(group, name, project_id)
    for project in sorted(index, key=lambda one: one.project_id):
        if scope_of(tenant, project.group, project.name) == scope:
            repository = Repository(project.group, project.name, project.project_id)
            found[repository.hook] = repository
    return found


def tenant_hooks(tenant: str, catalog: TenantCatalog) -> Iterator[str]:
    """Yield the hook ids of the repositories that hold declarations."""
    yield names.hook_id(tenant, names.TENANT_PROJECT)
    for product in catalog.products:
        yield names.hook_id(product, names.CONFIG_PROJECT)


def product_hooks(catalog: ProductCatalog) -> Iterator[str]:
    """Yield the hook ids of the repositories that a product declares."""
    for name in catalog.repos:
        yield names.hook_id(catalog.product, name)
