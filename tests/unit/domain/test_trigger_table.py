"""Each row of the table, from GitLab's bytes to the verdict; then what holds for every sequence of deliveries."""

import json
from copy import deepcopy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain.triggers import Facts, match
from support.examples import changed, orchard
from support.gitlab_payloads import NEW, OLD, ZERO, created, deleted, delivered, merge_request, push, tag

from .trigger_cases import CASES, Case, on

FILE = "projects/apple-api/apple-ci.yaml"
RUNTIME = yaml.safe_load(changed()[FILE])


def catalog(*sources, revision=""):
    """The example product, whose pipeline runtime has these event sources and one trigger for each."""
    runtime = deepcopy(RUNTIME)
    spec = runtime["spec"]
    spec["eventSources"] = [
        {"name": f"source-{number}", "gitlab": {"repoName": "apple-api-src", **source}}
        for number, source in enumerate(sources)
    ]
    spec["pipelineTriggers"] = [
        {"eventSource": one["name"], "pipeline": "build", "revision": revision}
        for one in spec["eventSources"]
    ]
    return orchard({FILE: json.dumps(runtime)})


def considered(case: Case):
    found = match(
        delivered(case.payload), catalog(case.source, revision=case.revision), "apple-api-src", case.facts
    )
    (one,) = [one for one in found.considered if one.runtime == "apple-ci"]
    return one, found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_delivery_against_a_trigger(case):
    one, found = considered(case)
    assert (one.fired, len(found.runs)) == (case.fires, int(case.fires)), one.reason
    assert case.reason in one.reason
    assert case.note in one.note
    assert bool(one.note) == bool(case.note)


def test_the_table_is_long_and_no_row_stands_twice():
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.fires for case in CASES} == {True, False}


@pytest.mark.parametrize("case", [case for case in CASES if case.fires], ids=lambda case: case.name)
def test_a_run_builds_the_commit_that_the_event_names(case):
    (run,) = considered(case)[1].runs
    delivery = delivered(case.payload)
    assert run.request.params["revision"] == delivery.checkout_sha
    assert run.commit == ("" if case.revision else delivery.checkout_sha)
    assert len(run.request.name) <= 63
    if not case.revision:
        assert run.commit.strip("0")


ALL = catalog(
    on("push"),
    on("push", revision="main", paths=["src"]),
    on("tag_push", "push", revision="^(main|v.*)$"),
    on("merge_requests", condition="!draft"),
    on("push", revision="release/*", condition="actor == 'ada'"),
)
SHAS = st.sampled_from([OLD, NEW, "c" * 40])
BRANCHES = st.sampled_from(["main", "idea", "release/1"])
PUSHES = st.one_of(
    st.builds(lambda branch, before, after: push(branch, before=before, after=after), BRANCHES, SHAS | st.just(ZERO), SHAS),
    BRANCHES.map(created),
    BRANCHES.map(deleted),
    st.builds(lambda name, before: tag(name, before=before), st.sampled_from(["v1", "x"]), st.sampled_from([ZERO, OLD])),
    st.builds(lambda action, oldrev: merge_request(action, oldrev=oldrev),
              st.sampled_from(["open", "update", "merge", "close"]), st.sampled_from([None, OLD])),
)  # fmt: skip
FACTS = st.builds(
    Facts,
    changed=st.none() | st.lists(st.sampled_from(["src/a", "docs/b"]), max_size=3).map(tuple),
    own_account=st.sampled_from(["", "ada", "bot"]),
    message_skips=st.booleans(),
)


@given(st.lists(st.tuples(PUSHES, FACTS), max_size=12))
@settings(deadline=None)
def test_at_most_one_run_per_content_and_trigger_and_none_for_deletes(sequence):
    """However often something is delivered, and whatever is known when: the names of runs tell content apart."""
    names: dict[str, tuple[str, str]] = {}
    for number, (payload, facts) in enumerate(sequence):
        delivery = delivered(payload, key=f"delivery-{number}")
        found = match(delivery, ALL, "apple-api-src", facts)
        assert not (delivery.deletes and found.runs)
        for run in found.runs:
            content = (delivery.content_key, run.considered.trigger)
            assert names.setdefault(run.request.name, content) == content
    assert len(set(names.values())) == len(names)


@given(st.lists(PUSHES, max_size=12))
@settings(deadline=None)
def test_runs_of_a_ref_begin_in_the_order_of_its_deliveries(sequence):
    deliveries = [delivered(payload, key=f"delivery-{number}") for number, payload in enumerate(sequence)]
    started: dict[str, str] = {}
    for delivery in deliveries:
        for run in match(delivery, ALL, "apple-api-src", Facts()).runs:
            started.setdefault(run.request.name, delivery.id)
    position = {delivery.id: number for number, delivery in enumerate(deliveries)}
    order = [position[cause] for cause in started.values()]
    assert order == sorted(order)


@given(PUSHES, FACTS)
@settings(deadline=None)
def test_every_trigger_and_deployment_is_considered_once_and_says_why(payload, facts):
    found = match(delivered(payload), ALL, "apple-api-src", facts)
    names = [(one.runtime, one.trigger) for one in found.considered]
    expected = [("apple-ci", f"source-{number}→build") for number in range(5)] + [("apple-test", "manifests")]
    assert sorted(names) == sorted(expected)
    assert all(one.reason and one.fired == bool(one.run) for one in found.considered)


def test_one_push_through_two_hooks_is_one_run_and_a_to_b_to_a_is_three():
    def name(payload, key):
        return match(delivered(payload, key=key), ALL, "apple-api-src", Facts()).runs[0].request.name

    there = push(before=OLD, after=NEW)
    assert name(there, "project-hook") == name(there, "group-hook")
    back, again = push(before=NEW, after=OLD), push(before="c" * 40, after=NEW)
    assert len({name(one, "x") for one in (there, back, again)}) == 3


def test_push_variables_reach_only_a_pipeline_of_the_repository_that_was_pushed_to():
    payload = push(push_options={"ci": {"variable": {"DEEP=a=b": 1, "ref=evil": 1, "0=x": 1, "X": 1}}})
    (run,) = match(delivered(payload), catalog(on("push")), "apple-api-src", Facts()).runs
    assert run.request.params == {"DEEP": "a=b", "ref": "refs/heads/main", "revision": NEW}
    elsewhere = deepcopy(RUNTIME)
    elsewhere["spec"]["pipelineSource"] = "apple-deploy"
    files = {FILE: json.dumps(elsewhere)}
    (run,) = match(delivered(payload), orchard(files), "apple-api-src", Facts()).runs
    assert run.request.params == {"ref": "refs/heads/main", "revision": NEW}
    assert "push variables are not handed" in run.considered.note
