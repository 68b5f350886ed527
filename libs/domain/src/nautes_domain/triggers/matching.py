"""One delivery against all runtimes of a product."""

from collections.abc import Iterator
from dataclasses import dataclass

from nautes_domain.calendars import calendar_name
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import PUSHES, Delivery, DeliveryKind
from nautes_domain.manifests import EventSource, PipelineTrigger, ProjectPipelineRuntime
from nautes_domain.triggers.deployments import Refresh, deployments, sources
from nautes_domain.triggers.facts import Facts
from nautes_domain.triggers.runs import RunToStart, label, run_of
from nautes_domain.triggers.verdicts import judge, judge_calendar


@dataclass(frozen=True, slots=True)
class Match:
    """Everything that a delivery means for one product."""

    runs: tuple[RunToStart, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
    passed_over: tuple[Considered, ...] = ()

    @property
    def considered(self) -> tuple[Considered, ...]:
        """Every trigger and deployment with its verdict, those that fired first."""
        return (
            *(run.considered for run in self.runs),
            *(refresh.considered for refresh in self.refreshes),
            *self.passed_over,
        )


def match(delivery: Delivery, catalog: ProductCatalog, repository: str, facts: Facts) -> Match:
    """Hold a delivery from one of a product's repositories against all its runtimes.

    Every trigger and every deployment is considered, and each says why it fires or does not.
    """
    runs: list[RunToStart] = []
    passed_over: list[Considered] = []
    for runtime, trigger, source in _triggers(catalog):
        if delivery.kind is DeliveryKind.CALENDAR:
            verdict = judge_calendar(source, delivery, calendar_name(runtime.name, source.name))
        else:
            verdict = judge(source, delivery, facts, repository, pinned=bool(trigger.revision))
        if verdict.fires:
            runs.append(run_of(delivery, catalog, runtime, trigger, repository, verdict, facts))
        else:
            passed_over.append(
                Considered(
                    product=catalog.product,
                    runtime=runtime.name,
                    trigger=label(trigger),
                    fired=False,
                    reason=verdict.reason,
                    skipped=verdict.skipped,
                )
            )
    refreshes: list[Refresh] = []
    for considered in deployments(delivery, catalog, repository, facts):
        if considered.fired:
            refreshes.append(Refresh(considered.run, delivery.after, considered))
        else:
            passed_over.append(considered)
    return Match(tuple(runs), tuple(refreshes), tuple(passed_over))


def watches_paths(delivery: Delivery, catalog: ProductCatalog, repository: str) -> bool:
    """Say whether anything that may answer a delivery asks which paths it changed."""
    deploys = delivery.kind in PUSHES and any(source.repository == repository for source in sources(catalog))
    return deploys or any(
        source.gitlab is not None
        and source.gitlab.paths
        and source.gitlab.repo_name == repository
        and delivery.hook_event in source.gitlab.events
        for _, _, source in _triggers(catalog)
    )


def _triggers(
    catalog: ProductCatalog,
) -> Iterator[tuple[ProjectPipelineRuntime, PipelineTrigger, EventSource]]:
    """Yield every trigger of a valid product with its runtime and its event source."""
    for declared in catalog.pipelines.values():
        spec = declared.manifest.spec
        for trigger in spec.pipeline_triggers:
            source = next(one for one in spec.event_sources if one.name == trigger.event_source)
            yield declared.manifest, trigger, source
