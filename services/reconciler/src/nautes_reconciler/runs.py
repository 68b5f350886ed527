"""Runs and refreshes that a delivery asks for: done once each, with what became of them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from nautes_domain import patterns
from nautes_domain.capabilities import (
    SUPERSEDED,
    CodeHost,
    CommitState,
    CommitStatus,
    Deployer,
    Origin,
    PipelineEngine,
    RunRequest,
)
from nautes_domain.effects import Considered, Result, result_of
from nautes_domain.events import Delivery
from nautes_domain.failures import Blocked, Failure, Rejected
from nautes_domain.hooks import PlacedHook
from nautes_domain.plan import Action, Ref, Verb
from nautes_domain.snapshot import StartedRun
from nautes_domain.triggers import Match, Refresh, RunToStart, built_at, placed_hooks, run_of_file
from nautes_domain.validation import resources_of
from nautes_reconciler.pipeline_files import read_pipeline
from nautes_reconciler.records import Declarations
from nautes_reconciler.skipping import Skipping
from nautes_reconciler.started import StartedRuns
from nautes_runtime.tracing import header, span

MOST_FILES: Final = 20
"""Files that one pipeline may mean: each is a run."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one run or refresh."""

    considered: Considered
    action: Action | None
    """None if nothing was attempted because it could not even be prepared."""
    already: bool = False
    failure: Failure | None = None
    seconds: float = 0.0
    """Time from reading the pipeline file to the answer of the cluster."""


class Starter:
    """Starts runs and refreshes applications."""

    def __init__(
        self,
        code_host: CodeHost,
        declarations: Declarations,
        engine_on: Callable[[str], Awaitable[PipelineEngine]],
        deployer: Deployer,
        started: StartedRuns,
        clock: Callable[[], float],
    ) -> None:
        self._code_host = code_host
        self._declarations = declarations
        self._engine_on = engine_on
        self._deployer = deployer
        self._started = started
        self._clock = clock
        self._skipping = Skipping(code_host, clock)

    async def show_skips(self, found: Match, delivery: Delivery) -> list[Done]:
        """Say beside the pushed commit which runtimes were skipped; see `skipping`."""
        return [
            Done(considered, outcome.action, failure=outcome.failure, seconds=outcome.seconds)
            for considered, outcome in await self._skipping.show(delivery, found)
        ]

    async def start_all(self, runs: Iterable[RunToStart], delivery: Delivery) -> list[Done]:
        """Start runs one after the other, each of every file that its pipeline means."""
        return [one for run in runs for one in await self._start_files(run, delivery)]

    async def _start_files(self, run: RunToStart, delivery: Delivery) -> list[Done]:
        """Start a run of each file that a pipeline means: one, unless its path is a pattern."""
        if not patterns.means_files(run.path):
            return [await self.start(run, delivery)]
        try:
            with span("list pipeline files"):
                runs = await self._files(run, delivery)
        except Failure as failure:
            await self._refuse(run, delivery, failure)
            return [Done(_ended(run.considered, failure), None, failure=failure)]
        return [await self.start(one, delivery) for one in runs]

    async def start(self, run: RunToStart, delivery: Delivery) -> Done:
        """Read the pipeline file at its commit, build the run and create it under its account's rights."""
        action: Action | None = None
        began = self._clock()
        try:
            with span("reach cluster"):
                engine = await self._engine_on(run.cluster)
            file = f"{run.repository}/{run.path}"
            with span("read pipeline file"):
                request, source = await self._read(run, delivery, engine)
            with span("build run"):
                built = engine.build(request, source, file=file)
            ref = engine.address(run.cluster, request.name, request.namespace)
            entity = f"ProjectPipelineRuntime/{run.considered.runtime}"
            action = Action(Verb.CREATE, ref, None, built, run.considered.reason, entity)
            with span("create run", {"nautes.system": ref.system, "nautes.object": str(ref)}):
                created = await self._once(engine, replace(run, request=request), built, delivery)
        except Failure as failure:
            await self._refuse(run, delivery, failure)
            seconds = self._clock() - began
            return Done(_ended(run.considered, failure), action, failure=failure, seconds=seconds)
        seconds = self._clock() - began
        considered = _settled(run.considered, already=not created)
        return Done(considered, action, already=not created, seconds=seconds)

    async def _once(
        self, engine: PipelineEngine, run: RunToStart, built: Mapping[str, Any], delivery: Delivery
    ) -> bool:
        """Create the run unless it was there before; False if it was."""
        request = run.request
        if await self._started.knows(request.name):
            return False
        created = await engine.start(replace(request, traceparent=header()), built)
        started = StartedRun(cluster=run.cluster, namespace=request.namespace, delivery=delivery.id)
        await self._started.remember(request.name, started)
        return created

    async def refresh(self, refresh: Refresh) -> Done:
        """Make one application look at Git now."""
        spec = {"refreshed-commit": refresh.commit}
        ref = Ref("argocd", "Application", refresh.application, "argocd")
        action = Action(Verb.UPDATE, ref, None, spec, refresh.considered.reason, refresh.entity)
        began = self._clock()
        try:
            with span("refresh application"):
                asked = await self._deployer.refresh(refresh.application, refresh.commit)
        except Failure as failure:
            seconds = self._clock() - began
            return Done(_ended(refresh.considered, failure), action, failure=failure, seconds=seconds)
        considered = _settled(refresh.considered, already=not asked)
        return Done(considered, action, already=not asked, seconds=self._clock() - began)

    async def _read(
        self, run: RunToStart, delivery: Delivery, engine: PipelineEngine
    ) -> tuple[RunRequest, bytes]:
        """Return the request with its hooks and where its pipeline was read, and the pipeline."""
        placed, origin = await self._placed(run, delivery)
        source = await read_pipeline(self._code_host, origin)
        around = await self._hooks(placed, engine)
        return replace(placed.filled, origin=origin, hooks=around), source

    async def _hooks(self, run: RunToStart, engine: PipelineEngine) -> tuple[PlacedHook, ...]:
        if run.hooks is None:
            return ()
        present = resources_of(await self._declarations.tenant())
        return placed_hooks(run, engine.name, self._declarations.hooks, present)

    async def _placed(self, run: RunToStart, delivery: Delivery) -> tuple[RunToStart, Origin]:
        """Return where the file is. An event that names no commit builds the one that the file is read at."""
        if run.origin is not None:  # it was looked for before
            return run, run.origin
        if run.commit:  # the pipeline lies in the repository that was pushed to
            short = delivery.source_branch or run.revision
            return run, Origin(delivery.project_id, run.path, short, run.commit)
        project = (await self._declarations.projects()).get((run.considered.product, run.repository))
        if project is None:
            raise Blocked("its repository is not there yet", by=f"coderepo/{run.repository}")
        commit = await self._code_host.head(project.project_id, run.revision)
        if commit is None:
            raise Rejected(
                f"{project.path} has no branch {run.revision} to read {run.path} from",
                what=f"ProjectPipelineRuntime/{run.considered.runtime}",
                next_step=f"push the branch, or set the trigger's revision in {run.considered.runtime}",
                code="no-such-revision",
            )
        origin = Origin(project.project_id, run.path, run.revision, commit)
        if delivery.checkout_sha:
            return run, origin
        return built_at(run, project.project_id, project.path, commit), origin

    async def _files(self, run: RunToStart, delivery: Delivery) -> list[RunToStart]:
        """Return a run for each file that the run's path means, all at one commit."""
        placed, origin = await self._placed(run, delivery)
        folder = patterns.fixed_folder(run.path)
        present = await self._code_host.files(origin.project_id, origin.commit, folder)
        found = patterns.files_meant(run.path, present)
        if not 1 <= len(found) <= MOST_FILES:
            count = f"{len(found)} files, and at most {MOST_FILES} are run" if found else "no file"
            raise Rejected(
                f"{run.path} means {count} at {origin.commit[:12]}",
                what=f"ProjectPipelineRuntime/{run.considered.runtime}",
                next_step="add a file that it means, or mend the pipeline's path",
                code="too-many-files" if found else "no-such-file",
            )
        return [run_of_file(placed, replace(origin, path=path)) for path in found]

    async def _refuse(self, run: RunToStart, delivery: Delivery, failure: Failure) -> None:
        """Put a refusal beside the pushed commit. What will be tried again is not shown as final.

        What became of a run that was created is told by who follows it, `results`: two writers of one
        status would overtake each other.
        """
        if not isinstance(failure, Rejected) or not delivery.checkout_sha:
            return
        name, short = f"nautes/{run.considered.runtime}", delivery.source_branch or delivery.revision
        state = CommitState.SKIPPED if failure.code == SUPERSEDED else CommitState.FAILED
        status = CommitStatus(state, name, str(failure)[:250], ref=short)
        with span("commit status"):
            await self._code_host.set_status(delivery.project_id, delivery.checkout_sha, status)


def _settled(considered: Considered, *, already: bool) -> Considered:
    return considered.model_copy(update={"result": Result.ALREADY if already else Result.DONE})


def _ended(considered: Considered, failure: Failure) -> Considered:
    return considered.model_copy(update={"result": result_of(failure), "message": str(failure)})
