"""Which deployments a push means: those of its repository and revision whose folder it changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nautes_domain.capabilities import ADDITIONAL, application_name
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import PUSHES, Delivery
from nautes_domain.triggers.facts import Facts
from nautes_domain.triggers.verdicts import Verdict

MANIFESTS: Final = "manifests"
ADDITIONAL_RESOURCES: Final = "additional resources"
"""How what is deployed is called in decision records."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """One deployment that must look at Git now."""

    application: str
    commit: str
    considered: Considered

    @property
    def entity(self) -> str:
        """The runtime that it belongs to, with its kind."""
        whole = self.considered.trigger == MANIFESTS
        return f"{'DeploymentRuntime' if whole else 'ProjectPipelineRuntime'}/{self.considered.runtime}"


@dataclass(frozen=True, slots=True)
class Source:
    """What of a runtime is kept equal to Git, and from where."""

    runtime: str
    words: str
    """How it is called in decision records."""
    application: str
    repository: str
    revision: str
    path: str


def sources(catalog: ProductCatalog) -> Iterator[Source]:
    """Yield everything of a product that is deployed from its own repositories."""
    for declared in catalog.deployments.values():
        runtime, source = declared.manifest, declared.manifest.spec.manifest_source
        application = application_name(catalog.product, runtime.name)
        yield Source(
            runtime.name, MANIFESTS, application, source.code_repo, source.target_revision, source.path
        )
    for pipeline in catalog.pipelines.values():
        name, git = pipeline.manifest.name, pipeline.manifest.additional
        if git is not None and git.own_repo:
            application = application_name(catalog.product, name, ADDITIONAL)
            yield Source(name, ADDITIONAL_RESOURCES, application, git.own_repo, git.revision, git.path)


def deployments(
    delivery: Delivery, catalog: ProductCatalog, repository: str, facts: Facts
) -> Iterator[Considered]:
    """Yield each deployment of a product with the verdict; `run` names its application where it fired."""
    for source in sources(catalog):
        verdict = _judge(delivery, source, repository, facts)
        yield Considered(
            product=catalog.product,
            runtime=source.runtime,
            trigger=source.words,
            fired=verdict.fires,
            reason=verdict.reason,
            run=source.application if verdict.fires else "",
        )


def _judge(delivery: Delivery, source: Source, repository: str, facts: Facts) -> Verdict:
    objection = _objection(delivery, source, repository)
    if objection:
        return Verdict(fires=False, reason=objection)
    if facts.changed is None:
        return Verdict(fires=True, reason="which paths changed is not known")
    paths = [path for path in facts.changed if _lies_in(path, source.path)]
    if not paths:
        return Verdict(fires=False, reason=f"nothing changed under {source.path}")
    return Verdict(fires=True, reason=f"{len(paths)} changed under {source.path}, first {paths[0]}")


def _objection(delivery: Delivery, source: Source, repository: str) -> str:
    if source.repository != repository:
        return f"it deploys {source.repository}"
    if delivery.kind not in PUSHES:
        return f"it deploys what is pushed, and {delivery.event} pushes nothing"
    if delivery.deletes:
        return f"{delivery.ref} was deleted"
    if source.revision not in {delivery.revision, "HEAD"}:
        return f"it deploys revision {source.revision}, not {delivery.revision}"
    return ""


def _lies_in(path: str, folder: str) -> bool:
    prefix = folder.strip("/")
    return prefix in {"", "."} or path == prefix or path.startswith(f"{prefix}/")
