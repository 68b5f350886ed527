"""Values that a trigger hands to its run: variables of the platform and of the event. Pure.

The names are those of the original (sections 1.11 and 4.9, steps 9 and 10).
"""

from collections.abc import Mapping
from typing import Final

from nautes_domain.catalog import ProductCatalog, TenantCatalog
from nautes_domain.events import Delivery
from nautes_domain.manifests import Pipeline, PipelineTrigger, ProjectPipelineRuntime
from nautes_domain.triggers.facts import Facts

DASHBOARD: Final = "PipelineDashBoardURL"
FILE: Final = "PipelineFilePath"
COMMIT: Final = "commitID"
REF: Final = "ref"

PROVIDER: Final = "gitlab"
"""What serves the repositories: rule A7 refuses anything else."""


def variables(
    delivery: Delivery,
    catalog: ProductCatalog,
    runtime: ProjectPipelineRuntime,
    trigger: PipelineTrigger,
    repository: str,
    facts: Facts,
) -> Mapping[str, str]:
    """Return every variable of a delivery, built-in ones and those of the event; what is not known is empty.

    `repository` is where the delivery came from; a calendar came from none.
    """
    pipeline = pipeline_of(runtime, trigger)
    cluster = catalog.cluster_of(runtime)
    told = delivery.hook_event != ""
    return {
        "EventSourceCodeRepoName": repository if told else "",
        "EventSourceCodeRepoURL": _url(catalog, repository, delivery.instance) if told else "",
        "ServiceAccount": runtime.account,
        "Namespace": runtime.namespace,
        "PipelineCodeRepoName": runtime.spec.pipeline_source,
        "PipelineCodeRepoURL": _url(catalog, runtime.spec.pipeline_source, delivery.instance),
        "PipelineRevision": trigger.revision or delivery.revision,
        FILE: pipeline.path,
        "ProviderType": PROVIDER,
        "CodeRepoProviderURL": delivery.instance,
        DASHBOARD: facts.dashboards.get(cluster, ""),
        "PipelineLabel": pipeline.label,
        REF: delivery.ref,
        COMMIT: delivery.checkout_sha,
        "source_branch": delivery.source_branch,
        "target_branch": delivery.target_branch,
        "state": delivery.state,
        "labels": ",".join(delivery.labels),
        "title": delivery.title,
    }


def chosen(trigger: PipelineTrigger) -> tuple[tuple[str, str], ...]:
    """Return (pointer into the run, variable) of every input of a trigger."""
    return tuple(
        (
            one.transmission_method.kustomization.path,
            one.source.built_in_var or one.source.from_event or "",
        )
        for one in trigger.inputs
    )


def pipeline_of(runtime: ProjectPipelineRuntime, trigger: PipelineTrigger) -> Pipeline:
    """Return the pipeline that a trigger of a valid runtime starts."""
    return next(one for one in runtime.spec.pipelines if one.name == trigger.pipeline)


def asks_for_dashboards(catalog: ProductCatalog) -> bool:
    """Say whether any trigger hands the address of a dashboard to its run, or hooks may want it."""
    return any(
        declared.manifest.spec.hooks is not None or variable == DASHBOARD
        for declared in catalog.pipelines.values()
        for trigger in declared.manifest.spec.pipeline_triggers
        for variable in ("", *(variable for _, variable in chosen(trigger)))
    )


def dashboards(tenant: TenantCatalog) -> Mapping[str, str]:
    """Return the address of each cluster's dashboard of pipelines: property `host` of its pipeline component."""
    hosts = {
        name: component.additions.get("host", "")
        for name, one in tenant.clusters.items()
        if (component := one.manifest.spec.components_list.pipeline) is not None
    }
    return {name: f"https://{host}" for name, host in hosts.items() if host}


def _url(catalog: ProductCatalog, repository: str, instance: str) -> str:
    """Return the address of a repository as declared, or else the one for clones over HTTP."""
    declared = catalog.repos.get(repository)
    if declared is not None and declared.manifest.spec.url:
        return declared.manifest.spec.url
    return f"{instance}/{catalog.product}/{repository}.git" if instance else ""
