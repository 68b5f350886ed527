"""What every pipeline engine does alike. One harness per engine; engines of their own kind of file differ in it."""

from contextlib import aclosing, suppress
from dataclasses import replace

import pytest

from nautes_adapters.tekton import TektonEngine
from nautes_domain.effects import Cause
from nautes_domain.failures import Rejected, Retry
from nautes_domain.queueing import Order
from nautes_domain.runs import RunPhase
from support.crd_schemas import problems
from support.engines import END, OURS, REQUEST, START, TEKTON_FILE, built, in_memory, on_gitlab_ci, on_tekton
from support.gitlab_ci import ci_world
from support.local_cluster import clusters


@pytest.fixture(params=["memory", "tekton", "gitlab-ci"])
async def harness(request, tmp_path):
    if request.param == "memory":
        yield await in_memory()
        return
    if request.param == "gitlab-ci":
        async with ci_world(request.getfixturevalue("forge"), tmp_path) as ci:
            yield on_gitlab_ci(ci)
        return
    async with clusters(tmp_path) as start:
        yield await on_tekton(await start())


async def test_it_has_a_name(harness):
    assert harness.engine.name


async def test_records_name_the_run_and_where_it_is(harness):
    ref = harness.engine.address("build-east", "apple-ci-1", "apple-ci")
    assert (ref.name, ref.scope) == ("apple-ci-1", "apple-ci")
    assert ref.system
    assert ref.kind


async def test_name_place_account_and_labels_are_ours(harness):
    run = harness.read(built(harness))
    assert (run["name"], run["namespace"], run["account"]) == (
        REQUEST.name,
        REQUEST.namespace,
        REQUEST.account,
    )
    assert run["labels"].items() >= REQUEST.labels.items()
    assert run["annotations"].items() >= REQUEST.annotations.items()
    assert not {"kube-system", "root", "forged"} & {str(value) for value in run.values()}


async def test_event_data_becomes_parameters(harness):
    assert harness.read(built(harness))["params"].items() >= REQUEST.params.items()


async def test_building_is_pure(harness):
    assert built(harness) == built(harness)
    assert built(harness) != built(harness, replace(REQUEST, params={"revision": "ffff"}))


@pytest.mark.parametrize(
    "source", [b"", b"kind: Pod\n", b'{"kind": "ClusterRoleBinding"}', b"\xff\xfe", b"a: ["]
)
async def test_what_is_not_exactly_one_run_is_rejected_with_file_and_line(harness, source):
    with pytest.raises(Rejected) as raised:
        harness.engine.build(REQUEST, source, file="ci/trunk.yaml")
    assert raised.value.violations
    assert {one.file for one in raised.value.violations} == {"ci/trunk.yaml"}
    assert all(one.line >= 1 for one in raised.value.violations)


async def test_starting_twice_makes_one_run(harness):
    run = built(harness)
    assert await harness.engine.start(REQUEST, run) is True
    assert await harness.engine.start(REQUEST, run) is False
    assert await harness.started() == [REQUEST.name]


async def test_different_names_are_different_runs(harness):
    other = replace(REQUEST, name="apple-ci-ffffffffffffffffffff")
    assert await harness.engine.start(REQUEST, built(harness)) is True
    assert await harness.engine.start(other, built(harness, other)) is True
    assert sorted(await harness.started()) == sorted([REQUEST.name, other.name])


async def start(harness, request=OURS):
    assert await harness.engine.start(request, built(harness, request)) is True


async def met(runs, *phases, name=OURS.name):
    """Take states until the run was met in these phases, in this order; return the last."""
    wanted = list(phases)
    async for state in runs:
        if state.name == name and state.phase is wanted[0]:
            del wanted[0]
        if not wanted:
            return state
    raise AssertionError("following ended")


async def test_a_run_says_whose_it_is(harness):
    await start(harness)
    async with aclosing(harness.engine.follow()) as runs:
        state = await met(runs, RunPhase.PENDING)
    assert (state.namespace, state.product, state.runtime) == ("apple-ci", "orchard", "apple-ci")
    assert (state.project_id, state.commit, state.ref, state.reported) == (7, "0a1b" * 10, "main", "")
    assert state.uid
    assert state.cause == Cause(
        delivery="d-1",
        repository="orchard/apple-api-src",
        ref="refs/heads/main",
        commit="0a1b" * 10,
        actor="eve",
    )


async def test_a_run_that_is_started_later_is_followed_to_its_end(harness):
    async with aclosing(harness.engine.follow()) as runs:
        await start(harness)
        pending = await met(runs, RunPhase.PENDING)
        assert pending.progress.started_at is None
        await harness.move(OURS, RunPhase.RUNNING)
        running = await met(runs, RunPhase.RUNNING)
        assert running.progress.finished_at is None
        assert running.progress.started_at == START or harness.clock
        await harness.move(OURS, RunPhase.SUCCEEDED)
        done = await met(runs, RunPhase.SUCCEEDED)
        assert done.progress.duration == END - START or (harness.clock and done.progress.duration is not None)


@pytest.mark.parametrize(
    ("phase", "reason", "words"),
    [(RunPhase.FAILED, "Failed", " unit: "), (RunPhase.CANCELLED, "Cancelled", "cancelled")],
)
async def test_an_end_that_is_no_success_says_why(harness, phase, reason, words):
    await start(harness)
    async with aclosing(harness.engine.follow()) as runs:
        await harness.move(OURS, phase)
        state = await met(runs, phase)
    assert state.progress.reason == reason
    assert words in state.progress.message


async def test_what_happened_while_nobody_followed_is_told_first(harness):
    other = replace(OURS, name="apple-ci-ffffffffffffffffffff")
    await start(harness)
    await start(harness, other)
    await harness.move(OURS, RunPhase.RUNNING)
    await harness.move(OURS, RunPhase.SUCCEEDED)
    async with aclosing(harness.engine.follow()) as runs:
        found = {(await anext(runs)).name: None for _ in range(2)}
    assert found.keys() == {OURS.name, other.name}
    async with aclosing(harness.engine.follow()) as runs:
        await met(runs, RunPhase.SUCCEEDED)


async def test_what_was_reported_is_remembered_on_the_run(harness):
    await start(harness)
    async with aclosing(harness.engine.follow()) as runs:
        state = await met(runs, RunPhase.PENDING)
        assert state.is_news
        assert await harness.engine.mark_reported(state) is True
        assert not (await anext(runs)).is_news
        await harness.move(OURS, RunPhase.RUNNING)
        assert (await met(runs, RunPhase.RUNNING)).is_news
    async with aclosing(harness.engine.follow()) as runs:
        assert (await met(runs, RunPhase.RUNNING)).reported == "pending"


async def test_a_run_that_is_deleted_before_its_end_was_cancelled(harness):
    await start(harness)
    async with aclosing(harness.engine.follow()) as runs:
        await harness.move(OURS, RunPhase.RUNNING)
        await met(runs, RunPhase.RUNNING)
        await harness.remove(OURS)
        state = await met(runs, RunPhase.CANCELLED)
    assert (state.progress.reason, state.is_news) == ("Deleted", True)
    assert await harness.engine.mark_reported(state) is False


async def test_a_run_of_the_same_name_is_not_marked_in_place_of_a_deleted_one(harness):
    await start(harness)
    async with aclosing(harness.engine.follow()) as runs:
        await met(runs, RunPhase.PENDING)
        await harness.remove(OURS)
        gone = await met(runs, RunPhase.CANCELLED)
        await start(harness)
        with suppress(Rejected, Retry):
            await harness.engine.mark_reported(gone)
        again = await met(runs, RunPhase.PENDING)
    assert (again.reported, again.uid != gone.uid) == ("", True)


async def test_runs_without_our_marks_are_nobodys(harness):
    unmarked = replace(OURS, name="apple-ci-00000000000000000000", annotations={})
    await start(harness, unmarked)
    await start(harness)
    async with aclosing(harness.engine.follow()) as runs:
        assert (await anext(runs)).name == OURS.name


async def test_two_who_follow_are_told_the_same(harness):
    async with aclosing(harness.engine.follow()) as one, aclosing(harness.engine.follow()) as two:
        await start(harness)
        for runs in (one, two):
            await met(runs, RunPhase.PENDING)
        await harness.move(OURS, RunPhase.SUCCEEDED)
        assert await met(one, RunPhase.SUCCEEDED) == await met(two, RunPhase.SUCCEEDED)


async def test_inputs_take_the_place_of_what_the_file_says(harness):
    run = built(harness, replace(REQUEST, inputs={harness.pointer: "from the trigger"}))
    assert harness.read(run)["params"]["branch"] == "from the trigger"
    assert harness.read(run)["params"]["revision"] == REQUEST.params["revision"]


async def test_an_input_that_the_file_has_no_place_for_is_refused(harness):
    pointers = ["/spec/params/7/value", "/spec/params/-/value", "/nowhere", "/"]
    with pytest.raises(Rejected) as raised:
        built(harness, replace(REQUEST, inputs=dict.fromkeys(pointers, "x")))
    assert {one.field for one in raised.value.violations} == set(pointers)
    assert {one.rule for one in raised.value.violations} == {"input"}


async def only_run(harness):
    (state,) = await harness.engine.runs_of("orchard", "apple-ci", "apple-ci")
    return state


async def test_the_runs_of_a_runtime_are_those_with_its_marks_in_its_namespace(harness):
    await start(harness)
    await start(
        harness, replace(OURS, name="apple-ci-1", labels={**OURS.labels, "nautes.io/runtime": "pear"})
    )
    await start(harness, replace(OURS, name="apple-ci-2", annotations={}))
    assert (await only_run(harness)).name == OURS.name
    assert await harness.engine.runs_of("orchard", "apple-ci", "elsewhere") == []


async def test_a_run_that_is_not_held_starts_by_itself(harness):
    await start(harness)
    state = await only_run(harness)
    assert not state.progress.held
    assert await harness.engine.steer(state, Order.RELEASE) is False


async def test_who_cannot_keep_a_run_waiting_says_so(harness):
    if harness.holds:
        assert built(harness, replace(REQUEST, held=True))
        return
    with pytest.raises(Rejected) as raised:
        built(harness, replace(REQUEST, held=True))
    assert raised.value.code == "cannot-hold"


async def test_a_held_run_waits_until_it_is_let_go_once(harness):
    if not harness.holds:
        pytest.skip("it says that it cannot: test_who_cannot_keep_a_run_waiting_says_so")
    await start(harness, replace(OURS, held=True))
    waiting = await only_run(harness)
    assert (waiting.waits, waiting.phase) == (True, RunPhase.PENDING)
    assert await harness.engine.steer(waiting, Order.RELEASE) is True
    assert not (await only_run(harness)).waits
    assert await harness.engine.steer(waiting, Order.RELEASE) is False


@pytest.mark.parametrize("waits", [True, False])
async def test_a_run_is_stopped_once_and_never_let_go_after_that(harness, waits):
    await start(harness, replace(OURS, held=waits and harness.holds))
    state = await only_run(harness)
    assert await harness.engine.steer(state, Order.CANCEL) is True
    stopping = await only_run(harness)
    assert (stopping.progress.stopping, stopping.waits) == (True, False)
    assert await harness.engine.steer(state, Order.CANCEL) is False
    assert await harness.engine.steer(state, Order.RELEASE) is False


async def test_a_run_that_ended_is_stopped_no_more(harness):
    await start(harness)
    state = await only_run(harness)
    await harness.move(OURS, RunPhase.RUNNING)
    await harness.move(OURS, RunPhase.SUCCEEDED)
    assert await harness.engine.steer(state, Order.CANCEL) is False
    assert (await only_run(harness)).phase is RunPhase.SUCCEEDED


async def test_a_run_is_deleted_once(harness):
    await start(harness)
    state = await only_run(harness)
    assert await harness.engine.steer(state, Order.DELETE) is True
    assert await harness.engine.runs_of("orchard", "apple-ci", "apple-ci") == []
    for order in Order:
        assert await harness.engine.steer(state, order) is False


async def test_a_later_run_of_the_same_name_is_not_steered(harness):
    await start(harness, replace(OURS, held=harness.holds))
    gone = await only_run(harness)
    await harness.remove(OURS)
    await start(harness, replace(OURS, held=harness.holds))
    for order in Order:
        with suppress(Retry):
            assert await harness.engine.steer(gone, order) is False
    again = await only_run(harness)
    assert again.uid != gone.uid
    assert (again.phase, again.progress.stopping, again.waits) == (RunPhase.PENDING, False, harness.holds)


RUNS = [
    TEKTON_FILE,
    b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: trunk}}\n",
    b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {labels: {team: apples}}
spec:
  pipelineRef: {resolver: git, params: [{name: url, value: "https://git.example/x.git"}]}
  timeouts: {pipeline: 1h, tasks: 50m, finally: 10m}
  workspaces:
  - {name: source, volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}
  - {name: cache, emptyDir: {}}
  taskRunTemplate: {podTemplate: {nodeSelector: {arch: arm64}}}
  taskRunSpecs: [{pipelineTaskName: test, serviceAccountName: root, timeout: 5m}]
""",
]


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("source", RUNS)
def test_tekton_runs_satisfy_the_schema_of_the_real_resource(source, waits):
    run = TektonEngine(None).build(replace(REQUEST, held=waits), source, file="ci/trunk.yaml")
    assert problems(run) == []


def test_the_schema_check_finds_what_a_server_refuses():
    run = TektonEngine(None).build(REQUEST, TEKTON_FILE, file="ci/trunk.yaml")
    assert problems({**run, "spec": {**run["spec"], "invented": 1}}) == [".spec.invented: unknown field"]
    assert problems({**run, "spec": {**run["spec"], "params": "x"}})
