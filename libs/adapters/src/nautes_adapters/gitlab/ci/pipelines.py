"""The pipelines of some projects that one account made through the API, with what they say of themselves."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from nautes_adapters.gitlab.api import GitLabApi, Json
from nautes_adapters.gitlab.ci.status import failed_job, place, state_of, uid
from nautes_domain.runs import RunPhase, RunState

MOST_KNOWN: Final = 5_000
"""Pipelines whose variables are remembered; they never change."""

Projects = Callable[[], Awaitable[Collection[int]]]
"""Gives the projects whose pipelines are looked at."""


class Pipelines:
    """Reads pipelines. Only those of our own account count, so that nobody else can claim to be a run of ours."""

    def __init__(self, api: GitLabApi) -> None:
        self._api = api
        self._known: dict[str, Mapping[str, str]] = {}
        self._account = ""

    async def account(self) -> str:
        """Return the name of the account that the token belongs to."""
        if not self._account:
            found = await self._api.get("/user")
            self._account = str(found["username"]) if found else ""
        return self._account

    async def rows(self, project_id: int, **filters: str) -> list[Json]:
        """Return our pipelines of a project, oldest first."""
        username = await self.account()
        path = f"/projects/{project_id:d}/pipelines"
        found = await self._api.rows(
            path, source="api", username=username, order_by="id", sort="asc", **filters
        )
        return [{**row, "project_id": project_id} for row in found]

    async def variables(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the variables of a pipeline."""
        key = uid(row)
        if key not in self._known:
            found = await self._api.rows(f"{place(key)}/variables")
            self._known[key] = {str(one["key"]): str(one["value"]) for one in found}
            while len(self._known) > MOST_KNOWN:
                self._known.pop(next(iter(self._known)))
        return self._known[key]

    async def state(self, row: Mapping[str, Any]) -> RunState | None:
        """Return a pipeline as it is now; None if it is gone, or no run of ours."""
        variables = await self.variables(row)
        found = await self._api.get(place(uid(row)))
        if found is None:
            return None
        whole = {**found, "project_id": row["project_id"]}
        state = state_of(whole, variables)
        if state is None or state.phase is not RunPhase.FAILED:
            return state
        jobs = await self._api.rows(f"{place(state.uid)}/jobs", **{"scope[]": "failed"})
        return state_of(whole, variables, failed_job(jobs))

    async def exists(self, key: str) -> bool:
        """Say whether a pipeline is still there."""
        return await self._api.get(place(key)) is not None


class Following:
    """One pass over the pipelines of some projects without end. Keeps what is not finished, to tell what vanished."""

    def __init__(
        self,
        pipelines: Pipelines,
        projects: Projects,
        since: str,
        pause: Callable[[], Awaitable[None]],
    ) -> None:
        self._pipelines = pipelines
        self._projects = projects
        self._since: dict[int, str] = {}
        self._start = since
        self._pause = pause
        self._seen: dict[str, tuple[str, str, str]] = {}
        self._open: dict[str, RunState] = {}
        self._first: dict[tuple[str, str], str] = {}

    async def states(self) -> AsyncGenerator[RunState, None]:
        """Yield the state of every run, then of each that changed since the look before."""
        while True:
            for project_id in sorted(await self._projects()):
                async for state in self._look(project_id):
                    yield state
            async for state in self._vanished():
                yield state
            await self._pause()

    async def _look(self, project_id: int) -> AsyncGenerator[RunState, None]:
        since = self._since.get(project_id, self._start)
        for row in await self._pipelines.rows(project_id, updated_after=since):
            key, version = uid(row), (str(row["status"]), str(row["updated_at"]), str(row.get("name") or ""))
            # What changed within the same moment would be missed by a strict comparison: that moment is asked for again.
            self._since[project_id] = max(self._since.get(project_id, ""), _before(str(row["updated_at"])))
            if self._seen.get(key) == version:
                continue
            state = await self._pipelines.state(row)
            if state is None:
                continue
            self._seen[key] = version
            if self._first.setdefault((state.namespace, state.name), key) != key:
                continue  # made twice while a claim was lost: the first one counts
            if state.phase.final:
                self._open.pop(key, None)
            else:
                self._open[key] = state
            yield state

    async def _vanished(self) -> AsyncGenerator[RunState, None]:
        for key, state in list(self._open.items()):
            if not await self._pipelines.exists(key):
                del self._open[key]
                self._first.pop((state.namespace, state.name), None)
                yield state.removed()


def _before(moment: str) -> str:
    """Return the second before a time as GitLab writes it (`2026-05-04T02:00:11.123Z`): its whole second, for `after`."""
    return f"{moment[:19]}Z" if len(moment) > 19 else moment
