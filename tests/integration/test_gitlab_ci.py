"""GitLab CI's engine on the forge: one pipeline per run, whatever happens in between."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from nautes_domain.capabilities import SUPERSEDED, RunRequest
from nautes_domain.failures import Rejected
from nautes_domain.runs import RunPhase
from support.forge import start_forge
from support.gitlab_ci import FILE, ci_world

LABELS = {"nautes.io/product": "orchard", "nautes.io/runtime": "apple-ci"}


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    with start_forge(tmp_path_factory.mktemp("forge")) as running:
        yield running


@pytest.fixture
async def ci(forge, tmp_path):
    async with ci_world(forge, tmp_path) as world:
        yield world


def wanted(ci, name="apple-ci-1"):
    marks = {"nautes.io/cause": "d-1", "nautes.io/project-id": "7", "nautes.io/commit": ci.origin.commit}
    return RunRequest(
        name, "apple-ci", "apple-builder", LABELS, marks, {"revision": ci.origin.commit}, origin=ci.origin
    )


def built(ci, request, source=FILE):
    return ci.engine.build(request, source, file=".gitlab-ci.yml")


async def first(runs, phase):
    async with aclosing(runs):
        async for state in runs:
            if state.phase is phase:
                return state
    raise AssertionError("following ended")


async def test_who_was_killed_before_creating_is_made_up_for_and_who_was_killed_after_is_found(ci):
    request = wanted(ci)
    run = built(ci, request)
    async with ci.claims(f"run.{request.name}"):
        pass  # claimed, and gone
    assert await ci.engine.start(request, run) is True
    assert await ci.engine.start(request, run) is False  # created, and gone before anybody was told
    assert len(await ci.pipelines()) == 1
    assert ci.claims.held == [f"run.{request.name}"] * 3


async def test_if_a_claim_was_lost_the_first_pipeline_counts(ci):
    """The claims of these tests refuse nobody: both look, find nothing, and create."""
    request = wanted(ci)
    run = built(ci, request)
    answers = await asyncio.gather(*(ci.engine.start(request, run) for _ in range(4)))
    assert answers.count(True) == 1
    statuses = [one["status"] for one in await ci.pipelines()]
    assert statuses[0] == "pending"
    assert set(statuses[1:]) <= {"canceled"}
    async with asyncio.timeout(20), aclosing(ci.engine.follow()) as runs:
        state = await anext(runs)
        assert state.uid == f"{ci.project_id}/{(await ci.pipelines())[0]['id']}"
    assert len(await ci.engine.runs_of("orchard", "apple-ci", "apple-ci")) == 1


async def test_a_branch_that_has_moved_on_is_not_built_at_another_commit(ci):
    request = wanted(ci)
    run = built(ci, request)
    await ci.push({"more": b"1"})
    with pytest.raises(Rejected) as raised:
        await ci.engine.start(request, run)
    assert raised.value.code == SUPERSEDED
    assert await ci.pipelines() == []
    assert await ci.engine.start(wanted(ci, "apple-ci-2"), built(ci, wanted(ci, "apple-ci-2"))) is True


async def test_what_gitlab_makes_no_pipeline_of_is_refused_in_its_words(ci):
    await ci.push({".gitlab-ci.yml": b"unit: {stage: nowhere, script: [a]}\n"})
    request = wanted(ci)
    with pytest.raises(Rejected) as raised:
        await ci.engine.start(request, built(ci, request))
    assert "chosen stage nowhere does not exist" in raised.value.why
    assert raised.value.code == "pipeline-file"


async def test_the_file_of_a_run_is_the_one_that_is_included(ci):
    await ci.push({
        ".gitlab-ci.yml": b"include: [{local: $NAUTES_PIPELINE_FILE}]\n",
        "ci/nightly.yml": b"nightly: {script: [echo], tags: [$NAUTES_CLUSTER]}\n",
    })  # fmt: skip
    ci.origin = replace(ci.origin, path="ci/nightly.yml")
    request = wanted(ci)
    assert await ci.engine.start(request, built(ci, request)) is True
    (pipeline,) = await ci.pipelines()
    (job,) = await ci.api.rows(f"/projects/{ci.project_id}/pipelines/{pipeline['id']}/jobs")
    assert (job["name"], job["tag_list"]) == ("nightly", ["build-east"])


async def test_pipelines_of_others_are_no_runs_of_ours_whatever_they_claim(ci, forge):
    run = built(ci, wanted(ci))
    project = f"/projects/{ci.project_id}"
    user = await ci.api.post(
        "/users",
        {"username": "mallory", "name": "Mallory", "email": "m@example.org", "force_random_password": True},
    )
    await ci.api.post(f"{project}/members", {"user_id": user["id"], "access_level": 30})
    token = await ci.api.post(f"/users/{user['id']}/personal_access_tokens", {"name": "m", "scopes": ["api"]})
    theirs = type(ci.api)(forge.url, token["token"])
    variables = [{"key": key, "value": value} for key, value in run["variables"].items()]
    await theirs.post(f"{project}/pipeline", {"ref": "main", "variables": variables})
    await theirs.close()
    assert await ci.engine.runs_of("orchard", "apple-ci", "apple-ci") == []
    assert await ci.engine.start(wanted(ci), run) is True


async def test_the_end_of_a_run_is_followed_by_who_comes_later(ci):
    request = wanted(ci)
    await ci.engine.start(request, built(ci, request))
    await ci.move(request, RunPhase.FAILED)
    async with asyncio.timeout(20):
        state = await first(ci.engine.follow(), RunPhase.FAILED)
    assert state.progress.message == "job unit: script_failure"
    assert state.url.endswith(f"/-/pipelines/{state.uid.partition('/')[2]}")
    await ci.engine.mark_reported(state)
    async with asyncio.timeout(20):
        assert not (await first(ci.engine.follow(), RunPhase.FAILED)).is_news
