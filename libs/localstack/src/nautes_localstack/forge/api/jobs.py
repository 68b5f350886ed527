"""Jobs, and what runners say of them. Sources: GitLab API, "Jobs" and "User runners"; lib/api/ci/runner.rb.

No runner belongs to this forge: whoever has a runner's token takes jobs, and plays them as it likes.
"""

import re
import secrets
from dataclasses import replace
from typing import Any, Final

from starlette.responses import PlainTextResponse, Response

from nautes_localstack.forge.api import ci_views
from nautes_localstack.forge.api.answers import Problem, bad_request, created, forbidden, gone, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.hosting import digest
from nautes_localstack.forge.records import Job, Pipeline, Project, Runner
from nautes_localstack.forge.rights import Level

_RANGE: Final = re.compile(r"(\d{1,12})-(\d{1,12})\Z")


async def get_job(call: Call) -> dict[str, Any]:
    """Return a job."""
    project, job, pipeline = _job(call)
    return ci_views.job(job, pipeline, call.host.place(project))


async def trace(call: Call) -> Response:
    """Return what a job wrote so far."""
    _, job, _ = _job(call)
    return PlainTextResponse(job.trace)


async def create_runner(call: Call) -> Response:
    """Make a runner: for all projects by administrators, for one by its maintainers. Its token is shown this once."""
    kind = call.text("runner_type")
    if kind not in ("instance_type", "project_type"):
        raise bad_request("runner_type does not have a valid value")
    project_id = 0
    if kind == "instance_type":
        call.admin()
    else:
        project_id = replace(call, path={"id": call.text("project_id")}).project(Level.MAINTAINER).id
    token, runners = f"glrt-{secrets.token_urlsafe(20)}", call.store.runners
    runner = runners.put(
        Runner(
            id=runners.next_id(),
            project_id=project_id,
            description=call.text("description", ""),
            digest=digest(token),
            created_at=call.host.now(),
        )
    )
    return created({"id": runner.id, "token": token, "token_expires_at": None})


async def request_job(call: Call) -> Response:
    """Give a runner a job; 204 if none waits."""
    wanted = digest(call.text("token", ""))
    runner = call.store.runners.first(lambda one: one.digest == wanted)
    if runner is None:
        raise forbidden()
    taken = call.services.pipelines.take(runner)
    if taken is None:
        return gone()
    job, token = taken
    pipeline, project = call.store.pipelines.get(job.pipeline_id), call.store.projects.get(job.project_id)
    if pipeline is None or project is None:  # deleted with their jobs
        return gone()
    return created(ci_views.work(job, pipeline, call.host.place(project), token))


async def update_job(call: Call) -> Response:
    """Take a runner's word for how a job ended; what has ended already is not changed."""
    job = _own_job(call, call.text("token", ""))
    state = call.text("state")
    if state not in ("running", "success", "failed"):
        raise bad_request("state does not have a valid value")
    if state != "running":
        call.services.pipelines.finish(job, state, call.text("failure_reason", ""))
    return Response("200", 200)


async def append_trace(call: Call) -> Response:
    """Append to what a job wrote; the range says where it begins, and 416 how much is there."""
    job = _own_job(call, call.headers.get("job-token", ""))
    found = _RANGE.match(call.headers.get("content-range", ""))
    if found is None:
        raise bad_request("Missing header Content-Range")
    if int(found[1]) != len(job.trace.encode()):
        raise Problem(416, {"message": "416 Range Not Satisfiable"})
    text = str(call.body.get("text", ""))
    grown = call.store.jobs.change(job, trace=job.trace + text)
    headers = {"Job-Status": job.status, "Range": f"0-{len(grown.trace.encode())}"}
    return Response("0", 202, headers=headers)


def _job(call: Call) -> tuple[Project, Job, Pipeline]:
    project = call.project(Level.REPORTER)
    job = call.store.jobs.get(call.number("job", "Job"))
    pipeline = None if job is None else call.store.pipelines.get(job.pipeline_id)
    if job is None or pipeline is None or job.project_id != project.id:
        raise not_found("Job")
    return project, job, pipeline


def _own_job(call: Call, token: str) -> Job:
    """Return the job that a runner took and that still runs."""
    job = call.store.jobs.get(call.number("job", "Job"))
    if job is None or not token or job.token != digest(token):
        raise forbidden()
    if job.status != "running":
        raise Problem(403, {"message": f"403 Forbidden  - Job is not running: {job.status}"})
    return job


ROUTES: Final = (
    Route("GET projects/:id/jobs/:job", get_job),
    Route("GET projects/:id/jobs/:job/trace", trace),
    Route("POST user/runners", create_runner),
    Route("POST jobs/request", request_job, of_runners=True),
    Route("PUT jobs/:job", update_job, of_runners=True),
    Route("PATCH jobs/:job/trace", append_trace, of_runners=True),
)
