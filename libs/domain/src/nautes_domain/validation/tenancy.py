"""The tenant, its products and the systems which serve them: rules P1, P6, A1, A7. Pure."""

from collections.abc import Iterator

from nautes_domain.failures import Violation
from nautes_domain.validation.setting import TenantSetting


def tenants(setting: TenantSetting) -> Iterator[Violation]:
    """A1: there is one tenant here, and it has the name of its group."""
    for tenant in setting.catalog.tenants.values():
        if tenant.manifest.name != setting.name:
            message = f"this is the repository of tenant {setting.name!r}"
            yield tenant.violation(("metadata", "name"), "A1", message, f"write {setting.name}")


def products(setting: TenantSetting) -> Iterator[Violation]:
    """P1: a product is named as its group, and never as the tenant."""
    for product in setting.catalog.products.values():
        manifest = product.manifest
        fix = f"write {manifest.name}"
        if manifest.spec.name != manifest.name:
            yield product.violation(("spec", "name"), "P1", "differs from metadata.name", fix)
        if manifest.spec.git is not None and manifest.spec.git.gitlab.path not in {None, manifest.name}:
            path = ("spec", "git", "gitlab", "path")
            yield product.violation(path, "P1", "differs from metadata.name", fix)
        if manifest.name == setting.name:
            message = "is the name of the tenant, whose group holds the platform's own repository"
            yield product.violation(("metadata", "name"), "P1", message, "choose another name")


def providers(setting: TenantSetting) -> Iterator[Violation]:
    """P6, A7: at most one provider of products, which names a code host that is served."""
    catalog = setting.catalog
    first = next(iter(catalog.product_providers.values()), None)
    for provider in catalog.product_providers.values():
        if provider is not first and first is not None:
            message = f"{first.entity} ({first.place}) provides the products already"
            yield provider.violation((), "P6", message, "remove one of them")
        name = provider.manifest.spec.name
        if name not in catalog.code_repo_providers:
            message = f"there is no CodeRepoProvider {name!r}"
            fix = "declare it, or correct the name"
            yield provider.violation(("spec", "name"), "A7", message, fix)
    for host in catalog.code_repo_providers.values():
        if host.manifest.spec.provider_type != "gitlab":
            message = f"{host.manifest.spec.provider_type} is not served yet"
            yield host.violation(("spec", "providerType"), "A7", message, "write gitlab")
