"""The plan for the runs of one runtime, against a model cluster on which it is carried out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.effects import Cause
from nautes_domain.queueing import Limits, Order, schedule
from nautes_domain.runs import Progress, RunPhase, RunState

START = datetime(2026, 3, 1, tzinfo=UTC)
FINAL = [phase for phase in RunPhase if phase.final]


def run(number, phase=RunPhase.PENDING, *, group="main", pipeline="trunk", told=True, **progress):
    """Return the run that came as number `number`; runs are created within whole seconds of four."""
    return RunState(
        name=f"apple-ci-{number:04}",
        namespace="apple-ci",
        uid=f"u-{number}",
        product="orchard",
        runtime="apple-ci",
        project_id=7,
        cause=Cause(delivery=f"d-{number}", ref=f"refs/heads/{group}", commit="c" * 40),
        progress=Progress(phase, **progress),
        reported=phase.value if told else "",
        pipeline=pipeline,
        group=group,
        created_at=START + timedelta(seconds=number // 4),
        received_at=START + timedelta(milliseconds=number),
    )


def held(number, **more):
    return run(number, held=True, **more)


def at_work(number, **more):
    return run(number, RunPhase.RUNNING, **more)


def told(plan):
    return [(step.order.value, step.run.uid) for step in plan.steps]


def carried_out(runs, plan):
    """Return the runs after all steps, as a cluster shows them."""
    present = {one.uid: one for one in runs}
    for step in plan.steps:
        state = present[step.run.uid]
        if step.order is Order.DELETE:
            del present[step.run.uid]
        else:
            stopping = step.order is Order.CANCEL
            present[step.run.uid] = replace(
                state, progress=replace(state.progress, held=False, stopping=stopping)
            )
    return list(present.values())


@pytest.mark.parametrize(
    ("runs", "limits", "steps", "waiting"),
    [
        ([], Limits(1), [], []),
        ([held(1), held(2)], Limits(1), [("release", "u-1")], ["u-2"]),
        ([at_work(1), held(2)], Limits(1), [], ["u-2"]),
        ([run(1), held(2)], Limits(1), [], ["u-2"]),  # let go, and not picked up yet
        ([run(1, RunPhase.SUCCEEDED), held(2)], Limits(1), [("release", "u-2")], []),
        ([held(2), held(1), held(3)], Limits(2), [("release", "u-1"), ("release", "u-2")], ["u-3"]),
        ([at_work(1), at_work(2), held(3)], Limits(1), [], ["u-3"]),  # the limit was lowered
        ([held(1), held(2)], Limits(), [("release", "u-1"), ("release", "u-2")], []),  # and lifted
        ([at_work(1), at_work(2)], Limits(cancel_previous=True), [("cancel", "u-1")], []),
        ([at_work(1), at_work(2, group="dev")], Limits(cancel_previous=True), [], []),
        ([at_work(1, group=""), at_work(2, group="")], Limits(cancel_previous=True), [], []),
        ([at_work(1, stopping=True), at_work(2)], Limits(cancel_previous=True), [], []),
        (
            [at_work(1), run(2, RunPhase.FAILED)],
            Limits(cancel_previous=True),
            [("cancel", "u-1")],
            [],
        ),  # the newer one was quicker
        (
            [at_work(1), held(2), held(3)],
            Limits(1, cancel_previous=True),
            [("cancel", "u-1"), ("cancel", "u-2")],
            ["u-3"],
        ),  # what is being cancelled still occupies its place
        (
            [run(number, RunPhase.SUCCEEDED) for number in (1, 2, 3)],
            Limits(kept=2),
            [("delete", "u-1")],
            [],
        ),
        ([run(1, RunPhase.FAILED, told=False), run(2, RunPhase.FAILED)], Limits(kept=1), [], []),
        ([run(1, RunPhase.FAILED), at_work(2)], Limits(kept=1), [], []),
        ([run(1, RunPhase.FAILED, pipeline="nightly"), run(2, RunPhase.FAILED)], Limits(kept=1), [], []),
    ],
)
def test_who_starts_who_stops_who_goes(runs, limits, steps, waiting):
    plan = schedule(runs, limits)
    assert told(plan) == steps
    assert [one.uid for one in plan.waiting] == waiting


def test_reasons_and_places_are_for_people():
    plan = schedule([at_work(1), held(2), held(3), held(4)], Limits(2))
    assert [step.because for step in plan.steps] == [
        "its turn came: it is number 2 of 2 that may run at once"
    ]
    assert [plan.place(f"u-{number}") for number in (1, 2, 3, 4)] == [0, 0, 1, 2]
    (step,) = schedule([at_work(1), at_work(2)], Limits(cancel_previous=True)).steps
    assert step.because == "apple-ci-0002 is newer on main"


LIMITS = st.builds(
    Limits,
    at_once=st.none() | st.integers(1, 3),
    cancel_previous=st.booleans(),
    kept=st.none() | st.integers(1, 3),
)
STATES = st.lists(
    st.builds(
        dict,
        phase=st.sampled_from(list(RunPhase)),
        group=st.sampled_from(["", "main", "dev"]),
        pipeline=st.sampled_from(["trunk", "nightly"]),
        told=st.booleans(),
        held=st.booleans(),
        stopping=st.booleans(),
    ),
    max_size=12,
)


def states(drawn):
    return [
        run(number, **{**one, "held": one["held"] and one["phase"] is RunPhase.PENDING})
        for number, one in enumerate(drawn)
    ]


@given(STATES, LIMITS, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_a_list_and_is_done_once(drawn, limits, dice):
    runs = states(drawn)
    shuffled = dice.sample(runs, len(runs))
    plan = schedule(runs, limits)
    assert schedule(shuffled, limits) == plan
    after = schedule(carried_out(runs, plan), limits)
    assert (after.steps, after.waiting) == ((), plan.waiting)


@given(STATES, LIMITS)
def test_the_limit_is_kept_and_first_come_is_first_served(drawn, limits):
    runs = states(drawn)
    plan = schedule(runs, limits)
    before = sum(1 for one in runs if not one.phase.final and not one.waits)
    after = carried_out(runs, plan)
    occupied = sum(1 for one in after if not one.phase.final and not one.waits)
    cancelled_while_held = sum(1 for s in plan.steps if s.order is Order.CANCEL and s.run.waits)
    if limits.at_once is None:
        assert not plan.waiting
    else:
        assert occupied - cancelled_while_held <= max(limits.at_once, before)
    released = [step.run.received_at for step in plan.steps if step.order is Order.RELEASE]
    waiting = [one.received_at for one in plan.waiting]
    assert released + waiting == sorted(released + waiting)


@given(STATES, LIMITS)
def test_only_what_is_told_and_surplus_is_deleted_and_only_what_is_replaced_is_cancelled(drawn, limits):
    runs = states(drawn)
    plan = schedule(runs, limits)
    for step in plan.steps:
        newer = [one for one in runs if one.received_at > step.run.received_at]
        if step.order is Order.DELETE:
            assert step.run.phase.final
            assert step.run.reported == step.run.phase
            assert sum(one.phase.final and one.pipeline == step.run.pipeline for one in newer) >= limits.kept
        if step.order is Order.CANCEL:
            assert any(one.group == step.run.group for one in newer)
            assert not step.run.phase.final
    left = carried_out(runs, plan)
    if limits.kept is not None:
        for pipeline in ("trunk", "nightly"):
            kept = [one for one in left if one.pipeline == pipeline and one.phase.final and not one.is_news]
            assert len(kept) <= limits.kept


@given(st.lists(st.sampled_from(["come", "work", "end"]), max_size=60), st.integers(1, 3), st.booleans())
def test_over_any_history_the_limit_holds_and_in_the_end_every_run_was_at_work_or_replaced(
    events, limit, replacing
):
    """Runs come, are picked up and end in any order; after each event somebody carries out the plan."""
    limits, runs, count = Limits(limit, cancel_previous=replacing), [], 0

    def settle():
        nonlocal runs
        runs = carried_out(runs, schedule(runs, limits))
        # Tekton ends a run at once that was stopped before it began.
        runs = [
            replace(one, progress=Progress(RunPhase.CANCELLED))
            if one.progress.stopping and one.phase is RunPhase.PENDING
            else one
            for one in runs
        ]
        assert sum(1 for one in runs if not one.phase.final and not one.waits) <= limit

    def first(phase):
        return next((at for at, one in enumerate(runs) if one.phase is phase and not one.waits), None)

    def step(phase, then):
        at = first(phase)
        if at is not None:
            runs[at] = replace(runs[at], progress=replace(runs[at].progress, phase=then))

    for event in [*events, *["work", "end"] * (len(events) + 1)]:
        if event == "come":
            runs.append(held(count, group="dev" if count % 3 else "main"))
            count += 1
        elif event == "work":
            step(RunPhase.PENDING, RunPhase.RUNNING)
        else:
            step(RunPhase.RUNNING, RunPhase.SUCCEEDED)
        settle()
        settle()
    assert len(runs) == count
    assert all(one.phase.final for one in runs)
    assert replacing or all(one.phase is RunPhase.SUCCEEDED for one in runs)
