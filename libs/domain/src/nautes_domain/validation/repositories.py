"""Repositories, the rights on them, and packages: rules R1, R2, R5, R6, B6, A7, A9. Pure."""

import re
from collections.abc import Iterator

from nautes_domain.catalog import Declared, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.manifests import CodeRepo
from nautes_domain.validation.setting import Setting

_URL = re.compile(
    r"(?:(?:ssh://)?git@|https://)(?P<host>[^:/]+)(?::\d+)?[:/](?P<groups>.+)/(?P<name>[^/]+)\.git"
)


def repos(setting: Setting) -> Iterator[Violation]:
    """R1, R5, R6: a repository is named after its path, its provider is the tenant's, its address is its own."""
    for repo in setting.catalog.repos.values():
        spec, name = repo.manifest.spec, repo.manifest.name
        fix = f"write {name}"
        if spec.repo_name != name:
            yield repo.violation(("spec", "repoName"), "R1", "differs from metadata.name", fix)
        if spec.git is not None and spec.git.gitlab.path not in {None, name}:
            yield repo.violation(("spec", "git", "gitlab", "path"), "R1", "differs from metadata.name", fix)
        provider = spec.code_repo_provider
        if provider and provider not in setting.tenant.code_repo_providers:
            message = f"there is no CodeRepoProvider {provider!r}"
            where = ("spec", "codeRepoProvider")
            yield repo.violation(where, "R5", message, "leave it out for the tenant's only one")
        yield from _address(repo, setting)
        yield from _visibility(repo, setting)


def _visibility(repo: Declared[CodeRepo], setting: Setting) -> Iterator[Violation]:
    """R2: GitLab shows no project to more people than its group ("Visibility levels" of its user documentation)."""
    product = setting.tenant.products.get(setting.catalog.product)
    group = product.manifest.spec.git if product else None
    place = repo.manifest.spec.git
    shown = group.gitlab.visibility if group else "private"
    if product is not None and place is not None and place.gitlab.visibility == "public" != shown:
        path = ("spec", "git", "gitlab", "visibility")
        fix = "write private, or let the tenant's administrators make the product public"
        yield repo.violation(path, "R2", "is public, but its product is private", fix)


def _address(repo: Declared[CodeRepo], setting: Setting) -> Iterator[Violation]:
    """R6: an address of another repository would borrow that one's rights."""
    spec = repo.manifest.spec
    parts = _URL.fullmatch(spec.url)
    if parts is None:
        return
    expected = f"{setting.catalog.product}/{spec.repo_name}"
    found = f"{parts['groups'].rpartition('/')[2]}/{parts['name']}"
    if found != expected:
        message = f"the address is that of {found}, not of {expected}"
        yield repo.violation(("spec", "url"), "R6", message, "leave it out, or correct it")
    hosts = provider_hosts(setting.tenant)
    if hosts and parts["host"] not in hosts:
        message = f"{parts['host']} is not the tenant's code host"
        yield repo.violation(("spec", "url"), "R6", message, "leave it out, or correct it")


def provider_hosts(tenant: TenantCatalog) -> frozenset[str]:
    """Return the host names of the tenant's code hosts."""
    addresses = (
        address
        for one in tenant.code_repo_providers.values()
        for address in (one.manifest.spec.http_address, one.manifest.spec.ssh_address)
    )
    return frozenset(
        re.sub(r"^[a-z]+://([^@/]*@)?", "", address).partition("/")[0].partition(":")[0]
        for address in addresses
    )


def bindings(setting: Setting) -> Iterator[Violation]:
    """B6, A9: who lends may change the keys of what is lent, and two bindings do not contradict each other."""
    given: dict[tuple[str, str], tuple[str, str]] = {}
    before = setting.before.bindings if setting.before else {}
    for binding in setting.catalog.bindings.values():
        spec, name = binding.manifest.spec, binding.manifest.name
        unchanged = name in before and before[name].manifest.spec == spec
        if spec.code_repo in setting.locked_repos and not unchanged:
            message = f"who declared this may not change the keys of {spec.code_repo}"
            fix = f"let a maintainer of {spec.code_repo} push it"
            yield binding.violation(("spec", "codeRepo"), "B6", message, fix)
        for index, project in enumerate(spec.projects):
            first = given.setdefault((spec.code_repo, project), (spec.permissions, binding.entity))
            if first[0] != spec.permissions:
                message = f"{first[1]} lends {spec.code_repo} to {project} as {first[0]}"
                yield binding.violation(("spec", "projects", index), "A9", message, "keep one of the two")


def artifacts(setting: Setting) -> Iterator[Violation]:
    """A7: the provider of a repository of packages is one of the tenant's."""
    for repo in setting.catalog.artifact_repos.values():
        provider = repo.manifest.spec.artifact_repo_provider
        if provider not in setting.tenant.artifact_repo_providers:
            message = f"there is no ArtifactRepoProvider {provider!r}"
            fix = "ask the tenant's administrators to declare it, or correct the name"
            yield repo.violation(("spec", "artifactRepoProvider"), "A7", message, fix)
