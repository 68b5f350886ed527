"""The run that a trigger asks for: its name, its place, and where its pipeline file is read."""

from dataclasses import dataclass, replace

from nautes_domain import names
from nautes_domain import runs as marks
from nautes_domain.capabilities import RunRequest
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import Delivery
from nautes_domain.manifests import PipelineTrigger, ProjectPipelineRuntime
from nautes_domain.triggers.verdicts import Verdict


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


def label(trigger: PipelineTrigger) -> str:
    """Return a trigger in words for people."""
    return f"{trigger.event_source}→{trigger.pipeline}"


def run_of(
    delivery: Delivery,
    catalog: ProductCatalog,
    runtime: ProjectPipelineRuntime,
    trigger: PipelineTrigger,
    repository: str,
    verdict: Verdict,
) -> RunToStart:
    """Return the run for a trigger that fires. Its name derives from the content of the delivery and the trigger."""
    pipeline = next(one for one in runtime.spec.pipelines if one.name == trigger.pipeline)
    own = runtime.spec.pipeline_source == repository
    request = _request(delivery, catalog.product, runtime, trigger, own=own)
    return RunToStart(
        request=request,
        cluster=catalog.environments[runtime.spec.destination.environment].manifest.spec.cluster,
        repository=runtime.spec.pipeline_source,
        path=pipeline.path,
        commit=delivery.checkout_sha if own and not trigger.revision else "",
        revision=trigger.revision or delivery.revision,
        considered=Considered(
            product=catalog.product,
            runtime=runtime.name,
            trigger=label(trigger),
            fired=True,
            reason=verdict.reason,
            note=_notes(verdict, delivery, own=own),
            run=request.name,
        ),
    )


def built_at(run: RunToStart, project_id: int, project: str, commit: str) -> RunToStart:
    """Return a run that builds a commit of its pipeline repository, where the event named none; its name stays."""
    ref = f"refs/heads/{run.revision}"
    request = run.request
    annotations = {
        **request.annotations,
        marks.PROJECT_ID: str(project_id),
        marks.REPOSITORY: project,
        marks.REF: ref,
        marks.COMMIT: commit,
    }
    params = {**request.params, "revision": commit, "ref": ref}
    return replace(run, commit=commit, request=replace(request, annotations=annotations, params=params))


def _request(
    delivery: Delivery,
    product: str,
    runtime: ProjectPipelineRuntime,
    trigger: PipelineTrigger,
    *,
    own: bool,
) -> RunRequest:
    identity = (product, delivery.content_key, trigger.event_source, trigger.pipeline, trigger.revision)
    # Whoever pushes may change a pipeline file of that repository anyway, but none of another.
    variables = delivery.variables if own else {}
    return RunRequest(
        name=names.run_name(runtime.name, *identity),
        namespace=runtime.namespace,
        account=runtime.account,
        labels={
            "app.kubernetes.io/managed-by": "nautes",
            marks.PRODUCT: product,
            marks.RUNTIME: runtime.name,
            marks.PIPELINE: trigger.pipeline,
        },
        annotations={
            marks.CAUSE: delivery.id,
            marks.PROJECT_ID: str(delivery.project_id),
            marks.REPOSITORY: delivery.project,
            marks.REF: delivery.ref,
            marks.COMMIT: delivery.checkout_sha,
            marks.ACTOR: delivery.actor,
            marks.RECEIVED_AT: delivery.received_at.isoformat(),
            marks.GROUP: _group(delivery, trigger),
            **({marks.BRANCH: delivery.source_branch} if delivery.source_branch else {}),
            **({marks.QUEUED: "true"} if runtime.limits.holds else {}),
        },
        params={**variables, "revision": delivery.checkout_sha, "ref": delivery.ref},
        held=runtime.limits.holds,
    )


def _group(delivery: Delivery, trigger: PipelineTrigger) -> str:
    """Return what is the same for runs of one trigger about one branch, tag, merge request or issue."""
    about = delivery.ref or f"{delivery.kind}/{delivery.number}"
    project = f"{delivery.instance}/{delivery.project_id}"
    return names.digest(project, about, trigger.event_source, trigger.pipeline, trigger.revision)


def _notes(verdict: Verdict, delivery: Delivery, *, own: bool) -> str:
    if own or not delivery.variables:
        return verdict.note
    withheld = "push variables are not handed to a pipeline of another repository"
    return f"{verdict.note}; {withheld}" if verdict.note else withheld
