"""A runner of the forge that does what tests say, and a project with a CI configuration."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from nautes_adapters.gitlab.api import GitLabApi
from nautes_adapters.gitlab.ci import GitLabCiEngine
from nautes_adapters.gitlab.ci.status import place
from nautes_domain.capabilities import Origin, RunRequest
from nautes_domain.runs import RunPhase
from support.forge import Forge
from support.gitlab_cases import ForgeWorld

FILE = b"""\
stages: [test]
variables: {branch: main}
unit:
  stage: test
  script: ["echo $revision"]
"""


class Runner:
    """Speaks GitLab's protocol for runners (lib/api/ci/runner.rb)."""

    def __init__(self, forge: Forge, project_id: int) -> None:
        self._root = forge.token
        self._project = project_id
        self._client = httpx.AsyncClient(base_url=f"{forge.url}/api/v4/", trust_env=False)
        self._token = ""

    async def take(self) -> dict[str, Any]:
        """Take the job that has waited longest."""
        if not self._token:
            made = await self._client.post(
                "user/runners",
                json={"runner_type": "project_type", "project_id": self._project},
                headers={"PRIVATE-TOKEN": self._root},
            )
            self._token = made.raise_for_status().json()["token"]
        answer = await self._client.post("jobs/request", json={"token": self._token})
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def write(self, job: dict[str, Any], text: str, *, start: int = 0) -> int:
        """Append to what a job wrote; return the status of the answer."""
        headers = {
            "JOB-TOKEN": job["token"],
            "Content-Range": f"{start}-{start + len(text.encode())}",
            "Content-Type": "text/plain",
        }
        path = f"jobs/{job['id']}/trace"
        return (await self._client.patch(path, content=text.encode(), headers=headers)).status_code

    async def finish(self, job: dict[str, Any], state: str, reason: str = "") -> int:
        """End a job; return the status of the answer."""
        body = {"token": job["token"], "state": state, "failure_reason": reason}
        return (await self._client.put(f"jobs/{job['id']}", json=body)).status_code

    async def close(self) -> None:
        await self._client.aclose()


class Claims:
    """Stands for the locks of one replica: what is held is refused to nobody, since there is nobody else."""

    def __init__(self) -> None:
        self.held: list[str] = []

    def __call__(self, key: str) -> AbstractAsyncContextManager[None]:
        return self._hold(key)

    @asynccontextmanager
    async def _hold(self, key: str) -> AsyncIterator[None]:
        self.held.append(key)
        yield


_FOLDERS = itertools.count(1)


@dataclass
class CiWorld:
    """An engine over a project of its own, whose head holds the configuration."""

    engine: GitLabCiEngine
    api: GitLabApi
    runner: Runner
    project_id: int
    origin: Origin
    world: ForgeWorld
    project: Any
    claims: Claims
    taken: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The job that is being played, by pipeline."""

    async def pipelines(self) -> list[dict[str, Any]]:
        """The pipelines of the project, oldest first."""
        rows = await self.api.rows(f"/projects/{self.project_id}/pipelines", sort="asc")
        return [dict(row) for row in rows]

    async def variables(self, pipeline: int) -> dict[str, str]:
        """The variables of a pipeline."""
        rows = await self.api.rows(f"{place(f'{self.project_id}/{pipeline}')}/variables")
        return {row["key"]: row["value"] for row in rows}

    async def numbered(self, request: RunRequest) -> int:
        """The newest pipeline of a run."""
        for row in reversed(await self.pipelines()):
            if (await self.variables(row["id"])).get("NAUTES_RUN") == request.name:
                return int(row["id"])
        raise AssertionError(f"there is no {request.name}")

    async def started(self) -> list[str]:
        """The names of all runs."""
        return [(await self.variables(row["id"]))["NAUTES_RUN"] for row in await self.pipelines()]

    async def move(self, request: RunRequest, phase: RunPhase) -> None:
        """Play the part of the runner, or of who cancels."""
        pipeline = await self.numbered(request)
        if phase is RunPhase.CANCELLED:
            await self.api.post(f"/projects/{self.project_id}/pipelines/{pipeline}/cancel", {})
            return
        if pipeline not in self.taken:
            self.taken[pipeline] = await self.runner.take()
        if phase is RunPhase.SUCCEEDED:
            await self.runner.finish(self.taken[pipeline], "success")
        elif phase is RunPhase.FAILED:
            await self.runner.finish(self.taken[pipeline], "failed", "script_failure")

    async def remove(self, request: RunRequest) -> None:
        """Delete the pipeline of a run."""
        await self.api.delete(f"/projects/{self.project_id}/pipelines/{await self.numbered(request)}")

    async def push(self, files: dict[str, bytes | None]) -> str:
        """Push to main, and make its head where pipelines come from."""
        commit = await self.world.commit(self.project, "main", files)
        self.origin = Origin(self.project_id, ".gitlab-ci.yml", "main", commit)
        return commit


@asynccontextmanager
async def ci_world(forge: Forge, folder: Path) -> AsyncIterator[CiWorld]:
    """Make a project with a configuration, and the engine of cluster build-east on it."""
    home = folder / f"ci{next(_FOLDERS)}"
    home.mkdir()
    world, claims, api = ForgeWorld(forge, home), Claims(), GitLabApi(forge.url, forge.token)
    project = await world.add_project()

    async def projects() -> list[int]:
        return [project.id]

    engine = GitLabCiEngine(api, "build-east", projects, claims, lambda: datetime.now(UTC), pause=0.05)
    found = CiWorld(engine, api, Runner(forge, project.id), project.id, Origin(), world, project, claims)
    await found.push({".gitlab-ci.yml": FILE})
    try:
        yield found
    finally:
        await found.runner.close()
        await engine.close()
        await world.host.close()
