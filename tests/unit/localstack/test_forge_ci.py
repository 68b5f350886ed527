"""The forge's CI: what a configuration means, and how the states of jobs make a pipeline's."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.forge.ci.config import Invalid, expand, includes, load, read
from nautes_localstack.forge.ci.states import FINISHED, JobState, composite, moves

FILE = b"""\
stages: [compile, check]
workflow: {name: "run $WHAT"}
include: [{local: /ci/$WHAT.yml}, more.yml]
variables: {A: b}
.hidden: {script: [no]}
lint: {stage: check, script: [a, [b, c]], tags: ["$WHERE"], allow_failure: true}
build: {stage: compile, script: make}
after: {stage: .post, script: !reference [.hidden, script]}
"""
VARIABLES = {"WHAT": "trunk", "WHERE": "build-east"}


def test_jobs_come_in_the_order_of_their_stages_with_variables_filled_in():
    config = load(FILE)
    assert list(includes(config, VARIABLES)) == ["ci/trunk.yml", "more.yml"]
    found = read(config, VARIABLES)
    assert found.name == "run trunk"
    assert found.stages == (".pre", "compile", "check", ".post")
    assert [(one.name, one.stage) for one in found.jobs] == [
        ("build", "compile"), ("lint", "check"), ("after", ".post"),
    ]  # fmt: skip
    lint = found.jobs[1]
    assert (lint.script, lint.tags, lint.allow_failure) == (("a", "b", "c"), ("build-east",), True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a: [", "Invalid configuration format"),
        (b"[]", "Invalid configuration format"),
        (b"\xff\xfe", "Invalid configuration format"),
        (b"stages: [a]", "at least one visible job"),
        (b"a: 1", "should be a hash"),
        (b"a: {stage: test}", "script config"),
        (b"a: {stage: x, script: y}", "chosen stage x does not exist"),
        (b"a: {script: y, when: manual}", "uses when"),
        (b"include: {remote: 'https://x'}\na: {script: y}", "local files only"),
    ],
)
def test_what_is_wrong_is_said(text, words):
    def whole():
        config = load(text)
        return list(includes(config, {})), read(config, {})

    with pytest.raises(Invalid, match=words):
        whole()


def test_a_doubled_dollar_is_a_dollar_and_what_is_unknown_is_empty():
    assert expand("$$A ${A} $A$B.", {"A": "1"}) == "$A 1 1."


STATUSES = ("created", "pending", "running", "success", "failed", "canceled", "skipped")


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((), "created"),
        (("created", "created"), "created"),
        (("pending", "created"), "pending"),
        (("running", "created"), "running"),
        (("success", "pending"), "running"),
        (("success", "created"), "running"),
        (("success", "skipped"), "success"),
        (("failed", "skipped"), "failed"),
        (("failed", "running"), "running"),
        (("canceled", "success"), "canceled"),
        (("skipped", "skipped"), "skipped"),
        (("failed", "canceled"), "failed"),
    ],
)
def test_the_states_of_jobs_make_that_of_the_pipeline(statuses, status):
    assert composite(JobState(index, 0, one) for index, one in enumerate(statuses)) == status


jobs = st.lists(
    st.builds(JobState, st.just(0), st.integers(0, 3), st.sampled_from(STATUSES), st.booleans()), max_size=8
).map(lambda found: [JobState(n, one.stage, one.status, one.allow_failure) for n, one in enumerate(found)])


@given(jobs)
def test_no_order_of_jobs_matters(found):
    assert len({composite(one) for one in itertools.islice(itertools.permutations(found), 24)}) == 1


@given(jobs)
def test_only_jobs_that_wait_are_moved_and_never_past_a_stage_that_is_at_work(found):
    done = moves(found)
    by_id = {one.id: one for one in found}
    assert all(by_id[number].status == "created" for number in done)
    for number, status in done.items():
        before = [one for one in found if one.stage < by_id[number].stage]
        ends = [done.get(one.id, one.status) for one in before]
        assert all(one in FINISHED for one in ends)
        if status == "pending":
            assert all(
                end in {"success", "skipped"} or one.allow_failure
                for one, end in zip(before, ends, strict=True)
            )


def test_an_allowed_failure_lets_the_next_stage_run_and_another_skips_all_that_follow():
    allowed = [JobState(1, 0, "failed", allow_failure=True), JobState(2, 1, "created")]
    assert moves(allowed) == {2: "pending"}
    assert composite(allowed) == "created"
    failed = [JobState(1, 0, "failed"), JobState(2, 1, "created"), JobState(3, 2, "created")]
    assert moves(failed) == {2: "skipped", 3: "skipped"}
