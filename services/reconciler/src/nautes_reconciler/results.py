"""What became of a run, told beside the commit that it builds: once per phase, never backwards."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import CodeHost, CommitState, CommitStatus, PipelineEngine, description
from nautes_domain.effects import effect_of
from nautes_domain.events import Fact
from nautes_domain.failures import Rejected
from nautes_domain.plan import Action, Ref, Verb
from nautes_domain.reconcile import Outcome
from nautes_domain.runs import FACT_KIND, RunPhase, RunState, spent
from nautes_reconciler.discussing import Discussing, shown_action
from nautes_reconciler.records import Declarations
from nautes_runtime.bus import Bus
from nautes_runtime.tracing import remote, span

_STATES: Final = {
    RunPhase.PENDING: CommitState.PENDING,
    RunPhase.RUNNING: CommitState.RUNNING,
    RunPhase.SUCCEEDED: CommitState.SUCCESS,
    RunPhase.FAILED: CommitState.FAILED,
    RunPhase.CANCELLED: CommitState.CANCELED,
}


class Results:
    """Reports runs. Killed at any point, it says the same again and nothing twice.

    The order is status, effect record, mark on the run. What the code host shows already is not written
    again, and the record's id derives from what it says; so a report without its mark is made up for.
    """

    def __init__(
        self,
        code_host: CodeHost,
        declarations: Declarations,
        discussing: Discussing,
        bus: Bus,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._code_host = code_host
        self._declarations = declarations
        self._discussing = discussing
        self._bus = bus
        self._now = now
        self._clock = clock
        self._told: dict[tuple[str, str], str] = {}
        """What was told of a run that is ours, by cluster and uid: ahead of what a watch brings late."""

    async def report(self, cluster: str, engine: PipelineEngine, run: RunState, place: int = 0) -> bool:
        """Tell the code host of a run's phase if it is news; False if there was nothing to tell, or not by us.

        `place` is where it stands in the queue, 0 if it does not wait. It is told once: the code host refuses to
        set a status from pending to pending (GitLab, "Set commit pipeline status").
        Raises what the code host, the bus or the cluster raise. A refusal of the code host is recorded too.
        """
        key = (cluster, run.uid)
        if not run.is_news:
            if run.phase.final:  # our mark came back: a watch brings nothing older after it
                self._told.pop(key, None)
            return False
        late = not replace(run, reported=self._told.get(key, "")).is_news
        if late or not await self._is_ours(key, run):
            return False
        with span("report run", {"nautes.phase": run.phase.value}, within=remote(run.traceparent)):
            if not run.shows_itself:
                kind = engine.address(cluster, run.name, run.namespace).kind
                await self._tell(run, status_of(cluster, run, place, kind=kind))
            if run.merge_request:
                await self._discuss(run)
            await self._bus.state(fact_of(cluster, run))
            if await engine.mark_reported(run):
                self._told[key] = run.phase
            else:
                self._told.pop(key, None)
        return True

    async def _tell(self, run: RunState, wanted: CommitStatus) -> None:
        """Show the status, and record that it was shown."""
        began = self._clock()
        try:
            with span("commit status"):
                already = await self._show(run, wanted)
        except Rejected as refusal:
            await self._record(run, action_of(run, wanted), refusal, self._clock() - began)
            raise
        await self._record(run, action_of(run, wanted), None, self._clock() - began, already=already)

    async def _discuss(self, run: RunState) -> None:
        """Show the run beneath its merge request. Where that is refused, the status beside the commit has to do."""
        began, new = self._clock(), False
        refusal: Rejected | None = None
        try:
            with span("merge request note"):
                new = await self._discussing.show(run)
        except Rejected as refused:
            refusal = refused
        already = not new and refusal is None
        await self._record(run, shown_action(run), refusal, self._clock() - began, already=already)

    async def _is_ours(self, key: tuple[str, str], run: RunState) -> bool:
        """Hold what a run claims against what is declared, since a pipeline may create runs with any claim.

        The namespace must be that of a runtime of the product, on this cluster, and the project one of the
        product's. A run that passed once stays ours: its end counts when its runtime was withdrawn meanwhile.
        """
        project = await self._declarations.project(run.project_id)
        if project is None or project.group != run.product:
            return False
        if key in self._told:
            return True
        runtime = await self._declarations.runtime_on(key[0], run.product, run.runtime)
        return runtime is not None and runtime.namespace == run.namespace

    async def _show(self, run: RunState, wanted: CommitStatus) -> bool:
        """Set the status; True if it stood there already."""
        found = await self._code_host.status(run.project_id, run.commit, wanted.name, wanted.ref)
        if found is not None and found.state is wanted.state:
            # Of a run that waits, what counts is that it was told; its place changes.
            same = (
                run.name in found.description
                if run.progress.held
                else found.description == wanted.description
            )
            if same:
                return True
        await self._code_host.set_status(run.project_id, run.commit, wanted)
        return False

    async def _record(
        self,
        run: RunState,
        action: Action,
        refusal: Rejected | None,
        seconds: float,
        *,
        already: bool = False,
    ) -> None:
        effect = effect_of(
            Outcome(action, refusal, seconds),
            tenant=self._bus.tenant,
            service=self._bus.service,
            scope=names.scope("product", run.product),
            cause=run.cause,
            at=self._now(),
            already=already,
        )
        await self._bus.effect(effect)


def status_of(cluster: str, run: RunState, place: int = 0, *, kind: str = "PipelineRun") -> CommitStatus:
    """Return the status that a run's phase stands for; `place` is where it stands in the queue, from 1."""
    progress, which = run.progress, f"{kind} {run.name} on {cluster}"
    took = "" if progress.duration is None else spent(progress.duration)
    words = {
        RunPhase.PENDING: f"{which} waits for its turn, number {place} in the queue" if place else which,
        RunPhase.RUNNING: f"{which} is running",
        RunPhase.SUCCEEDED: f"{which} succeeded" + (f" in {took}" if took else ""),
    }.get(run.phase, f"{progress.why or run.phase.value} ({which}" + (f", after {took})" if took else ")"))
    return CommitStatus(_STATES[run.phase], f"nautes/{run.runtime}", description(words), run.ref, run.url)


_VERBS: Final = {RunPhase.PENDING: "queued", RunPhase.RUNNING: "started"}


def fact_of(cluster: str, run: RunState) -> Fact:
    """Return what is told of a run to whoever lists runs: the same whenever the same phase is told."""
    progress, cause = run.progress, run.cause
    why = "" if run.phase is RunPhase.SUCCEEDED else progress.why
    data = {
        "runtime": run.runtime,
        "pipeline": run.pipeline,
        "cluster": cluster,
        "namespace": run.namespace,
        "phase": run.phase.value,
        "words": why,
        "took": "" if progress.duration is None else spent(progress.duration),
        "url": run.url,
        "repository": cause.repository,
        "ref": cause.ref,
        "commit": cause.commit,
        "actor": cause.actor,
        "delivery": cause.delivery,
        "project_id": run.project_id,
        "created_at": run.created_at.isoformat() if run.created_at else None,
        "finished_at": progress.finished_at.isoformat() if progress.finished_at else None,
    }
    return Fact(
        kind=FACT_KIND,
        verb=_VERBS.get(run.phase, run.phase.value),
        scope=names.scope("product", run.product),
        name=run.name,
        by="reconciler",
        cause=cause,
        data=data,
    )


def action_of(run: RunState, status: CommitStatus) -> Action:
    """Return what is done to the code host, for the record: the same whenever the same phase is told."""
    ref = Ref("gitlab", "CommitStatus", status.name, f"{run.cause.repository}@{run.commit[:12]}")
    verb = Verb.CREATE if run.phase is RunPhase.PENDING else Verb.UPDATE
    # A place in the queue is no part of it: whoever tells of the run again may find it at another.
    said = run.name if run.progress.held else status.description
    after = {"state": status.state.value, "description": said, "ref": status.ref}
    return Action(verb, ref, None, after, status.description, f"ProjectPipelineRuntime/{run.runtime}")
