"""A delivery against what is declared: which runs start, which deployments refresh, and why not the others. Pure.

A delivery happens once; the names of runs derive from its content, so that doing it twice makes one run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nautes_domain import names
from nautes_domain.capabilities import RunRequest
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.manifests import GitLabSource, PipelineTrigger, ProjectPipelineRuntime

HOOK_EVENTS = {DeliveryKind.PUSH: "push_events", DeliveryKind.TAG_PUSH: "tag_push_events"}


@dataclass(frozen=True, slots=True)
class RunToStart:
    """One run that a delivery asks for, and where its pipeline file is."""

    request: RunRequest
    cluster: str
    repository: str
    """Name of the repository in the product that holds the pipeline file."""
    path: str
    commit: str
    """The commit to read it at; empty when `revision` must be resolved first."""
    revision: str
    considered: Considered


@dataclass(frozen=True, slots=True)
class Refresh:
    """One deployment that must look at Git now."""

    application: str
    commit: str
    considered: Considered


@dataclass(frozen=True, slots=True)
class Match:
    """Everything that a delivery means for one product."""

    runs: tuple[RunToStart, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
    passed_over: tuple[Considered, ...] = ()


def match(
    delivery: Delivery, catalog: ProductCatalog, repository: str, changed: Sequence[str] | None
) -> Match:
    """Hold a delivery from one of a product's repositories against all its runtimes.

    `changed` are the paths that the push changed, None when they cannot be known: then path filters let
    it pass (a needless refresh does no harm, a missed one does).
    """
    runs: list[RunToStart] = []
    passed_over: list[Considered] = []
    for runtime in catalog.pipelines.values():
        environment = catalog.environments[runtime.manifest.spec.destination.environment]
        cluster = environment.manifest.spec.cluster
        for trigger in runtime.manifest.spec.pipeline_triggers:
            found = _consider(delivery, catalog, runtime.manifest, trigger, repository)
            if isinstance(found, Considered):
                passed_over.append(found)
            else:
                runs.append(_run(delivery, catalog.product, runtime.manifest, trigger, repository, cluster))
    refreshes: list[Refresh] = []
    for considered in _deployments(delivery, catalog, repository, changed):
        if considered.fired:
            refreshes.append(Refresh(considered.run, delivery.after, considered))
        else:
            passed_over.append(considered)
    return Match(tuple(runs), tuple(refreshes), tuple(passed_over))


def watches_paths(catalog: ProductCatalog, repository: str) -> bool:
    """Say whether anything asks which paths a push to the repository changed."""
    return any(
        one.manifest.spec.manifest_source.code_repo == repository for one in catalog.deployments.values()
    )


def matches_revision(pattern: str, name: str) -> bool:
    """Say whether a branch or tag name is meant by a pattern: exact, or a glob where `*` is any text."""
    return pattern in {"", name} or fnmatchcase(name, pattern)


def _consider(
    delivery: Delivery,
    catalog: ProductCatalog,
    runtime: ProjectPipelineRuntime,
    trigger: PipelineTrigger,
    repository: str,
) -> Considered | None:
    """Return why a trigger does not fire, None when it does."""
    source = next(one for one in runtime.spec.event_sources if one.name == trigger.event_source)
    reason = "its event source is a calendar"
    if source.gitlab is not None:
        reason = _why_not(delivery, source.gitlab, repository)
    if not reason:
        return None
    return Considered(
        product=catalog.product, runtime=runtime.name, trigger=_label(trigger), fired=False, reason=reason
    )


def _why_not(delivery: Delivery, source: GitLabSource, repository: str) -> str:
    """Return the first reason why an event source does not mean this delivery; empty when it does."""
    if source.repo_name != repository:
        return f"it listens to {source.repo_name}"
    event = HOOK_EVENTS.get(delivery.kind)
    if event not in source.events:
        return f"it listens to {', '.join(source.events)}, not to {delivery.event}"
    if delivery.deletes:
        return f"{delivery.ref} was deleted"
    name = delivery.branch or delivery.tag
    if not matches_revision(source.revision, name):
        return f"{name} does not match {source.revision}"
    if delivery.skip_ci:
        return "the push option ci.skip was given"
    return "" if delivery.checkout_sha else "the delivery names no commit"


def _label(trigger: PipelineTrigger) -> str:
    return f"{trigger.event_source}→{trigger.pipeline}"


def _run(
    delivery: Delivery,
    product: str,
    runtime: ProjectPipelineRuntime,
    trigger: PipelineTrigger,
    repository: str,
    cluster: str,
) -> RunToStart:
    pipeline = next(one for one in runtime.spec.pipelines if one.name == trigger.pipeline)
    identity = (product, delivery.content_key, trigger.event_source, trigger.pipeline, trigger.revision)
    name = names.run_name(runtime.name, *identity)
    same = runtime.spec.pipeline_source == repository and not trigger.revision
    short = delivery.branch or delivery.tag
    request = RunRequest(
        name=name,
        namespace=runtime.namespace,
        account=runtime.account,
        labels={
            "app.kubernetes.io/managed-by": "nautes",
            "nautes.io/product": product,
            "nautes.io/runtime": runtime.name,
            "nautes.io/pipeline": pipeline.name,
        },
        annotations={
            "nautes.io/cause": delivery.id,
            "nautes.io/project-id": str(delivery.project_id),
            "nautes.io/repository": delivery.project,
            "nautes.io/ref": delivery.ref,
            "nautes.io/commit": delivery.checkout_sha,
            "nautes.io/actor": delivery.actor,
        },
        params={"revision": delivery.checkout_sha, "ref": delivery.ref},
    )
    considered = Considered(
        product=product,
        runtime=runtime.name,
        trigger=_label(trigger),
        fired=True,
        reason=f"{delivery.event} on {short} of {repository}",
        run=name,
    )
    return RunToStart(
        request=request,
        cluster=cluster,
        repository=runtime.spec.pipeline_source,
        path=pipeline.path,
        commit=delivery.checkout_sha if same else "",
        revision=trigger.revision or short,
        considered=considered,
    )


def _deployments(
    delivery: Delivery, catalog: ProductCatalog, repository: str, changed: Sequence[str] | None
) -> Iterator[Considered]:
    for runtime in catalog.deployments.values():
        source = runtime.manifest.spec.manifest_source
        name = delivery.branch or delivery.tag
        if source.code_repo != repository:
            fired, reason = False, f"it deploys {source.code_repo}"
        elif delivery.deletes:
            fired, reason = False, f"{delivery.ref} was deleted"
        elif source.target_revision not in {name, "HEAD"}:
            fired, reason = False, f"it deploys revision {source.target_revision}, not {name}"
        elif changed is None:
            fired, reason = True, "which paths changed is not known"
        elif paths := [path for path in changed if _lies_in(path, source.path)]:
            fired, reason = True, f"{len(paths)} changed under {source.path}, first {paths[0]}"
        else:
            fired, reason = False, f"nothing changed under {source.path}"
        application = names.dotted(catalog.product, runtime.manifest.name)
        yield Considered(
            product=catalog.product,
            runtime=runtime.manifest.name,
            trigger="manifests",
            fired=fired,
            reason=reason,
            run=application if fired else "",
        )


def _lies_in(path: str, folder: str) -> bool:
    prefix = folder.strip("/")
    return prefix in {"", "."} or path == prefix or path.startswith(f"{prefix}/")
