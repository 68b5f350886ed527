"""The queue of a runtime on a real API: who waits, who is let go, who is replaced, what is kept and remembered."""

import asyncio
import random
from time import perf_counter

from nautes_adapters.memory import MemoryDeployer
from nautes_adapters.tekton import TektonEngine
from nautes_domain.effects import Result
from nautes_domain.snapshot import StartedRun
from nautes_domain.triggers import Facts, match
from nautes_reconciler.records import Declarations
from nautes_reconciler.runs import Starter
from nautes_reconciler.started import StartedRuns
from nautes_runtime.records import Bucket
from support import tekton
from support.followed_runs import push
from support.service_processes import eventually
from support.tekton_player import playing

LIMIT_1, LIMIT_2 = "concurrency: {limit: 1}", "concurrency: {limit: 2}"


async def asked(place, request):
    """Return what `spec.status` says of a run; None if the run is gone."""
    run = await place.admin.get("PipelineRun", request.name, request.namespace)
    return None if run is None else run["spec"].get("status", "")


async def becomes(place, request, wanted):
    async def there():
        return await asked(place, request) == wanted

    await eventually(there, f"{request.name} to be {wanted or 'let go'}")


async def test_runs_wait_for_their_turn_and_say_where_they_stand(place):
    await place.declare(LIMIT_1)
    first, second, third = [await place.start() for _ in range(3)]
    assert {await asked(place, one) for one in (first, second, third)} == {"PipelineRunPending"}
    async with place.replica("one"):
        await becomes(place, first, "")
        row = await place.shown(third, "pending")
        assert row["description"].endswith("waits for its turn, number 2 in the queue")
        assert "queue" not in (await place.shown(first, "pending"))["description"]
        assert await asked(place, second) == "PipelineRunPending"
        await place.play(first, tekton.RUNNING)
        await place.play(first, tekton.SUCCEEDED)
        await becomes(place, second, "")
        assert await asked(place, third) == "PipelineRunPending"
    effects = await place.effects(second)
    assert [one.object.split("/")[-1] for one in effects if one.system == "kubernetes/build-east"] == [
        second.name
    ]
    assert {one.result for one in effects} == {Result.DONE}
    assert len(place.rows(second)) == 1


async def test_a_newer_run_of_a_ref_takes_the_place_of_those_before_it(place):
    await place.declare("concurrency: {limit: 1, cancelPrevious: true}")
    async with place.replica("one"):
        first = await place.start()
        await becomes(place, first, "")
        await place.play(first, tekton.RUNNING)
        second = await place.start()
        await becomes(place, first, "CancelledRunFinally")
        third = await place.start()
        await becomes(place, second, "Cancelled")
        await place.play(second, tekton.CANCELLED)
        assert await asked(place, third) == "PipelineRunPending"  # the first is still being stopped
        await place.play(first, tekton.CANCELLED)
        await becomes(place, third, "")
        assert (await place.shown(first, "canceled"))["description"].startswith("Cancelled")
        await place.shown(second, "canceled")


async def test_without_a_limit_nothing_is_held_and_a_limit_that_is_lifted_lets_all_go(place):
    free = await place.start()
    assert await asked(place, free) == ""
    await place.declare(LIMIT_2)
    waiting = [await place.start() for _ in range(3)]
    async with place.replica("one"):
        await becomes(place, waiting[0], "")
        assert await asked(place, waiting[2]) == "PipelineRunPending"
        await place.declare("maxKeepRuns: 100")
        await place.play(free, tekton.SUCCEEDED)
        for one in waiting:
            await becomes(place, one, "")


async def test_the_limit_holds_over_many_runs_and_two_replicas_that_come_and_go(place):
    await place.declare("concurrency: {limit: 2}\nmaxKeepRuns: 3")
    dice = random.Random(11)
    async with playing(place.admin, lambda: dice.uniform(0.0, 0.1)) as player:
        requests = []
        for round_ in range(4):
            async with place.replica(f"one-{round_}"):
                async with place.replica(f"two-{round_}"):
                    requests += [await place.start() for _ in range(4)]
                await asyncio.sleep(dice.uniform(0.0, 0.4))
        async with place.replica("last"):

            async def kept():
                left = await place.admin.list("PipelineRun", "apple-ci")
                return sorted(run["metadata"]["name"] for run in left) == sorted(
                    one.name for one in requests[-3:]
                )

            await eventually(kept, "the three newest runs to be left")
    assert player.created == {one.name: 1 for one in requests}
    assert player.spans.keys() == player.created.keys()
    assert player.most_at_once() <= 2
    began = [player.spans[one.name][0] for one in requests]
    assert all(later > earlier for earlier, later in zip(began, began[2:], strict=False))


async def test_what_was_kept_no_longer_is_not_started_again(place):
    await place.declare("maxKeepRuns: 1")
    started = StartedRuns(Bucket(place.desk.js, "started", StartedRun))
    declarations = Declarations(place.desk.desired, None, place.desk.status)

    async def engine(_):
        return TektonEngine(place.admin)

    starter = Starter(place.world.host, declarations, engine, MemoryDeployer(), started, perf_counter)
    source = {
        "ci/build.yaml": b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: x}}\n"
    }
    deliveries = [
        push(place.project.id, await place.world.commit(place.project, "main", source)) for _ in range(2)
    ]
    runs = [match(one, place.catalog, "apple-api-src", Facts()).runs[0] for one in deliveries]
    async with place.replica("one"):
        for run, delivery in zip(runs, deliveries, strict=True):
            done = await starter.start(run, delivery)
            assert (done.failure, done.already) == (None, False)
            await place.play(run.request, tekton.SUCCEEDED)
        await becomes(place, runs[0].request, None)
        again = await starter.start(runs[0], deliveries[0])
        assert (again.failure, again.already) == (None, True)
        assert await asked(place, runs[0].request) is None
        assert await asked(place, runs[1].request) == ""
    deleted = [one for one in await place.effects(runs[0].request) if one.verb == "delete"]
    assert [one.because for one in deleted] == ["1 newer runs of build are kept"]


async def test_what_a_replica_that_died_had_done_is_recorded_by_the_next(place):
    """Killed between letting a run go and the record of it."""
    await place.declare(LIMIT_1)
    request = await place.start()
    released = {"spec": {"status": None}}
    await place.admin.patch_merge("PipelineRun", request.name, request.namespace, released)
    async with place.replica("one"):
        await place.marked(request, "pending")
    (effect,) = [one for one in await place.effects(request) if one.system == "kubernetes/build-east"]
    assert (effect.verb, effect.result) == ("update", Result.ALREADY)
    async with place.replica("two"):
        other = await place.start()
        await place.marked(other, "pending")
    assert len([one for one in await place.effects(request) if one.system == "kubernetes/build-east"]) == 1


async def test_a_code_host_that_is_away_keeps_no_run_from_starting(place):
    await place.declare(LIMIT_1)
    async with place.replica("one") as log:
        first, second = [await place.start() for _ in range(2)]
        await place.marked(second, "pending")
        place.servers.forge.stop()
        try:
            await place.play(first, tekton.SUCCEEDED)
            await becomes(place, second, "")
        finally:
            place.servers.forge.start()
    assert "Traceback" not in log.getvalue()


async def test_runs_in_other_namespaces_with_the_marks_of_a_runtime_count_for_nothing(place):
    await place.declare(LIMIT_1)
    labels = {
        "app.kubernetes.io/managed-by": "nautes",
        "nautes.io/product": "orchard",
        "nautes.io/runtime": "apple-ci",
    }
    request = await place.start()
    forged = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": "forged", "namespace": "default", "labels": labels,
            "annotations": {**request.annotations, "nautes.io/received-at": "2020-01-01T00:00:00+00:00"},
        },
        "spec": {"pipelineRef": {"name": "x"}},
    }  # fmt: skip
    await place.admin.create(forged)
    try:
        async with place.replica("one"):
            await becomes(place, request, "")
    finally:
        await place.admin.delete("PipelineRun", "forged", "default")
