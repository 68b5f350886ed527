"""What an entity refers to within its own product: one list for existence, removal, and who depends on whom. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nautes_domain.catalog import Declared, ProductCatalog
from nautes_domain.failures import Violation
from nautes_domain.manifests import (
    ArtifactRepo,
    CodeRepo,
    CodeRepoBinding,
    DeploymentRuntime,
    ProjectArtifactRepo,
    ProjectPipelineRuntime,
)
from nautes_domain.source import Path
from nautes_domain.validation.setting import ENVIRONMENT, Setting

Key = tuple[str, str]
"""Kind and name of an entity."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names another entity of the product, and the rule that it must exist."""

    path: Path
    kind: str
    name: str
    rule: str


def references(manifest: Any) -> Iterator[Reference]:
    """Yield everything that an entity refers to within its product."""
    found = _REFERENCES.get(manifest.kind)
    if found is not None:
        yield from found(manifest)


def key_of(declared: Declared[Any]) -> Key:
    """Return kind and name of an entity."""
    return declared.manifest.kind, declared.manifest.name


def known(catalog: ProductCatalog) -> frozenset[Key]:
    """Return kind and name of everything that a product declares."""
    return frozenset(key_of(declared) for declared in catalog.entities())


def referrers(catalog: ProductCatalog) -> Mapping[Key, tuple[tuple[Declared[Any], Reference], ...]]:
    """Return who refers to each entity, declared or not, and where."""
    found: dict[Key, tuple[tuple[Declared[Any], Reference], ...]] = {}
    for declared in catalog.entities():
        for reference in references(declared.manifest):
            target = (reference.kind, reference.name)
            found[target] = (*found.get(target, ()), (declared, reference))
    return found


def existence(setting: Setting) -> Iterator[Violation]:
    """R4, B2, B5, D2, L4, T6: what is referred to is declared in the same product."""
    declared_here = known(setting.catalog)
    for declared in setting.catalog.entities():
        for reference in references(declared.manifest):
            if (reference.kind, reference.name) not in declared_here:
                message = f"{reference.kind} {reference.name!r} does not exist in this product"
                yield declared.violation(
                    reference.path, reference.rule, message, "declare it, or correct the name"
                )


def _of_repo(manifest: CodeRepo) -> Iterator[Reference]:
    if manifest.spec.project is not None:
        yield Reference(("spec", "project"), "Project", manifest.spec.project, "R4")


def _of_binding(manifest: CodeRepoBinding) -> Iterator[Reference]:
    yield Reference(("spec", "codeRepo"), "CodeRepo", manifest.spec.code_repo, "B2")
    yield from _projects(manifest.spec.projects, "projects", "B5")


def _of_artifacts(manifest: ArtifactRepo) -> Iterator[Reference]:
    yield from _projects(manifest.spec.projects or (), "projects", "T6")


def _of_project_artifacts(manifest: ProjectArtifactRepo) -> Iterator[Reference]:
    yield Reference(("spec", "project"), "Project", manifest.spec.project, "T6")
    yield Reference(("spec", "artifactRepo"), "ArtifactRepo", manifest.spec.artifact_repo, "T6")


def _of_deployment(manifest: DeploymentRuntime) -> Iterator[Reference]:
    spec = manifest.spec
    yield Reference(ENVIRONMENT, "Environment", spec.destination.environment, "D2")
    yield Reference(("spec", "manifestSource", "codeRepo"), "CodeRepo", spec.manifest_source.code_repo, "D2")
    yield from _projects(spec.projects_ref, "projectsRef", "D2")


def _of_pipeline(manifest: ProjectPipelineRuntime) -> Iterator[Reference]:
    spec = manifest.spec
    yield Reference(("spec", "project"), "Project", spec.project, "L4")
    yield Reference(ENVIRONMENT, "Environment", spec.destination.environment, "L4")
    yield Reference(("spec", "pipelineSource"), "CodeRepo", spec.pipeline_source, "L4")
    for index, source in enumerate(spec.event_sources):
        if source.gitlab is not None:
            path: Path = ("spec", "eventSources", index, "gitlab", "repoName")
            yield Reference(path, "CodeRepo", source.gitlab.repo_name, "L4")
    git = spec.additional_resources.git if spec.additional_resources else None
    if git is not None and git.code_repo is not None:
        path = ("spec", "additionalResources", "git", "codeRepo")
        yield Reference(path, "CodeRepo", git.code_repo, "L4")


def _projects(listed: tuple[str, ...], field: str, rule: str) -> Iterator[Reference]:
    for index, project in enumerate(listed):
        yield Reference(("spec", field, index), "Project", project, rule)


_REFERENCES: Final[Mapping[str, Callable[[Any], Iterator[Reference]]]] = {
    "CodeRepo": _of_repo,
    "CodeRepoBinding": _of_binding,
    "ArtifactRepo": _of_artifacts,
    "ProjectArtifactRepo": _of_project_artifacts,
    "DeploymentRuntime": _of_deployment,
    "ProjectPipelineRuntime": _of_pipeline,
}
