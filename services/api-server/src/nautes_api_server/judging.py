"""Is a change of declarations to be taken? The one judge of all doors, asked about what the change brings. Pure.

What was wrong before the change is nobody's fault now: one broken entity does not keep others from being saved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from nautes_domain.catalog import ProductCatalog, TenantCatalog, Tree, read_product, read_tenant
from nautes_domain.failures import Violation
from nautes_domain.hooks import NO_HOOKS, HookKinds
from nautes_domain.validation import Claims, Setting, TenantSetting, claims_of, judge

SKIPPABLE: Final = frozenset({"R4", "R5", "R7", "B2", "B5", "D2", "L4", "T6", "J3", "E4"})
"""What `insecure_skip_check` leaves out: whether entities that are named exist, and whether removed ones are named.

Never who may use what: E2, D7, L11, B6, T4 and the rest hold always (security rules 2, 3 and 11).
"""
CONFIRMED: Final = "P3"
"""A warning where people push, since the budget for deletions keeps everything; here nobody confirms, so it refuses."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the judge looks at besides the files: the read model, installed hooks, and what the caller may not do."""

    tenant: TenantCatalog
    products: Mapping[str, ProductCatalog]
    locked_repos: frozenset[str] = frozenset()
    hooks: HookKinds = field(default_factory=lambda: NO_HOOKS)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a change brings."""

    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()
    skipped: tuple[Violation, ...] = field(default=())
    """What would have refused it, had the caller not asked to skip these checks."""


def judge_change(
    scope_name: str,
    before: Tree,
    after: Tree,
    entity: tuple[str, str],
    around: Surroundings,
    *,
    tenant_name: str = "",
    skip: bool = False,
) -> Finding:
    """Return what a change of a tree brings: of a product's, or of the tenant's if `tenant_name` is given."""
    if tenant_name:
        (was, unread), (now, broken) = read_tenant(before), read_tenant(after)
        products = around.products
        old = judge(TenantSetting(was, tenant_name, None, products), unread)
        new = judge(TenantSetting(now, tenant_name, was, products), broken)
    else:
        held = claims(scope_name, around.products.values())
        (mine, unread), (then, broken) = read_product(scope_name, before), read_product(scope_name, after)
        old = judge(Setting(mine, around.tenant, held, hooks=around.hooks), unread)
        new = judge(Setting(then, around.tenant, held, mine, around.hooks, around.locked_repos), broken)
    found = _brought(new.violations, old.violations, entity)
    warnings = _brought(new.warnings, old.warnings, entity)
    confirmed = [one for one in warnings if one.rule == CONFIRMED and (one.kind, one.name) == entity]
    violations = sorted([*found, *confirmed])
    skipped = [one for one in violations if skip and one.rule in SKIPPABLE]
    return Finding(
        tuple(one for one in violations if one not in skipped),
        tuple(one for one in warnings if one not in confirmed),
        tuple(skipped),
    )


def claims(product: str, catalogs: Iterable[ProductCatalog]) -> Claims:
    """Return the namespaces that other products hold."""
    others = (catalog for catalog in catalogs if catalog.product != product)
    return {place: holder for catalog in others for place, holder in claims_of(catalog).items()}


def _brought(
    after: Iterable[Violation], before: Iterable[Violation], entity: tuple[str, str]
) -> list[Violation]:
    """Return what is new, and everything about the entity itself."""
    known = {_what(one) for one in before}
    return [one for one in after if (one.kind, one.name) == entity or _what(one) not in known]


def _what(one: Violation) -> tuple[str, ...]:
    return one.file, one.kind, one.name, one.field, one.rule, one.message
