"""Pipelines and jobs as GitLab shows them. Pure. Source: the example answers of "Pipelines API" and "Jobs API"."""

from typing import Any

from nautes_localstack.forge.api.views import Json, moment, user_basic
from nautes_localstack.forge.git.parsing import ZERO
from nautes_localstack.forge.hooks.payloads import Place
from nautes_localstack.forge.pipelines import Progress
from nautes_localstack.forge.records import Job, Pipeline, User


def pipeline_row(shown: Pipeline, progress: Progress, place: Place) -> Json:
    """Return what lists show of a pipeline."""
    return {
        "id": shown.id,
        "iid": shown.id,
        "project_id": shown.project_id,
        "status": progress.status,
        "source": shown.source,
        "ref": shown.ref,
        "sha": shown.sha,
        "name": shown.name or None,
        "web_url": f"{place.web_url}/-/pipelines/{shown.id}",
        "created_at": moment(shown.created_at),
        "updated_at": moment(progress.updated_at),
    }


def pipeline(shown: Pipeline, progress: Progress, user: User | None, place: Place) -> Json:
    """Return a pipeline."""
    duration = None
    if progress.started_at and progress.finished_at:
        duration = round((progress.finished_at - progress.started_at).total_seconds())
    return {
        **pipeline_row(shown, progress, place),
        "before_sha": ZERO,
        "tag": shown.tag,
        "yaml_errors": None,
        "user": user_basic(user, place.base_url) if user else None,
        "started_at": moment(progress.started_at),
        "finished_at": moment(progress.finished_at),
        "committed_at": None,
        "duration": duration,
        "queued_duration": None,
        "coverage": None,
    }


def job(shown: Job, of: Pipeline, place: Place) -> Json:
    """Return a job."""
    return {
        "id": shown.id,
        "status": shown.status,
        "stage": shown.stage,
        "name": shown.name,
        "ref": of.ref,
        "tag": of.tag,
        "allow_failure": shown.allow_failure,
        "failure_reason": shown.failure_reason or None,
        "created_at": moment(shown.created_at),
        "started_at": moment(shown.started_at),
        "finished_at": moment(shown.finished_at),
        "tag_list": list(shown.tags),
        "web_url": f"{place.web_url}/-/jobs/{shown.id}",
        "pipeline": {"id": of.id, "project_id": of.project_id, "ref": of.ref, "sha": of.sha},
        "runner": {"id": shown.runner_id} if shown.runner_id else None,
    }


def work(shown: Job, of: Pipeline, place: Place, token: str) -> Json:
    """Return a job as the runner that takes it is told of it (GitLab, lib/api/entities/ci/job_request/response.rb)."""
    variables: list[dict[str, Any]] = [
        {"key": key, "value": value, "public": True, "masked": False} for key, value in of.variables.items()
    ]
    return {
        "id": shown.id,
        "token": token,
        "job_info": {
            "id": shown.id,
            "name": shown.name,
            "stage": shown.stage,
            "project_id": shown.project_id,
            "project_name": place.project.name,
        },
        "git_info": {
            "repo_url": place.http_url,
            "ref": of.ref,
            "sha": of.sha,
            "before_sha": ZERO,
            "ref_type": "tag" if of.tag else "branch",
        },
        "variables": variables,
        "steps": [
            {"name": "script", "script": list(shown.script), "timeout": 3600, "when": "on_success", "allow_failure": False}
        ],
    }  # fmt: skip
