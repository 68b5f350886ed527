"""What is declared, as the last good snapshots of the read model say it: parsed once per commit, never cloned."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nautes_api_server.kinds import KINDS, Addresses, Kind
from nautes_domain import names
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog, read_product, read_tenant
from nautes_domain.hooks import NO_HOOKS, HookKinds
from nautes_domain.snapshot import TENANT_KEY, Snapshot

_Version = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Entity:
    """One declared entity as it is replied."""

    kind: str
    name: str
    view: Mapping[str, Any]
    etag: str
    """Changes whenever what is replied changes (RFC 9110, section 8.8.3)."""
    file: str
    text: bytes = field(repr=False)
    """The view as JSON: lists are long, and are asked for often."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    version: _Version
    catalog: ProductCatalog | TenantCatalog
    entities: Mapping[str, Mapping[str, Entity]] = field(repr=False)


def entity_of(kind: Kind, product: str, declared: Declared[Any], addresses: Addresses) -> Entity:
    """Return an entity as it is replied."""
    manifest = declared.manifest
    view = kind.shown(product, manifest.name, manifest.spec, addresses).model_dump(mode="json")
    text = json.dumps(view, ensure_ascii=False, separators=(",", ":"))
    return Entity(kind.kind, manifest.name, view, f'"{names.digest(text)}"', declared.file, text.encode())


class Declarations:
    """The read model's snapshots as catalogs and replies."""

    def __init__(
        self, snapshots: Mapping[str, Snapshot], addresses: Addresses, hooks: HookKinds = NO_HOOKS
    ) -> None:
        self.hooks = hooks
        """The hooks that are installed: what declarations are judged by."""
        self._snapshots = snapshots
        self.addresses = addresses
        self._parsed: dict[str, _Parsed] = {}

    def snapshot(self, scope: str) -> Snapshot | None:
        """Return the last good snapshot of a scope."""
        return self._snapshots.get(scope)

    def tenant(self) -> TenantCatalog:
        """Return what the tenant declares; nothing before its first good commit."""
        parsed = self._read(TENANT_KEY)
        return parsed.catalog if parsed and isinstance(parsed.catalog, TenantCatalog) else TenantCatalog()

    def product(self, name: str) -> ProductCatalog:
        """Return what a product declares; nothing before its first good commit."""
        parsed = self._read(names.scope("product", name))
        if parsed and isinstance(parsed.catalog, ProductCatalog):
            return parsed.catalog
        return ProductCatalog(name)

    def products(self) -> Mapping[str, ProductCatalog]:
        """Return what each product declares that has ever declared something good."""
        scopes = [names.split_scope(key) for key in self._snapshots]
        return {name: self.product(name) for kind, name in scopes if kind == "product"}

    def is_product(self, name: str) -> bool:
        """Say whether the tenant declares a product."""
        return name in self.tenant().products

    def entities(self, kind: Kind, product: str = "") -> Mapping[str, Entity]:
        """Return the entities of a kind by name, sorted by it."""
        parsed = self._read(kind.scope(product))
        return parsed.entities.get(kind.kind, {}) if parsed else {}

    def _read(self, scope: str) -> _Parsed | None:
        snapshot = self._snapshots.get(scope)
        if snapshot is None:
            return None
        known, version = self._parsed.get(scope), (snapshot.commit, snapshot.held)
        if known is None or known.version != version:
            is_tenant = scope == TENANT_KEY
            catalog = (
                read_tenant(snapshot.files)[0]
                if is_tenant
                else read_product(snapshot.name, snapshot.files)[0]
            )
            known = _Parsed(version, catalog, self._shown(snapshot.name, catalog.entities()))
            self._parsed[scope] = known
        return known

    def _shown(self, product: str, found: Iterable[Declared[Any]]) -> Mapping[str, Mapping[str, Entity]]:
        by_kind = {kind.kind: kind for kind in KINDS}
        shown: dict[str, dict[str, Entity]] = {}
        for declared in sorted(found, key=lambda one: str(one.manifest.name)):
            kind = by_kind.get(declared.manifest.kind)
            if kind is not None:
                one = entity_of(kind, product, declared, self.addresses)
                shown.setdefault(kind.kind, {})[one.name] = one
        return shown
