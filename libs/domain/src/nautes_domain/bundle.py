"""Many files at once, of a tenant and of any number of products, judged as if they had been pushed. Pure.

Repositories are recognised by their layout (sections 2.8 and 7.1 of the original); files that lie elsewhere are
judged as entities without a layout.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from nautes_domain import names
from nautes_domain.catalog import (
    Declared,
    ProductCatalog,
    TenantCatalog,
    Tree,
    product_of,
    read_documents,
    read_product,
    read_tenant,
    tenant_of,
)
from nautes_domain.failures import Violation
from nautes_domain.hooks import NO_HOOKS, HookKinds
from nautes_domain.manifests import TENANT_KINDS
from nautes_domain.validation import BY_TENANT, Setting, TenantSetting, Verdict, claims_of, judge

OURS: Final = b"nautes.resource.nautes.io/"
"""What every manifest of ours holds."""

_TENANT = re.compile(r"(?P<root>.*?)nautes/overlays/production/[^/]+/[^/]+\.ya?ml")
_PRODUCT = re.compile(
    r"(?P<root>(.*/)?)(projects/[^/]+/[^/]+|envs/[^/]+|code-repos/[^/]+/[^/]+|runtimes/[^/]+|artifact-repos/[^/]+/[^/]+)\.ya?ml"
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one product declares here, and what is wrong with its files."""

    catalog: ProductCatalog
    problems: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was found in a set of files."""

    tenant_name: str
    tenant: TenantCatalog | None
    """None if no file declares anything of a tenant."""
    problems: tuple[Violation, ...]
    """What is wrong with files of the tenant, and with files outside of any repository."""
    products: Mapping[str, Part]
    """By the folder that holds them, or by name where files were picked one by one."""

    def entities(self) -> Iterator[Declared[Any]]:
        """Yield everything that is declared."""
        yield from self.tenant.entities() if self.tenant else ()
        for part in self.products.values():
            yield from part.catalog.entities()


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one scope."""

    scope: str
    """`tenant`, `product_<name>`."""
    verdict: Verdict


def root_of(path: str) -> str | None:
    """Return the folder of the repository in whose layout a file lies, None if it lies in none."""
    found = _TENANT.fullmatch(path) or _PRODUCT.fullmatch(path)
    return found["root"] if found else None


def read(tree: Tree, *, tenant: str = "", product: str = "") -> Bundle:
    """Sort files by repository and read them. `tenant` and `product` name what the files do not tell themselves."""
    tenant_files, product_files, loose = _sorted(tree)
    entities, problems = read_documents(loose)
    shared = {kind.KIND for kind in TENANT_KINDS}
    alone = tuple(one for one in entities if one.manifest.kind in shared)
    products = {root: _part(root, files, product) for root, files in product_files.items()}
    for name, picked in _by_product(entities, shared, product).items():
        products[name] = Part(*product_of(name, picked))
    catalog: TenantCatalog | None = None
    for root, files in tenant_files.items():
        catalog, found = read_tenant(files, root)
        problems = (*problems, *found)
    if catalog is None and alone:
        catalog, found = tenant_of(alone)
        problems = (*problems, *found)
    declared = next(iter(catalog.tenants), "") if catalog else ""
    return Bundle(tenant or declared, catalog, tuple(sorted(problems)), products)


def verdicts(bundle: Bundle, before: Bundle | None = None, hooks: HookKinds = NO_HOOKS) -> Iterator[Judged]:
    """Yield the verdict on the tenant and on each product. What only a tenant can tell is not asked without one."""
    catalogs = {part.catalog.product: part.catalog for part in bundle.products.values()}
    tenant = bundle.tenant or TenantCatalog()
    until_now = before.tenant if before else None
    setting = TenantSetting(tenant, bundle.tenant_name, until_now, catalogs)
    yield Judged("tenant", judge(setting, bundle.problems))
    known = {part.catalog.product: part.catalog for part in before.products.values()} if before else {}
    claims = {name: claims_of(catalog) for name, catalog in catalogs.items()}
    for part in bundle.products.values():
        product = part.catalog.product
        others = {
            place: one for name, held in claims.items() if name != product for place, one in held.items()
        }
        own = Setting(part.catalog, tenant, others, known.get(product), hooks)
        leave_out = frozenset[str]() if bundle.tenant else BY_TENANT
        yield Judged(names.scope("product", product), judge(own, part.problems, leave_out=leave_out))


def without(bundle: Bundle, kind: str, name: str) -> Bundle | None:
    """Return the bundle after an entity was deleted; None if there is no such entity (rule E6)."""
    if not any((one.manifest.kind, one.manifest.name) == (kind, name) for one in bundle.entities()):
        return None
    tenant = bundle.tenant.without(kind, name) if bundle.tenant else None
    products = {
        key: Part(part.catalog.without(kind, name), part.problems) for key, part in bundle.products.items()
    }
    return Bundle(bundle.tenant_name, tenant, bundle.problems, products)


def _sorted(tree: Tree) -> tuple[dict[str, Tree], dict[str, Tree], Tree]:
    """Return (tenants' files by folder, products' files by folder, other files of ours)."""
    matches = ((path, _TENANT.fullmatch(path)) for path in tree)
    tenants = {found["root"] for _, found in matches if found}
    products = {
        found["root"]
        for path, text in tree.items()
        if OURS in text and not path.startswith(tuple(tenants)) and (found := _PRODUCT.fullmatch(path))
    }
    outer = {one for one in products if not any(one != other and one.startswith(other) for other in products)}
    placed: dict[str, dict[str, bytes]] = {root: {} for root in (*tenants, *outer)}
    loose: dict[str, bytes] = {}
    for path, text in tree.items():
        root = next((one for one in placed if path.startswith(one)), None)
        if root is not None:
            placed[root][path] = text
        elif OURS in text:
            loose[path] = text
    return (
        {root: placed[root] for root in sorted(tenants)},
        {root: placed[root] for root in sorted(outer)},
        loose,
    )


def _part(root: str, files: Tree, product: str) -> Part:
    name = product or _folder_name(root) or _named(read_product("", files, root)[0].entities())
    return Part(*read_product(name, files, root))


def _folder_name(root: str) -> str:
    """Return the product's name where the folder is that of a whole group: `orchard/default.project/`."""
    parts = root.rstrip("/").split("/")
    group = parts[-2] if len(parts) > 1 and parts[-1] == names.CONFIG_PROJECT else ""
    return group if names.is_label(group) else ""


def _named(entities: Iterable[Declared[Any]]) -> str:
    """Return the product that most entities name."""
    counted = Counter(getattr(one.manifest.spec, "product", "") for one in entities)
    counted.pop("", None)
    return counted.most_common(1)[0][0] if counted else "unknown"


def _by_product(
    entities: Iterable[Declared[Any]], shared: AbstractSet[str], product: str
) -> Mapping[str, list[Declared[Any]]]:
    """Sort entities by the product that they name; what names none is the only one's, or the most named one's."""
    own = [one for one in entities if one.manifest.kind not in shared]
    usual = product or _named(own)
    found: dict[str, list[Declared[Any]]] = {}
    for one in own:
        found.setdefault(getattr(one.manifest.spec, "product", usual), []).append(one)
    return found
