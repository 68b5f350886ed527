"""Deployment runtimes: rules D3 and D7. Pure."""

from collections.abc import Iterator

from nautes_domain.catalog import Declared
from nautes_domain.failures import Violation
from nautes_domain.manifests import DeploymentRuntime
from nautes_domain.source import Path
from nautes_domain.validation.setting import Setting


def deployments(setting: Setting) -> Iterator[Violation]:
    """D7: every project that is deployed may use the repository of the manifests."""
    catalog = setting.catalog
    for runtime in catalog.deployments.values():
        spec = runtime.manifest.spec
        repo = spec.manifest_source.code_repo
        owner = catalog.repos[repo].manifest.spec.project if repo in catalog.repos else None
        if owner is not None and not spec.projects_ref:
            message = f"{repo} belongs to project {owner}, and no project is given"
            fix = f"list {owner}, or another that may use it"
            yield runtime.violation(("spec", "projectsRef"), "D7", message, fix)
        for index, project in enumerate(spec.projects_ref):
            where: Path = ("spec", "projectsRef", index)
            if repo in catalog.repos and project in catalog.projects and not setting.may_use(project, repo):
                fix = f"let the owner of {repo} add a CodeRepoBinding for {project}"
                yield runtime.violation(where, "D7", f"project {project} may not use {repo}", fix)


def duplicates(setting: Setting) -> Iterator[Violation]:
    """D3: no two runtimes deploy the same to the same environment."""
    first: dict[object, Declared[DeploymentRuntime]] = {}
    for runtime in setting.catalog.deployments.values():
        spec = runtime.manifest.spec
        other = first.setdefault((spec.destination.environment, spec.manifest_source), runtime)
        if other is not runtime:
            message = f"deploys the same as {other.entity} to the same environment"
            yield runtime.violation(("spec", "manifestSource"), "D3", message, "remove one of them")
