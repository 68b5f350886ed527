"""The runs of a product as they stand on its clusters, and how one is stopped because somebody asks for it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nautes_domain.capabilities import PipelineEngine
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered, Result, result_of
from nautes_domain.failures import Failure
from nautes_domain.plan import Action, Verb
from nautes_domain.queueing import Order
from nautes_domain.runs import RunState
from nautes_reconciler.runs import Done


@dataclass(frozen=True, slots=True)
class Standing:
    """One run, and the cluster that it stands on."""

    run: RunState
    cluster: str


class StandingRuns:
    """Finds and stops runs. What others claim counts for nothing: only a runtime's own namespace is looked at."""

    def __init__(
        self, engine_on: Callable[[str], Awaitable[PipelineEngine]], clock: Callable[[], float]
    ) -> None:
        self._engine_on = engine_on
        self._clock = clock

    async def find(self, catalog: ProductCatalog, wanted: Callable[[RunState], bool]) -> Sequence[Standing]:
        """Return the wanted runs of a valid product."""
        found: list[Standing] = []
        for declared in catalog.pipelines.values():
            runtime = declared.manifest
            cluster = catalog.cluster_of(runtime)
            engine = await self._engine_on(cluster)
            runs = await engine.runs_of(catalog.product, runtime.name, runtime.namespace)
            found += [Standing(run, cluster) for run in runs if wanted(run)]
        return found

    async def stop(self, standing: Standing, command: str, because: str) -> Done:
        """Stop a run; nothing is done to one that has ended meanwhile."""
        run, began = standing.run, self._clock()
        engine = await self._engine_on(standing.cluster)
        considered = Considered(
            product=run.product,
            runtime=run.runtime,
            trigger=command,
            fired=True,
            reason=because,
            run=run.name,
        )
        ref = engine.address(standing.cluster, run.name, run.namespace)
        entity = f"ProjectPipelineRuntime/{run.runtime}"
        action = Action(Verb.UPDATE, ref, {"state": "as created"}, {"state": "stopping"}, because, entity)
        try:
            stopped = await engine.steer(run, Order.CANCEL)
        except Failure as failure:
            ended = considered.model_copy(update={"result": result_of(failure), "message": str(failure)})
            return Done(ended, action, failure=failure, seconds=self._clock() - began)
        ended = considered.model_copy(update={"result": Result.DONE if stopped else Result.ALREADY})
        return Done(ended, action, already=not stopped, seconds=self._clock() - began)
