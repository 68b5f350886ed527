"""Pipelines: made of the configuration at a branch's or tag's head, moved on as their jobs end."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nautes_localstack.forge.ci import config, states
from nautes_localstack.forge.ci.config import Config, Invalid
from nautes_localstack.forge.ci.states import JobState
from nautes_localstack.forge.git.repository import Repository
from nautes_localstack.forge.hosting import Host, digest
from nautes_localstack.forge.records import Job, Pipeline, Project, Runner, Status, User

EXTERNAL_STAGE: Final = 1_000_000
"""Where GitLab puts statuses that others report (`GenericCommitStatus`, stage index)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pipeline is."""

    status: str
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


class Pipelines:
    """Keeps pipelines and their jobs. Raises Invalid where GitLab would not make a pipeline."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def create(self, project: Project, user: User, ref: str, variables: Mapping[str, str]) -> Pipeline:
        """Make a pipeline for the head of a branch or tag."""
        repository = self._host.repository(project)
        branch = await repository.resolve(f"refs/heads/{ref}")
        sha = branch or await repository.resolve(f"refs/tags/{ref}")
        if sha is None:
            raise Invalid("Reference not found")
        wanted = await _config(repository, sha, variables)
        store, now = self._host.store, self._host.now()
        with store.together():
            pipeline = store.pipelines.put(
                Pipeline(
                    id=store.pipelines.next_id(),
                    project_id=project.id,
                    sha=sha,
                    ref=ref,
                    tag=branch is None,
                    source="api",
                    name=wanted.name,
                    user_id=user.id,
                    variables=variables,
                    created_at=now,
                )
            )
            for job in wanted.jobs:
                store.jobs.put(
                    Job(
                        id=store.jobs.next_id(),
                        project_id=project.id,
                        pipeline_id=pipeline.id,
                        name=job.name,
                        stage=job.stage,
                        stage_index=wanted.stages.index(job.stage),
                        script=job.script,
                        tags=job.tags,
                        allow_failure=job.allow_failure,
                        created_at=now,
                    )
                )
            self._advance(pipeline.id)
        return pipeline

    def jobs(self, pipeline: Pipeline, *, retried: bool = False) -> list[Job]:
        """Return the jobs of a pipeline, with those that another took the place of if they are asked for."""
        return self._host.store.jobs.where(
            lambda one: one.pipeline_id == pipeline.id and (retried or not one.retried)
        )

    def progress(self, pipeline: Pipeline) -> Progress:
        """Return how far a pipeline is: its jobs, and what others report beside its commit."""
        jobs = self.jobs(pipeline)
        parts: list[Job | Status] = [*jobs]
        reported = self._host.store.statuses.where(lambda one: one.pipeline_id == pipeline.id)
        newest = {(one.name, one.ref): one for one in reported}.values()
        parts += newest
        status = states.composite(
            [*map(_state, jobs), *(JobState(one.id, EXTERNAL_STAGE, one.status) for one in newest)]
        )
        starts = [one.started_at for one in parts if one.started_at]
        ends = [one.finished_at for one in parts if one.finished_at]
        over = status in states.FINISHED
        return Progress(
            status,
            min(starts, default=None),
            max(ends, default=None) if over else None,
            max([pipeline.created_at, *starts, *ends, *(one.created_at for one in parts)]),
        )

    def cancel(self, pipeline: Pipeline) -> None:
        """Cancel what has not ended."""
        store, now = self._host.store, self._host.now()
        with store.together():
            for job in self.jobs(pipeline):
                if job.status in states.CANCELABLE:
                    store.jobs.change(job, status="canceled", finished_at=now)

    def retry(self, pipeline: Pipeline) -> None:
        """Make anew what failed or was cancelled, and what was skipped for it."""
        store, now = self._host.store, self._host.now()
        fresh: dict[str, Any] = {
            "status": "created", "failure_reason": "", "trace": "", "token": "", "runner_id": 0,
            "created_at": now, "started_at": None, "finished_at": None,
        }  # fmt: skip
        with store.together():
            for job in self.jobs(pipeline):
                if job.status in {"failed", "canceled"}:
                    store.jobs.change(job, retried=True)
                    store.jobs.put(job.model_copy(update={**fresh, "id": store.jobs.next_id()}))
                elif job.status == "skipped":
                    store.jobs.change(job, status="created", finished_at=None)
            self._advance(pipeline.id)

    def delete(self, pipeline: Pipeline) -> None:
        """Forget a pipeline with its jobs and statuses."""
        store = self._host.store
        with store.together():
            store.jobs.delete_where(lambda one: one.pipeline_id == pipeline.id)
            store.statuses.delete_where(lambda one: one.pipeline_id == pipeline.id)
            store.pipelines.delete(pipeline.id)

    def take(self, runner: Runner) -> tuple[Job, str] | None:
        """Give a runner the oldest job that waits for one, with the token to report by; None if none waits."""
        store = self._host.store
        waiting = store.jobs.first(
            lambda one: (
                one.status == "pending" and not one.retried and runner.project_id in {0, one.project_id}
            )
        )
        if waiting is None:
            return None
        token = f"glcbt-{secrets.token_urlsafe(20)}"
        taken = store.jobs.change(
            waiting, status="running", started_at=self._host.now(), token=digest(token), runner_id=runner.id
        )
        return taken, token

    def finish(self, job: Job, status: str, failure_reason: str) -> None:
        """End a job, and start what waited for it."""
        store = self._host.store
        with store.together():
            reason = failure_reason or "unknown_failure" if status == "failed" else ""
            store.jobs.change(job, status=status, failure_reason=reason, finished_at=self._host.now())
            self._advance(job.pipeline_id)

    def _advance(self, pipeline_id: int) -> None:
        jobs = self._host.store.jobs
        alive = jobs.where(lambda one: one.pipeline_id == pipeline_id and not one.retried)
        for number, status in states.moves(list(map(_state, alive))).items():
            job = jobs.get(number)
            if job is not None:
                jobs.change(job, status=status)


def _state(job: Job) -> JobState:
    return JobState(job.id, job.stage_index, job.status, allow_failure=job.allow_failure)


async def _config(repository: Repository, sha: str, variables: Mapping[str, str]) -> Config:
    """Return the configuration at a commit; what it includes comes first, and gives way."""
    main = await repository.blob(sha, config.FILE)
    if main is None:
        raise Invalid("Missing CI config file")
    own = config.load(main.content)
    whole: dict[str, Any] = {}
    for path in config.includes(own, variables):
        blob = await repository.blob(sha, path)
        if blob is None:
            raise Invalid(f"Local file `{path[:200]}` does not exist!")
        whole |= config.load(blob.content)
    return config.read({**whole, **own}, variables)
