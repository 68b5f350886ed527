"""A pipeline engine in memory: it remembers what was started; tests play the part of what runs it."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nautes_domain import pointers
from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Rejected, Violation
from nautes_domain.hooks import PlacedHook
from nautes_domain.plan import Ref
from nautes_domain.queueing import Order
from nautes_domain.run_logs import LogLine, LogQuery, gone, no_such_part, not_yet
from nautes_domain.runs import REPORTED, TRACEPARENT, Marks, Progress, RunState, run_state

_Key = tuple[str, str]


class MemoryPipelineEngine:
    """Implements `capabilities.PipelineEngine`. Its pipeline files are JSON objects with `kind: Run`."""

    name = "memory"

    def __init__(self) -> None:
        self.runs: dict[_Key, Mapping[str, Any]] = {}
        """Runs by namespace and name."""
        self._progress: dict[_Key, Progress] = {}
        self._uids: dict[_Key, str] = {}
        self._written: dict[_Key, list[LogLine]] = {}
        self._count = itertools.count(1)
        self._told: list[RunState] = []
        self._changed = asyncio.Condition()

    def takes_hooks(self) -> bool:
        """Say that it takes hooks."""
        return True

    def address(self, cluster: str, name: str, namespace: str) -> Ref:
        """Return where a run is."""
        return Ref(f"memory/{cluster}", "Run", name, namespace)

    def build(self, request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
        """Return the run; what the file says about name, namespace, account and labels is replaced."""
        try:
            document = json.loads(source)
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("kind") != "Run":
            broken = Violation(file, 1, "Run", "", "kind", "one-run", "the file is not exactly one run")
            raise Rejected("the pipeline file cannot be run", [broken], code="bad-pipeline")
        lost = list(pointers.missing(document, request.inputs))
        if lost:
            found = [Violation(file, 1, "Run", "", one, "input", f"nothing stands at {one}") for one in lost]
            raise Rejected("the pipeline file has no place for an input", found, code="bad-pipeline")
        document = pointers.replaced(document, request.inputs)
        return {
            **document,
            "name": request.name,
            "namespace": request.namespace,
            "account": request.account,
            "labels": dict(request.labels),
            "annotations": dict(request.annotations),
            "params": {**document.get("params", {}), **request.params},
            "held": request.held,
            "stopping": False,
            "before": [_hook(one) for one in request.hooks if not one.after],
            "after": [_hook(one) for one in request.hooks if one.after],
        }

    async def start(self, request: RunRequest, run: Mapping[str, Any]) -> bool:
        """Remember a run; False if it was there."""
        key = (request.namespace, request.name)
        if key in self.runs:
            return False
        if request.traceparent:
            run = {**run, "annotations": {**run["annotations"], TRACEPARENT: request.traceparent}}
        self.runs[key], self._uids[key] = run, str(next(self._count))
        await self._tell(key)
        return True

    async def follow(self) -> AsyncGenerator[RunState, None]:
        """Yield the state of every run, then of each that changes."""
        seen, present = len(self._told), [self._state(key) for key in self.runs]
        for state in present:
            if state is not None:
                yield state
        while True:
            async with self._changed:
                while len(self._told) <= seen:
                    await self._changed.wait()
            yield self._told[seen]
            seen += 1

    async def runs_of(self, product: str, runtime: str, namespace: str) -> Sequence[RunState]:
        """Return all runs of one runtime."""
        states = [self._state(key) for key in self.runs if key[0] == namespace]
        return [one for one in states if one is not None and (one.product, one.runtime) == (product, runtime)]

    async def steer(self, run: RunState, order: Order) -> bool:
        """Let a run go, stop or delete it; False if there is nothing to do."""
        key = (run.namespace, run.name)
        if self._uids.get(key) != run.uid:
            return False
        if order is Order.DELETE:
            await self.remove(*key)
            return True
        present = self._state(key)
        if present is None or present.phase.final or present.progress.stopping:
            return False
        if order is Order.RELEASE and not present.progress.held:
            return False
        self.runs[key] = {**self.runs[key], "held": False, "stopping": order is Order.CANCEL}
        await self._tell(key)
        return True

    async def mark_reported(self, run: RunState) -> bool:
        """Remember the phase on the run; False if it is gone, or another of its name took its place."""
        key = (run.namespace, run.name)
        if self._uids.get(key) != run.uid:
            return False
        marked = {**self.runs[key]["annotations"], REPORTED: run.phase.value}
        self.runs[key] = {**self.runs[key], "annotations": marked}
        await self._tell(key)
        return True

    async def logs(self, run: RunState, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        """Yield the lines that were written, then those that are, until the run has ended."""
        key, seen = (run.namespace, run.name), 0
        while True:
            async with self._changed:
                if self._uids.get(key) != run.uid:
                    raise gone(run, "the run was deleted, and what it wrote went with it")
                written, present = self._written.get(key, []), self._state(key) or run
                if query.follow and len(written) == seen and not present.phase.final:
                    await self._changed.wait()
                    continue
            fresh = list(written[seen:])
            first, seen = not seen, seen + len(fresh)
            for line in _wanted(run, query, fresh) if first else fresh:
                if query.means(line.task, line.step):
                    yield line
            if not query.follow or (present.phase.final and not fresh):
                break
        if not seen:
            raise gone(run, "it ended without a step") if present.phase.final else not_yet(run)

    async def write(self, namespace: str, name: str, *lines: LogLine) -> None:
        """Play the part of what runs it: these lines were written."""
        async with self._changed:
            self._written.setdefault((namespace, name), []).extend(lines)
            self._changed.notify_all()

    async def move(self, namespace: str, name: str, progress: Progress) -> None:
        """Play the part of what runs it: the run got this far."""
        self._progress[namespace, name] = progress
        await self._tell((namespace, name))

    async def remove(self, namespace: str, name: str) -> None:
        """Delete a run."""
        key = (namespace, name)
        state = self._state(key)
        del self.runs[key], self._uids[key]
        self._progress.pop(key, None)
        self._written.pop(key, None)
        if state is not None:
            await self._say(state.removed())

    def _state(self, key: _Key) -> RunState | None:
        run = self.runs[key]
        marks = Marks(key[1], key[0], self._uids[key], run.get("labels", {}), run.get("annotations", {}))
        progress = self._progress.get(key, Progress())
        held, stopping = bool(run.get("held")), bool(run.get("stopping"))
        return run_state(marks, replace(progress, held=held, stopping=stopping))

    async def _tell(self, key: _Key) -> None:
        state = self._state(key)
        if state is not None:
            await self._say(state)

    async def _say(self, state: RunState) -> None:
        async with self._changed:
            self._told.append(state)
            self._changed.notify_all()


def _wanted(run: RunState, query: LogQuery, lines: Sequence[LogLine]) -> list[LogLine]:
    """Return of what was written already what is wanted, step after step."""
    steps: dict[tuple[str, str], list[LogLine]] = {}
    for line in lines:
        steps.setdefault((line.task, line.step), []).append(line)
    if steps and not any(query.means(*step) for step in steps) and not query.follow:
        raise no_such_part(run, query, list(steps))
    keep = [
        one if query.tail is None else one[len(one) - min(query.tail, len(one)) :] for one in steps.values()
    ]
    return [line for one in keep for line in one]


def _hook(placed: PlacedHook) -> Mapping[str, Any]:
    return {"hook": placed.kind.name, "label": placed.label, "values": dict(placed.values)}
