"""Runs on a cluster, their results beside commits: two replicas, restarts, outages, claims that do not hold."""

from dataclasses import replace
from uuid import uuid4

import pytest

from nautes_adapters.kubernetes import SPACE_KINDS, KubernetesTarget, ProductSpaces
from nautes_adapters.memory import MemorySecretStore
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import CommitState, CommitStatus
from nautes_domain.effects import Result
from nautes_domain.triggers import Facts, match
from nautes_runtime import streams
from nautes_runtime.records import open_bucket
from support import tekton
from support.controlplane_real import settle
from support.examples import orchard
from support.followed_runs import CLUSTER, FILE, LOCK, SPACE, now, push
from support.service_processes import eventually


async def test_a_run_is_told_from_its_creation_to_its_end_with_records(place):
    async with place.replica("one"):
        request = await place.start()
        await place.shown(request, "pending")
        await place.play(request, tekton.RUNNING)
        await place.shown(request, "running")
        await place.play(request, tekton.SUCCEEDED)
        row = await place.shown(request, "success")
        await place.marked(request, "succeeded")
    assert row["name"] == "nautes/apple-ci"
    assert row["description"] == f"PipelineRun {request.name} on build-east succeeded in 1 min 12 s"
    assert len(place.rows(request)) == 1
    effects = await place.effects(request)
    assert [one.result for one in effects] == [Result.DONE] * 3
    assert {(one.system, one.scope, one.entity) for one in effects} == {
        ("gitlab", "product_orchard", "ProjectPipelineRuntime/apple-ci")
    }
    assert "succeeded in 1 min 12 s" in effects[-1].because


async def test_a_failing_run_says_which_task_and_why(place):
    async with place.replica("one"):
        request = await place.start()
        await place.shown(request, "pending")
        await tekton.play_failure(place.admin, request.namespace, request.name)
        row = await place.shown(request, "failed")
    assert row["description"].startswith('Failed: task unit: "step-unit" exited with code 3')
    assert "after 1 min 12 s" in row["description"]


async def test_what_a_watch_brings_late_is_not_told_again(place):
    """The end comes while the pending phase is still being told: then its mark comes after the end."""
    async with place.replica("one"):
        requests = [await place.start() for _ in range(5)]
        for request in requests:
            await place.play(request, tekton.SUCCEEDED)
        for request in requests:
            await place.marked(request, "succeeded")
        last = await place.start()
        await place.marked(last, "pending")
    for request in requests:
        effects = await place.effects(request)
        assert {one.result for one in effects} == {Result.DONE}
        assert len([one for one in effects if "succeeded" in one.because]) == 1


async def test_a_run_that_is_deleted_was_cancelled(place):
    async with place.replica("one"):
        request = await place.start()
        await place.shown(request, "pending")
        await place.admin.delete("PipelineRun", request.name, request.namespace)
        row = await place.shown(request, "canceled")
    assert row["description"].startswith("Deleted: the run was deleted")


async def test_what_happened_while_nobody_followed_is_made_up_for_once(place):
    request = await place.start()
    async with place.replica("one"):
        await place.marked(request, "pending")
    await place.play(request, tekton.RUNNING)
    await place.play(request, tekton.SUCCEEDED)
    for _ in range(2):
        async with place.replica("two"):
            await place.marked(request, "succeeded")
            other = await place.start()  # met after the first in the list: the replica is through with it
            await place.marked(other, "pending")
    assert [row["status"] for row in place.rows(request)] == ["success"]
    assert len(await place.effects(request)) == 2


async def test_killed_between_status_and_record_it_says_nothing_twice(place):
    """What a replica leaves that died there: the status is set, and neither effect nor mark is written."""
    request = await place.start()
    await place.play(request, tekton.SUCCEEDED)
    words = f"PipelineRun {request.name} on build-east succeeded in 1 min 12 s"
    status = CommitStatus(CommitState.SUCCESS, "nautes/apple-ci", words, "main")
    await place.world.host.set_status(place.project.id, request.annotations["nautes.io/commit"], status)
    async with place.replica("one"):
        await place.marked(request, "succeeded")
    assert [row["status"] for row in place.rows(request)] == ["success"]
    (effect,) = await place.effects(request)
    assert effect.result is Result.ALREADY


async def test_killed_between_record_and_mark_it_records_nothing_twice(place):
    request = await place.start()
    await place.play(request, tekton.SUCCEEDED)
    async with place.replica("one"):
        await place.marked(request, "succeeded")
    unmarked = {"metadata": {"annotations": {"nautes.io/reported": None}}}
    await place.admin.patch_merge("PipelineRun", request.name, request.namespace, unmarked)
    async with place.replica("two"):
        await place.marked(request, "succeeded")
    assert [row["status"] for row in place.rows(request)] == ["success"]
    assert [one.result for one in await place.effects(request)] == [Result.DONE]


async def test_of_two_replicas_one_reports_and_the_other_takes_over(place):
    async with place.replica("two"):
        async with place.replica("one"):
            request = await place.start()
            await place.shown(request, "pending")
            await place.play(request, tekton.RUNNING)
            await place.shown(request, "running")
            holder = await open_bucket(place.desk.js, "locks").get(LOCK)
            assert holder.value in {b"one", b"two"}
        await place.play(request, tekton.SUCCEEDED)
        await place.shown(request, "success")
        await place.marked(request, "succeeded")
    assert len(place.rows(request)) == 1
    assert [one.result for one in await place.effects(request)] == [Result.DONE] * 3


async def test_a_replica_that_died_is_followed_when_its_lock_ends(place):
    js = place.desk.js
    usual, short = streams.bucket_config("locks"), streams.bucket_config("locks")
    short.max_age, short.duplicate_window = 1.0, 1.0
    await js.update_stream(short)
    await open_bucket(js, "locks").create(LOCK, b"died")
    request = await place.start()
    async with place.replica("two"):
        await place.shown(request, "pending")
    await js.update_stream(usual)


async def test_a_cluster_that_is_registered_later_and_whose_token_is_renewed(place):
    secrets, place.secrets = place.secrets, MemorySecretStore(now)
    request = await place.start()
    async with place.replica("one"):
        await place.register()
        await place.shown(request, "pending")
        await place.register()  # another version; whoever asks next closes the connection that we watch with
        await place.play(request, tekton.SUCCEEDED)
        await place.shown(request, "success")
    assert secrets is not place.secrets


async def test_a_code_host_that_is_away_is_told_when_it_is_back(place):
    async with place.replica("one") as log:
        request = await place.start()
        await place.marked(request, "pending")
        place.servers.forge.stop()
        await place.play(request, tekton.SUCCEEDED)

        async def refused():
            return "gitlab-unavailable" in log.getvalue()

        await eventually(refused, "the code host to be missed")
        place.servers.forge.start()
        await place.shown(request, "success")
    assert len(place.rows(request)) == 1


@pytest.mark.parametrize("claim", ["project", "namespace", "product", "commit"])
async def test_a_run_with_claims_that_do_not_hold_is_not_reported(place, claim):
    """A pipeline may create runs in its namespace, with marks of any kind."""
    foreign = await place.world.add_project()
    victim = await place.world.commit(foreign, "main", {"b.txt": b"1"})
    await place.desk.index((foreign.id, "meadow", "pear-src"))
    forged = {"nautes.io/project-id": str(foreign.id), "nautes.io/commit": victim}
    if claim == "namespace":
        other = replace(SPACE, namespace="meadow-ci")
        state = ProductSpaces().space_state("product_meadow", (other,))
        await settle(KubernetesTarget(place.admin, CLUSTER, SPACE_KINDS), state, "product_meadow")
    async with place.replica("one") as log:
        if claim == "project":
            request = await place.start(**forged)
        elif claim == "commit":
            request = await place.start(**{"nautes.io/commit": victim})
        else:
            request = await forge_run(place, claim, forged)
        genuine = await place.start()
        await place.play(genuine, tekton.SUCCEEDED)
        await place.shown(genuine, "success")
        await place.play(request, tekton.SUCCEEDED)
        again = await place.start()
        await place.marked(again, "pending")
        # Claims about a commit of our own project that does not exist are refused by the code host itself.
        assert ("no-such" in log.getvalue() or "gitlab-refused" in log.getvalue()) == (claim == "commit")
    if claim != "commit":
        assert place.rows(request) == []
    assert await place.world.host.status(foreign.id, victim, "nautes/apple-ci") is None


async def forge_run(place, claim, annotations):
    """Create a run with a true project and commit in a namespace that is not the runtime's, or of another product."""
    commit = await place.world.commit(place.project, "main", {"a.txt": uuid4().hex.encode()})
    (run,) = match(push(place.project.id, commit), orchard(), "apple-api-src", Facts()).runs
    request = run.request
    if claim == "namespace":
        request = replace(request, namespace="meadow-ci")
    else:
        labels = {**request.labels, "nautes.io/product": "meadow"}
        request = replace(request, labels=labels, annotations={**request.annotations, **annotations})
    engine = TektonEngine(place.admin)
    assert await engine.start(request, engine.build(request, FILE, file="ci/build.yaml"))
    return request
