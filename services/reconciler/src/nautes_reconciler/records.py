"""What the reconciler keeps: snapshots of declarations, the index of projects, and statuses, over the shared buckets."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from nautes_domain.catalog import ProductCatalog, TenantCatalog
from nautes_domain.effects import Status
from nautes_domain.snapshot import (
    TENANT_KEY,
    IndexedProject,
    Snapshot,
    product_catalog,
    project_key,
    tenant_catalog,
)

T = TypeVar("T")


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
        self, desired: Records[Snapshot], index: Records[IndexedProject], status: Records[Status]
    ) -> None:
        self.desired = desired
        self.index = index
        self.status = status
        self._parsed: dict[str, tuple[str, ProductCatalog]] = {}
        self._tenant = ("", TenantCatalog())

    async def snapshot(self, scope: str) -> Snapshot | None:
        """Return the last good snapshot of a scope."""
        return await self.desired.get(scope)

    async def tenant(self) -> TenantCatalog:
        """Return what the tenant declares; nothing before its first valid commit."""
        snapshot = await self.desired.get(TENANT_KEY)
        if snapshot is None:
            return TenantCatalog()
        if self._tenant[0] != snapshot.commit:
            self._tenant = (snapshot.commit, tenant_catalog(snapshot))
        return self._tenant[1]

    def parsed(self, snapshot: Snapshot) -> ProductCatalog:
        """Return the catalog of a product snapshot."""
        known = self._parsed.get(snapshot.scope)
        if known is None or known[0] != snapshot.commit:
            known = (snapshot.commit, product_catalog(snapshot))
            self._parsed[snapshot.scope] = known
        return known[1]

    async def products(self) -> Mapping[str, ProductCatalog]:
        """Return the catalogs of all products that have valid declarations."""
        found = await self.desired.items("product_")
        return {snapshot.name: self.parsed(snapshot) for _, snapshot in found}

    async def project(self, project_id: int) -> IndexedProject | None:
        """Return who a project is, by its id on the code host."""
        return await self.index.get(project_key(project_id))

    async def projects(self) -> Mapping[tuple[str, str], IndexedProject]:
        """Return every known project by group and name."""
        found = await self.index.items("project_")
        return {(project.group, project.name): project for _, project in found}
