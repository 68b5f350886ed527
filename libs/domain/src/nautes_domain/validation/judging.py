"""The one function behind every door: what is wrong with declarations, what is doubtful, and what that holds back. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nautes_domain.catalog import ProductCatalog, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.validation import (
    accounts,
    calendars,
    changes,
    clusters,
    deployments,
    environments,
    hooks,
    layout,
    pipelines,
    places,
    references,
    removals,
    repositories,
    tenancy,
)
from nautes_domain.validation.setting import Rule, Setting, TenantRule, TenantSetting

RULES: Final[tuple[Rule, ...]] = (
    layout.folders, layout.owners_of_folders, layout.owners, references.existence,
    repositories.repos, repositories.bindings, repositories.artifacts, environments.environments,
    deployments.deployments, deployments.duplicates, pipelines.sources, pipelines.rights, pipelines.uniqueness,
    pipelines.inputs, pipelines.places, pipelines.abilities, pipelines.same_files, pipelines.additional, hooks.hooks, calendars.calendars, calendars.revisions,
    places.worker_types, places.namespaces, places.isolation, accounts.accounts,
    changes.fixed, changes.moved_environments, removals.removed,
)  # fmt: skip
TENANT_RULES: Final[tuple[TenantRule, ...]] = (
    clusters.kinds, clusters.components, clusters.addresses, tenancy.tenants, tenancy.products, tenancy.providers,
    changes.changed_clusters, removals.removed_clusters, removals.removed_providers,
)  # fmt: skip
TENANT_WARNINGS: Final[tuple[TenantRule, ...]] = (clusters.unknown_products, removals.removed_products)

ABSENCE: Final = frozenset({
    "R4", "R7", "B2", "B5", "J3", "E4", "D2", "D7", "L4", "L11", "T5", "T6", "C5", "C13", "C14", "P5", "A4", "A7",
})  # fmt: skip
"""Rules that something missing breaks: silent while a file cannot be read, since it may be there."""


BY_TENANT: Final = frozenset({"E2", "R5", "A7"})
"""Rules of products that only the tenant's declarations can answer: not to be asked without them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in the declarations of one scope. They are valid if there is no violation."""

    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    """What is allowed, and probably not meant."""
    held: Mapping[str, str]
    """`Kind/name` of what cannot be taken in, with the reason: the broken ones and what depends on them."""


def judge(
    setting: Setting | TenantSetting,
    problems: Iterable[Violation] = (),
    *,
    leave_out: frozenset[str] = frozenset(),
) -> Verdict:
    """Return the verdict on a product's or the tenant's declarations.

    `problems` are those of files that could not be read: they count, and rules which something missing
    would break are not held against the rest. `leave_out` are rules that cannot be answered here.
    """
    unread = tuple(problems)
    silent = leave_out | ABSENCE if unread else leave_out
    if isinstance(setting, Setting):
        violations = _together(unread, silent, (violation for rule in RULES for violation in rule(setting)))
        return Verdict(violations, (), _held(violations, _dependants(setting.catalog)))
    violations = _together(
        unread, silent, (violation for rule in TENANT_RULES for violation in rule(setting))
    )
    warnings = {violation for rule in TENANT_WARNINGS for violation in rule(setting)}
    return Verdict(violations, tuple(sorted(warnings)), _held(violations, _carried(setting.catalog)))


def product_violations(setting: Setting) -> tuple[Violation, ...]:
    """Return everything that is wrong between the entities of a product."""
    return judge(setting).violations


def tenant_violations(tenant: TenantCatalog, name: str) -> tuple[Violation, ...]:
    """Return everything that is wrong between the entities of the tenant `name`."""
    return judge(TenantSetting(tenant, name)).violations


def _together(
    unread: tuple[Violation, ...], silent: frozenset[str], found: Iterator[Violation]
) -> tuple[Violation, ...]:
    return tuple(sorted({*unread, *(one for one in found if one.rule not in silent)}))


def _dependants(catalog: ProductCatalog) -> Mapping[str, list[str]]:
    return {
        f"{kind}/{name}": [declared.entity for declared, _ in users]
        for (kind, name), users in references.referrers(catalog).items()
    }


def _carried(catalog: TenantCatalog) -> Mapping[str, list[str]]:
    carried: dict[str, list[str]] = {}
    for cluster in catalog.clusters.values():
        carried.setdefault(f"Cluster/{cluster.manifest.spec.host_cluster}", []).append(cluster.entity)
    return carried


def _held(violations: Iterable[Violation], dependants: Mapping[str, list[str]]) -> Mapping[str, str]:
    """Return what is held back: each entity with a violation, and whatever refers to it, directly or not."""
    held: dict[str, str] = {}
    for one in violations:
        if one.name and one.kind != "file":
            held.setdefault(f"{one.kind}/{one.name}", f"breaks rule {one.rule}")
    waiting = list(held)
    while waiting:
        broken = waiting.pop()
        for dependant in dependants.get(broken, ()):
            if dependant not in held:
                held[dependant] = f"needs {broken}"
                waiting.append(dependant)
    return held
