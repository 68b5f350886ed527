"""Nothing goes while others need it, and every one of these is named: rules R7, J3, E4, T6, C13, C14, P3, P5. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from nautes_domain.failures import Violation
from nautes_domain.validation.references import key_of, known, referrers
from nautes_domain.validation.setting import Setting, TenantSetting

_RULES: Final[Mapping[str, str]] = {
    "CodeRepo": "R7",
    "Project": "J3",
    "Environment": "E4",
    "ArtifactRepo": "T6",
}


def removed(setting: Setting) -> Iterator[Violation]:
    """R7, J3, E4, T6: what others of the product refer to stays."""
    if setting.before is None:
        return
    here, users = known(setting.catalog), referrers(setting.catalog)
    for gone in setting.before.entities():
        named = users.get(key_of(gone), ())
        if key_of(gone) in here or not named:
            continue
        who = ", ".join(
            f"{one.entity} ({one.file}:{one.document.line_of(reference.path)})" for one, reference in named
        )
        fix = "restore the file; or remove these, or let them name another, in the same push"
        yield gone.violation((), _RULES[gone.manifest.kind], f"is removed, but {who} still name it", fix)


def users_of(setting: TenantSetting, cluster: str) -> tuple[str, ...]:
    """Return who uses a cluster: clusters that it carries, and products' environments with their runtimes."""
    found = [
        f"{one.entity} ({one.place})"
        for one in setting.catalog.clusters.values()
        if one.manifest.spec.host_cluster == cluster and one.manifest.name != cluster
    ]
    for product, catalog in sorted(setting.products.items()):
        for name, environment in catalog.environments.items():
            if environment.manifest.spec.cluster == cluster:
                found.append(f"{product}: {environment.entity}")
                runtimes = (
                    one for one in catalog.runtimes() if one.manifest.spec.destination.environment == name
                )
                found += [f"{product}: {one.entity}" for one in runtimes]
    return tuple(found)


def removed_clusters(setting: TenantSetting) -> Iterator[Violation]:
    """C13, C14: a cluster on which anything stands stays."""
    before = setting.before.clusters if setting.before else {}
    for name, gone in before.items():
        users = users_of(setting, name) if name not in setting.catalog.clusters else ()
        if users:
            rule = "C13" if users[0].startswith("Cluster/") else "C14"
            fix = "restore the file, or let these be removed first"
            yield gone.violation((), rule, f"is removed, but {', '.join(users)} use it", fix)


def removed_providers(setting: TenantSetting) -> Iterator[Violation]:
    """P5: what tells of the products stays while there are any."""
    before = setting.before.product_providers if setting.before else {}
    products = ", ".join(one.entity for one in setting.catalog.products.values())
    if products and not setting.catalog.product_providers:
        for gone in before.values():
            yield gone.violation((), "P5", f"is removed, but {products} are declared", "restore the file")


def removed_products(setting: TenantSetting) -> Iterator[Violation]:
    """P3, a warning: what a withdrawn product has stays until its removal is confirmed (security rule 12)."""
    before = setting.before.products if setting.before else {}
    for name, gone in before.items():
        catalog = setting.products.get(name)
        repos = ", ".join(one.entity for one in catalog.repos.values()) if catalog else ""
        if repos and name not in setting.catalog.products:
            fix = "restore the file; or write `Nautes-Allow-Deletions: all` as the last line of the commit message"
            message = f"is removed, but it still has {repos}: nothing starts from it, and it stays as it is"
            yield gone.violation((), "P3", message, fix)
