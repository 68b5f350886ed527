"""The run that a trigger asks for: its name, its place, and where its pipeline file is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from nautes_domain import names
from nautes_domain import runs as marks
from nautes_domain.capabilities import Origin, RunRequest
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import Delivery
from nautes_domain.manifests import Hooks, PipelineTrigger, ProjectPipelineRuntime
from nautes_domain.triggers import inputs
from nautes_domain.triggers.facts import Facts
from nautes_domain.triggers.verdicts import Verdict

LABEL: Final = "branch"
"""Under this label the original marks a run with the `label` of its pipeline (section 4.9, step 8)."""


@dataclass(frozen=True, slots=True)
class RunToStart:
    """One run that a delivery asks for, and where its pipeline file is."""

    request: RunRequest
    cluster: str
    repository: str
    """Name of the repository in the product that holds the pipeline file."""
    path: str
    """A file, or a pattern that means several."""
    commit: str
    """The commit to read it at; empty when `revision` must be resolved first."""
    revision: str
    considered: Considered
    origin: Origin | None = None
    """Where its pipeline file is; None while that was not looked for."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Every variable that may be handed to it; see `inputs`."""
    inputs: tuple[tuple[str, str], ...] = ()
    """Pointer into the run, and the variable whose value is put there."""
    hooks: Hooks | None = None
    """What its runtime puts around it."""

    @property
    def filled(self) -> RunRequest:
        """The request with the values of its inputs."""
        return replace(
            self.request, inputs={pointer: self.values.get(name, "") for pointer, name in self.inputs}
        )


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
    facts: Facts,
) -> RunToStart:
    """Return the run for a trigger that fires. Its name derives from the content of the delivery and the trigger."""
    pipeline = inputs.pipeline_of(runtime, trigger)
    own = runtime.spec.pipeline_source == repository
    request = _request(delivery, catalog.product, runtime, trigger, own=own)
    return RunToStart(
        request=request,
        cluster=catalog.cluster_of(runtime),
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
        values=inputs.variables(delivery, catalog, runtime, trigger, repository, facts),
        inputs=inputs.chosen(trigger),
        hooks=runtime.spec.hooks,
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
    return replace(
        run,
        commit=commit,
        request=replace(request, annotations=annotations, params=params),
        values={**run.values, inputs.COMMIT: commit, inputs.REF: ref},
    )


def run_of_file(run: RunToStart, origin: Origin) -> RunToStart:
    """Return the run of one of the files that a pattern means: a run of its own, with a queue place of its own."""
    request, path = run.request, origin.path
    annotations = {**request.annotations, marks.GROUP: names.digest(request.annotations[marks.GROUP], path)}
    name = names.run_name(run.considered.runtime, request.name, path)
    return replace(
        run,
        path=path,
        origin=origin,
        request=replace(request, name=name, annotations=annotations),
        values={**run.values, inputs.FILE: path},
        considered=run.considered.model_copy(
            update={"run": name, "reason": f"{run.considered.reason}; {path}"}
        ),
    )


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
            LABEL: inputs.pipeline_of(runtime, trigger).label,
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
