"""Pipelines on the forge, through python-gitlab and the runner's protocol; and notes on merge requests."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import gitlab
import pytest

from nautes_domain.events import Delivery, DeliveryKind
from nautes_webhook_gateway.gitlab import Call, normalise
from support.forge import Forge, HookReceiver, start_forge
from support.gitlab_ci import Runner
from support.gitlab_payloads import KEY, NOW

FILE = """\
stages: [one, two]
a: {stage: one, script: [echo a]}
b: {stage: one, script: [echo b], allow_failure: true}
c: {stage: two, script: [echo c]}
"""


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with start_forge(tmp_path_factory.mktemp("forge")) as running:
        yield running


@pytest.fixture
def project(forge: Forge, request: pytest.FixtureRequest) -> Iterator[Any]:
    name = request.node.name.removeprefix("test_")[:60].strip("_")
    with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
        group = api.groups.create({"name": name, "path": name})
        found = api.projects.create({"name": name, "namespace_id": group.id})
        write(found, ".gitlab-ci.yml", FILE)
        yield found


@pytest.fixture
async def runner(forge: Forge, project: Any) -> AsyncIterator[Runner]:
    running = Runner(forge, project.id)
    yield running
    await running.close()


def write(project: Any, path: str, text: str, branch: str = "main", **more: str) -> str:
    actions = [{"action": "create", "file_path": path, "content": text}]
    body = {"branch": branch, "commit_message": path, "actions": actions, **more}
    return str(project.commits.create(body).id)


def jobs(pipeline: Any, **query: Any) -> dict[str, str]:
    return {one.name: one.status for one in pipeline.jobs.list(get_all=True, **query)}


async def test_stages_follow_each_other_and_the_pipeline_ends_with_them(project: Any, runner: Runner) -> None:
    made = project.pipelines.create({"ref": "main", "variables": [{"key": "WHO", "value": "eve"}]})
    assert (made.status, made.source, made.ref) == ("pending", "api", "main")
    assert [(one.key, one.value) for one in made.variables.list(get_all=True)] == [("WHO", "eve")]
    assert jobs(made) == {"a": "pending", "b": "pending", "c": "created"}
    first, second = await runner.take(), await runner.take()
    assert first["variables"] == [{"key": "WHO", "value": "eve", "public": True, "masked": False}]
    assert await runner.finish(first, "success") == 200
    assert project.pipelines.get(made.id).status == "running"
    assert await runner.finish(second, "failed") == 200  # it may
    assert jobs(made)["c"] == "pending"
    assert await runner.finish(await runner.take(), "success") == 200
    done = project.pipelines.get(made.id)
    assert (done.status, done.duration is not None) == ("success", True)
    assert await runner.finish(first, "failed") == 403  # it has ended


async def test_what_a_job_writes_is_appended_and_read(project: Any, runner: Runner) -> None:
    project.pipelines.create({"ref": "main"})
    job = await runner.take()
    assert await runner.write(job, "hällo\n") == 202
    assert await runner.write(job, "again\n", start=7) == 202
    assert await runner.write(job, "twice\n", start=7) == 416
    assert project.jobs.get(job["id"]).trace().decode() == "hällo\nagain\n"
    assert await runner.write({**job, "token": "glcbt-forged"}, "x", start=13) == 403


async def test_a_pipeline_is_cancelled_retried_named_and_deleted(project: Any, runner: Runner) -> None:
    made = project.pipelines.create({"ref": "main"})
    await runner.finish(await runner.take(), "failed", "script_failure")
    made.cancel()
    assert jobs(made) == {"a": "failed", "b": "canceled", "c": "canceled"}
    assert [one.failure_reason for one in made.jobs.list(get_all=True, **{"scope[]": "failed"})] == [
        "script_failure"
    ]
    made.retry()
    assert jobs(made) == {"a": "pending", "b": "pending", "c": "created"}
    assert len(made.jobs.list(get_all=True, include_retried=True)) == 6
    project.manager.gitlab.http_put(
        f"/projects/{project.id}/pipelines/{made.id}/metadata", post_data={"name": "mine"}
    )
    assert [one.id for one in project.pipelines.list(get_all=True, name="mine")] == [made.id]
    made.delete()
    assert project.pipelines.list(get_all=True) == []


async def test_lists_are_filtered_as_gitlab_filters_them(project: Any, runner: Runner) -> None:
    first = project.pipelines.create({"ref": "main"})
    write(project, "x", "x", branch="other", start_branch="main")
    second = project.pipelines.create({"ref": "other"})

    def found(**query: Any) -> list[int]:
        return [one.id for one in project.pipelines.list(get_all=True, **query)]

    assert found() == [second.id, first.id]
    assert found(sort="asc") == [first.id, second.id]
    assert found(ref="other") == found(sha=second.sha) == [second.id]
    assert found(username="root", source="api", scope="pending") == [second.id, first.id]
    assert found(username="nobody") == found(scope="finished") == []
    seen = datetime.now(UTC).isoformat()
    await runner.take()
    assert found(updated_after=seen) == [first.id]


async def test_a_status_of_ours_in_the_same_pipeline_keeps_it_from_ending(
    project: Any, runner: Runner
) -> None:
    """Why no status is set beside a commit that GitLab builds itself: each would wait for the other."""
    made = project.pipelines.create({"ref": "main"})
    project.commits.get(made.sha).statuses.create(
        {"state": "running", "name": "nautes/apple-ci", "ref": "main"}
    )
    for _ in range(3):
        await runner.finish(await runner.take(), "success")
    assert set(jobs(made).values()) == {"success"}
    assert project.pipelines.get(made.id).status == "running"


def test_what_gitlab_refuses(project: Any) -> None:
    for body, words in (
        ({"ref": "none"}, "Reference not found"),
        ({"ref": "main", "variables": [{"key": "a-b", "value": "x"}]}, "variables"),
        ({}, "ref is missing"),
    ):
        with pytest.raises(gitlab.GitlabError) as refused:
            project.manager.gitlab.http_post(f"/projects/{project.id}/pipeline", post_data=body)
        assert refused.value.response_code == 400
        assert words in str(refused.value)


def test_notes_are_written_edited_and_told_of(project: Any) -> None:
    write(project, "x", "x", branch="feature", start_branch="main")
    with HookReceiver() as receiver:
        project.hooks.create({"url": receiver.url, "push_events": False, "note_events": True})
        request = project.mergerequests.create(
            {"source_branch": "feature", "target_branch": "main", "title": "Ripen"}
        )
        note = request.notes.create({"body": "/test"})
        note.body = "/test apple-ci"
        note.save()
        calls = receiver.wait(2)
    assert [one.body for one in request.notes.list(get_all=True)] == ["/test apple-ci"]
    assert {one.headers["X-Gitlab-Event"] for one in calls} == {"Note Hook"}
    found = [
        normalise(Call("a.b", project.id, one.body, KEY, one.headers["X-Gitlab-Event"]), NOW) for one in calls
    ]
    first, second = found
    assert isinstance(first, Delivery)
    assert isinstance(second, Delivery)
    assert (first.kind, first.action, first.text, first.about) == (
        DeliveryKind.NOTE, "create", "/test", "MergeRequest",
    )  # fmt: skip
    assert (second.action, second.text) == ("update", "/test apple-ci")
    assert (first.source_branch, first.target_branch, first.checkout_sha) == ("feature", "main", request.sha)
    assert first.actor == "root"
