"""Which deployments a push means: those of its repository and revision whose folder it changed."""

from collections.abc import Iterator
from dataclasses import dataclass

from nautes_domain import names
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import PUSHES, Delivery
from nautes_domain.manifests import DeploymentRuntime
from nautes_domain.triggers.facts import Facts
from nautes_domain.triggers.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Refresh:
    """One deployment that must look at Git now."""

    application: str
    commit: str
    considered: Considered


def deployments(
    delivery: Delivery, catalog: ProductCatalog, repository: str, facts: Facts
) -> Iterator[Considered]:
    """Yield each deployment of a product with the verdict; `run` names its application where it fired."""
    for declared in catalog.deployments.values():
        runtime = declared.manifest
        verdict = _judge(delivery, runtime, repository, facts)
        yield Considered(
            product=catalog.product,
            runtime=runtime.name,
            trigger="manifests",
            fired=verdict.fires,
            reason=verdict.reason,
            run=names.dotted(catalog.product, runtime.name) if verdict.fires else "",
        )


def _judge(delivery: Delivery, runtime: DeploymentRuntime, repository: str, facts: Facts) -> Verdict:
    source = runtime.spec.manifest_source
    objection = _objection(delivery, runtime, repository)
    if objection:
        return Verdict(fires=False, reason=objection)
    if facts.changed is None:
        return Verdict(fires=True, reason="which paths changed is not known")
    paths = [path for path in facts.changed if _lies_in(path, source.path)]
    if not paths:
        return Verdict(fires=False, reason=f"nothing changed under {source.path}")
    return Verdict(fires=True, reason=f"{len(paths)} changed under {source.path}, first {paths[0]}")


def _objection(delivery: Delivery, runtime: DeploymentRuntime, repository: str) -> str:
    source = runtime.spec.manifest_source
    if source.code_repo != repository:
        return f"it deploys {source.code_repo}"
    if delivery.kind not in PUSHES:
        return f"it deploys what is pushed, and {delivery.event} pushes nothing"
    if delivery.deletes:
        return f"{delivery.ref} was deleted"
    if source.target_revision not in {delivery.revision, "HEAD"}:
        return f"it deploys revision {source.target_revision}, not {delivery.revision}"
    return ""


def _lies_in(path: str, folder: str) -> bool:
    prefix = folder.strip("/")
    return prefix in {"", "."} or path == prefix or path.startswith(f"{prefix}/")
