"""GitLab CI as the pipeline engine of one cluster: GitLab makes and schedules pipelines, the cluster carries its runners."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from nautes_adapters.gitlab.api import GitLabApi, quoted
from nautes_adapters.gitlab.ci.logs import PipelineLogs
from nautes_adapters.gitlab.ci.pipelines import Following, Pipelines, Projects
from nautes_adapters.gitlab.ci.run import RUN, body, build
from nautes_adapters.gitlab.ci.status import may_be_cancelled, place, reported_name, state_of
from nautes_adapters.gitlab.errors import Refused
from nautes_domain.capabilities import SUPERSEDED, RunRequest
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Ref
from nautes_domain.queueing import Order
from nautes_domain.run_logs import LogLine, LogQuery
from nautes_domain.runs import RunState

PAUSE: Final = 5.0
"""Seconds between two looks at a project's pipelines."""
HORIZON: Final = timedelta(days=2)
"""How long after its last change a pipeline is still looked at by who begins to follow."""

Claim = Callable[[str], AbstractAsyncContextManager[Any]]
"""Holds a key over all replicas; raises Retry while another does."""


class GitLabCiEngine:
    """Implements `capabilities.PipelineEngine`; decision 23 says how it starts a pipeline once."""

    name = "gitlab-ci"

    def __init__(
        self,
        api: GitLabApi,
        cluster: str,
        projects: Projects,
        claim: Claim,
        now: Callable[[], datetime],
        *,
        pause: float = PAUSE,
    ) -> None:
        self._api = api
        self._cluster = cluster
        self._projects = projects
        self._claim = claim
        self._now = now
        self._pause = pause
        self._pipelines = Pipelines(api)

    def takes_hooks(self) -> bool:
        """Say that it takes none: GitLab reads the pipeline file by itself, so nothing can be put around it."""
        return False

    def address(self, cluster: str, name: str, namespace: str) -> Ref:  # noqa: ARG002 - the code host runs it
        """Return where a run is."""
        return Ref("gitlab", "Pipeline", name, namespace)

    def build(self, request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
        """Return the pipeline to ask for; see `run.build`."""
        return build(request, source, file=file, cluster=self._cluster)

    async def start(self, request: RunRequest, run: Mapping[str, Any]) -> bool:
        """Have GitLab make the pipeline. False if one of this name is there.

        Whoever holds the claim looks before it creates; so one that was killed in between is made up for, and
        one that was killed after is found. Should a claim have been lost, of two pipelines the first counts.
        Rejected (code `superseded`) if the branch has moved on: GitLab builds heads only.
        """
        async with self._claim(f"run.{request.name}"):
            if await self._named(run):
                return False
            await self._check_head(run)
            made = await self._create(request, run)
            key = f"{run['project_id']}/{made['id']}"
            if made["sha"] != run["sha"]:
                await self._cancel(key)
                raise _superseded(run)
            first = min(await self._named(run), default=int(made["id"]))
            if first != made["id"]:
                await self._cancel(key)
            return bool(first == made["id"])

    def follow(self) -> AsyncGenerator[RunState, None]:
        """Yield the state of every run of ours, then of each that changes; see `pipelines.Following`."""
        since = (self._now() - HORIZON).strftime("%Y-%m-%dT%H:%M:%SZ")
        pause = partial(asyncio.sleep, self._pause)
        return Following(self._pipelines, self._projects, since, pause).states()

    async def runs_of(self, product: str, runtime: str, namespace: str) -> Sequence[RunState]:
        """Return all runs of one runtime that GitLab still has."""
        found: dict[str, RunState] = {}
        for project_id in sorted(await self._projects()):
            for row in await self._pipelines.rows(project_id):
                listed = state_of(row, await self._pipelines.variables(row))
                if listed is None or listed.name in found:
                    continue
                if (listed.product, listed.runtime, listed.namespace) != (product, runtime, namespace):
                    continue
                state = await self._pipelines.state(row)
                if state is not None:
                    found[state.name] = state
        return list(found.values())

    async def steer(self, run: RunState, order: Order) -> bool:
        """Cancel or delete a pipeline; there is nothing to release. GitLab lets owners of a project delete."""
        if order is Order.RELEASE:
            return False
        found = await self._api.get(place(run.uid))
        if found is None:
            return False
        if order is Order.DELETE:
            await self._api.delete(place(run.uid))
            return True
        if not may_be_cancelled(found):
            return False
        await self._cancel(run.uid)
        return True

    async def mark_reported(self, run: RunState) -> bool:
        """Write the phase into the pipeline's name (GitLab API, "Update pipeline metadata", since 16.6)."""
        try:
            await self._api.put(f"{place(run.uid)}/metadata", {"name": reported_name(run.name, run.phase)})
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    def logs(self, run: RunState, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        """Yield what the jobs wrote; see `logs`."""
        return PipelineLogs(self._api, run, query, partial(asyncio.sleep, self._pause)).lines()

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _named(self, run: Mapping[str, Any]) -> list[int]:
        """Return the ids of the pipelines that have the run's name, at its commit."""
        name = run["variables"][RUN]
        return [
            int(row["id"])
            for row in await self._pipelines.rows(run["project_id"], sha=run["sha"])
            if (await self._pipelines.variables(row)).get(RUN) == name
        ]

    async def _check_head(self, run: Mapping[str, Any]) -> None:
        path = f"/projects/{run['project_id']:d}/repository/commits/{quoted(run['ref'])}"
        found = await self._api.get(path)
        if found is None or found["id"] != run["sha"]:
            raise _superseded(run)

    async def _create(self, request: RunRequest, run: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._api.post(
                f"/projects/{run['project_id']:d}/pipeline", body(run, request.traceparent)
            )
        except Refused as refused:
            account = await self._pipelines.account()
            if refused.status == 404:
                raise Blocked(
                    f"{account} is no member of the project with the pipeline file",
                    by=f"member/{account}",
                    what=f"project {run['project_id']}",
                    code="not-a-member",
                ) from None
            raise Rejected(
                f"GitLab makes no pipeline of it: {refused.answer}",
                what=f"pipeline file {request.origin.path}",
                who="owners of the pipeline file",
                next_step="mend it, and check it with GitLab's pipeline editor",
                code="pipeline-file",
            ) from None

    async def _cancel(self, key: str) -> None:
        await self._api.post(f"{place(key)}/cancel", {})


def _superseded(run: Mapping[str, Any]) -> Rejected:
    return Rejected(
        f"{run['ref']} has moved on from {run['sha'][:12]}, and GitLab CI builds heads only",
        what=f"Pipeline/{run['variables'][RUN]}",
        who="nobody: the push after it is built",
        code=SUPERSEDED,
    )
