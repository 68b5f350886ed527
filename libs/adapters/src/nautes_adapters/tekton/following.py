"""The runs of one cluster as they come and change: a list, then watches that go on from it."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from nautes_adapters.kubernetes import Change, KubernetesClient
from nautes_adapters.kubernetes.errors import EXPIRED
from nautes_adapters.kubernetes.marks import FIELD_MANAGER, MANAGED_BY
from nautes_adapters.tekton.rules import KIND
from nautes_adapters.tekton.status import FAILED_TASK, failing_task, state_of
from nautes_domain.failures import Rejected, Retry
from nautes_domain.runs import RUNTIME, RunPhase, RunState

SELECTOR: Final = f"{MANAGED_BY}={FIELD_MANAGER},{RUNTIME}"
RUN_LABEL: Final = "tekton.dev/pipelineRun"
WINDOW: Final = 60
"""Seconds of one watch. A connection that died in silence is noticed when its window should have ended."""

_Key = tuple[str, str]


class Following:
    """One pass over the runs of a cluster. Keeps what is not finished, to tell what vanished between two lists."""

    def __init__(self, client: KubernetesClient, *, window: int = WINDOW, dashboard: str = "") -> None:
        self._client = client
        self._window = window
        self._dashboard = dashboard
        self._open: dict[_Key, RunState] = {}

    async def states(self) -> AsyncGenerator[RunState, None]:
        """Yield states without end: all of a list, then what changes; a watch that came too late lists again."""
        while True:
            listing = await self._client.listing(KIND, labels=SELECTOR)
            for state in self._listed(listing.items):
                yield await self._explained(state)
            try:
                async with aclosing(self._changes(listing.version)) as changes:
                    async for change in changes:
                        for state in self._changed(change):
                            yield await self._explained(state)
            except Retry as failure:
                if failure.code != EXPIRED:
                    raise

    async def _changes(self, since: str) -> AsyncGenerator[Change, None]:
        """Yield changes over one window after the other. Bookmarks only move on where the next begins."""
        while True:
            watch = self._client.watch(KIND, labels=SELECTOR, since=since, seconds=self._window)
            async with aclosing(watch) as window:
                async for change in window:
                    since = change.version
                    if change.kind != "BOOKMARK":
                        yield change

    def _listed(self, runs: list[dict[str, Any]]) -> Iterator[RunState]:
        states = (state_of(run, self._dashboard) for run in runs)
        found = {_key(state): state for state in states if state is not None}
        vanished = [state for key, state in self._open.items() if key not in found]
        self._open = {key: state for key, state in found.items() if not state.phase.final}
        yield from (state.removed() for state in vanished)
        yield from found.values()

    def _changed(self, change: Change) -> Iterator[RunState]:
        state = state_of(change.object, self._dashboard)
        if state is None:
            return
        if change.kind == "DELETED":
            state = state.removed()
        if state.phase.final:
            self._open.pop(_key(state), None)
        else:
            self._open[_key(state)] = state
        yield state

    async def _explained(self, state: RunState) -> RunState:
        """Say which task failed, if that is news: Tekton's own message only counts them."""
        if state.phase is not RunPhase.FAILED or state.progress.reason != FAILED_TASK or not state.is_news:
            return state
        labels = f"{RUN_LABEL}={state.name}"
        try:
            tasks: list[Mapping[str, Any]] = [
                *await self._client.list("TaskRun", state.namespace, labels=labels)
            ]
        except Rejected:
            return state
        words = failing_task(tasks)
        return replace(state, progress=replace(state.progress, message=words)) if words else state


def _key(state: RunState) -> _Key:
    return state.namespace, state.name
