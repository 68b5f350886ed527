"""What runs write, for who may read it: the API server checks the caller, we reach the clusters.

Only runs in the namespace of a declared runtime are shown, and only if they build the project that the caller may
read. Nothing of it is kept: no record, no log line, no trace holds a line.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from nautes_domain import names
from nautes_domain.capabilities import PipelineEngine
from nautes_domain.catalog import ProductCatalog
from nautes_domain.failures import Rejected
from nautes_domain.manifests import ProjectPipelineRuntime
from nautes_domain.run_logs import GONE, LogLine, LogRequest
from nautes_domain.runs import RunState
from nautes_reconciler.records import Declarations


class ShownLogs:
    """Finds a run on its cluster and passes on what it wrote."""

    def __init__(
        self, declarations: Declarations, engine_on: Callable[[str], Awaitable[PipelineEngine]]
    ) -> None:
        self._declarations = declarations
        self._engine_on = engine_on

    async def lines(self, request: LogRequest) -> AsyncGenerator[LogLine, None]:
        """Yield the lines; see `capabilities.PipelineEngine.logs`. Blocked while the cluster is not registered."""
        found = await self._runtime(request)
        if found is None:
            raise _gone(request, f"{request.runtime} is not declared any more", None)
        catalog, runtime = found
        engine = await self._engine_on(catalog.cluster_of(runtime))
        run = await _run(engine, catalog, runtime, request)
        if run is None:
            raise _gone(request, "it is not on its cluster any more, and its pods went with it", runtime)
        try:
            async with aclosing(engine.logs(run, request.query)) as lines:
                async for line in lines:
                    yield line
        except Rejected as failure:
            if failure.code != GONE:
                raise
            raise _gone(request, failure.why, runtime) from None

    async def _runtime(self, request: LogRequest) -> tuple[ProductCatalog, ProjectPipelineRuntime] | None:
        if not names.is_label(request.product):
            return None
        snapshot = await self._declarations.snapshot(names.scope("product", request.product))
        if snapshot is None:
            return None
        catalog = self._declarations.parsed(snapshot)
        declared = catalog.pipelines.get(request.runtime)
        return None if declared is None else (catalog, declared.manifest)


async def _run(
    engine: PipelineEngine, catalog: ProductCatalog, runtime: ProjectPipelineRuntime, request: LogRequest
) -> RunState | None:
    """Return the run that is meant. What it builds stands on the run: another project's is not the caller's to read."""
    found = await engine.runs_of(catalog.product, runtime.name, runtime.namespace)
    same = (run for run in found if (run.name, run.project_id) == (request.run, request.project_id))
    return next(same, None)


def _gone(request: LogRequest, why: str, runtime: ProjectPipelineRuntime | None) -> Rejected:
    kept = runtime.spec.max_keep_runs if runtime is not None else None
    words = f"; {request.runtime} keeps its {kept} newest runs (`maxKeepRuns`)" if kept else ""
    return Rejected(
        f"{why}{words}",
        what=f"logs of {request.run}",
        next_step=f"run it again: nautes run retry {request.run}",
        code=GONE,
    )
