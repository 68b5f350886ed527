"""What the reconciler keeps: snapshots of declarations, the index of projects, and statuses, over the shared buckets."""

from collections.abc import Collection, Mapping
from typing import Protocol, TypeVar

from nautes_domain import names
from nautes_domain.catalog import ProductCatalog, TenantCatalog, read_product, read_tenant
from nautes_domain.effects import Status
from nautes_domain.failures import Rejected, Violation
from nautes_domain.hooks import NO_HOOKS, HookKinds
from nautes_domain.manifests import Component, ProjectPipelineRuntime
from nautes_domain.snapshot import TENANT_KEY, IndexedProject, Snapshot, project_key

T = TypeVar("T")

_Version = tuple[str, tuple[str, ...]]
"""The commit of a snapshot and what of it is held back: together they tell which files it has."""


class Records(Protocol[T]):
    """The part of a bucket that the reconciler uses; see `nautes_runtime.records.Bucket`."""

    async def get(self, key: str) -> T | None:
        """Return the record, or None."""
        ...

    async def put(self, key: str, record: T) -> int:
        """Store the record; return its revision."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the record."""
        ...

    async def items(self, prefix: str = "") -> list[tuple[str, T]]:
        """Return the records under a prefix."""
        ...


class Declarations:
    """The last good declarations of every scope, parsed once per commit."""

    def __init__(
        self,
        desired: Records[Snapshot],
        index: Records[IndexedProject],
        status: Records[Status],
        hooks: HookKinds = NO_HOOKS,
    ) -> None:
        self.desired = desired
        self.index = index
        self.status = status
        self.hooks = hooks
        """The hooks that are installed: declarations are judged by them, and runs made with them."""
        self._products: dict[str, tuple[_Version, ProductCatalog, tuple[Violation, ...]]] = {}
        self._tenant: tuple[_Version, TenantCatalog, tuple[Violation, ...]] = (("", ()), TenantCatalog(), ())

    async def snapshot(self, scope: str) -> Snapshot | None:
        """Return the last good snapshot of a scope."""
        return await self.desired.get(scope)

    async def tenant(self) -> TenantCatalog:
        """Return what the tenant declares; nothing before its first valid commit. Raises Rejected as `parsed` does."""
        catalog, problems = await self._read_tenant()
        if problems:
            raise _no_longer_valid(TENANT_KEY, problems)
        return catalog

    async def tenant_until_now(self) -> TenantCatalog:
        """Return what can be read of the tenant's last good declarations: what a new commit is compared with."""
        catalog, _ = await self._read_tenant()
        return catalog

    async def _read_tenant(self) -> tuple[TenantCatalog, tuple[Violation, ...]]:
        snapshot = await self.desired.get(TENANT_KEY)
        if snapshot is None:
            return TenantCatalog(), ()
        if self._tenant[0] != _version(snapshot):
            self._tenant = (_version(snapshot), *read_tenant(snapshot.files))
        return self._tenant[1:]

    def parsed(self, snapshot: Snapshot) -> ProductCatalog:
        """Return the catalog of a product snapshot. Raises Rejected if a file is not valid after all.

        That happens when rules became stricter since it was taken in: nothing is done by halves then.
        """
        catalog, problems = self._read_product(snapshot)
        if problems:
            raise _no_longer_valid(snapshot.scope, problems)
        return catalog

    def _read_product(self, snapshot: Snapshot) -> tuple[ProductCatalog, tuple[Violation, ...]]:
        known = self._products.get(snapshot.scope)
        if known is None or known[0] != _version(snapshot):
            known = (_version(snapshot), *read_product(snapshot.name, snapshot.files))
            self._products[snapshot.scope] = known
        return known[1:]

    async def runtime_on(self, cluster: str, product: str, runtime: str) -> ProjectPipelineRuntime | None:
        """Return the pipeline runtime of a product, None unless it is declared to run on this cluster."""
        snapshot = await self.snapshot(names.scope("product", product))
        if snapshot is None:
            return None
        catalog = self.parsed(snapshot)
        found = catalog.pipelines.get(runtime)
        if found is None:
            return None
        return found.manifest if catalog.cluster_of(found.manifest) == cluster else None

    async def pipelines_on(self, cluster: str) -> Component | None:
        """Return what serves pipelines on a cluster, as far as that is declared."""
        declared = (await self.tenant_until_now()).clusters.get(cluster)
        return declared.manifest.spec.components_list.pipeline if declared else None

    async def pipeline_projects(self, cluster: str) -> Collection[int]:
        """Return the ids of the projects that hold pipeline files of runtimes on a cluster."""
        wanted = {
            (product, runtime.manifest.spec.pipeline_source)
            for product, catalog in (await self.products()).items()
            for runtime in catalog.pipelines.values()
            if (place := catalog.environments.get(runtime.manifest.spec.destination.environment))
            and place.manifest.spec.cluster == cluster
        }
        known = await self.projects()
        return {known[place].project_id for place in wanted if place in known}

    async def products(self) -> Mapping[str, ProductCatalog]:
        """Return what can be read of the last good declarations of every product.

        These are facts for judging others, such as who holds a namespace: one product's file that is not
        valid any more neither blocks the others nor gives up what the rest of its files hold.
        """
        found = await self.desired.items("product_")
        return {snapshot.name: self._read_product(snapshot)[0] for _, snapshot in found}

    async def project(self, project_id: int) -> IndexedProject | None:
        """Return who a project is, by its id on the code host."""
        return await self.index.get(project_key(project_id))

    async def projects(self) -> Mapping[tuple[str, str], IndexedProject]:
        """Return every known project by group and name."""
        found = await self.index.items("project_")
        return {(project.group, project.name): project for _, project in found}


def _version(snapshot: Snapshot) -> _Version:
    return snapshot.commit, snapshot.held


def _no_longer_valid(scope: str, problems: tuple[Violation, ...]) -> Rejected:
    return Rejected("the stored snapshot is not valid", problems, what=scope, code="bad-snapshot")
