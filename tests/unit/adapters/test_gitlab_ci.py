"""Requests for GitLab CI pipelines, and GitLab's words for them in ours."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_adapters.gitlab.ci.run import MARKS, RUN, body, build, marks_of
from nautes_adapters.gitlab.ci.status import failed_job, place, reported_name, state_of, uid
from nautes_domain.capabilities import Origin, RunRequest
from nautes_domain.failures import Rejected
from nautes_domain.runs import TRACEPARENT, RunPhase

FILE = b"unit: {script: [echo]}\n"
REQUEST = RunRequest(
    name="apple-ci-1",
    namespace="apple-ci",
    account="apple-builder",
    labels={"nautes.io/product": "orchard", "nautes.io/runtime": "apple-ci"},
    annotations={"nautes.io/project-id": "7", "nautes.io/cause": "d-1", "nautes.io/commit": "0a1b" * 10},
    params={"revision": "0a1b" * 10, "ref": "refs/heads/$(rm -rf)$CI_JOB_TOKEN"},
    origin=Origin(7, ".gitlab-ci.yml", "main", "0a1b" * 10),
)


def built(request=REQUEST, source=FILE):
    return build(request, source, file="ci/trunk.yaml", cluster="build-east")


def pipeline(status="running", **more):
    return {
        "id": 9, "project_id": 7, "sha": "0a1b" * 10, "status": status, "name": None, "created_at": None,
        "web_url": "https://git.example/-/pipelines/9", "started_at": None, "finished_at": None, **more,
    }  # fmt: skip


def test_a_run_names_project_branch_and_commit():
    run = built()
    assert (run["project_id"], run["ref"], run["sha"]) == (7, "main", "0a1b" * 10)
    assert run["variables"]["NAUTES_CLUSTER"] == "build-east"
    assert run["variables"]["NAUTES_PIPELINE_FILE"] == ".gitlab-ci.yml"


def test_what_comes_from_an_event_is_not_filled_in_by_gitlab():
    assert built()["variables"]["ref"] == "refs/heads/$$(rm -rf)$$CI_JOB_TOKEN"


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50)


@given(st.dictionaries(texts, texts, max_size=4), st.dictionaries(texts, texts, max_size=4))
def test_marks_come_back_as_they_were_and_hold_no_dollar(labels, annotations):
    variables = built(replace(REQUEST, labels=labels, annotations=annotations))["variables"]
    assert "$" not in variables[MARKS]
    assert marks_of(variables) == ("apple-ci-1", "apple-ci", labels, annotations)


def test_a_trace_goes_along_and_changes_nothing_else():
    run = built()
    sent = {one["key"]: one["value"] for one in body(run, "00-ab-cd-01")["variables"]}
    assert marks_of(sent)[3][TRACEPARENT] == "00-ab-cd-01"
    assert {key: sent[key] for key in run["variables"]} == dict(run["variables"])
    assert "TRACEPARENT" not in {one["key"] for one in body(run, "")["variables"]}


@pytest.mark.parametrize(
    ("source", "words", "line"),
    [
        (b"", "0 documents", 1),
        (b"stages: [a]\n", "has no job", 1),
        (b".hidden: {script: [a]}\n", "has no job", 1),
        (b"unit: {script: [a]}\ntest: 1\n", "is not a mapping", 2),
        (b"unit: {script: [a]}\ntest: {stage: test}\n", "has nothing to do", 2),
        (b"apiVersion: tekton.dev/v1\nkind: PipelineRun\n", "Kubernetes object", 2),
        (b"unit: {script: [a]}\n---\ntest: {script: [a]}\n", "2 documents", 3),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(source, words, line):
    with pytest.raises(Rejected) as raised:
        built(source=source)
    (found,) = raised.value.violations
    assert words in found.message
    assert (found.file, found.line, raised.value.code) == ("ci/trunk.yaml", line, "pipeline-file")


def test_a_header_with_inputs_and_an_include_alone_are_configurations():
    assert built(source=b"spec: {inputs: {}}\n---\ninclude: [{local: a.yml}]\n")


@pytest.mark.parametrize(
    "name", ["CI_JOB_TOKEN", "GITLAB_USER", "NAUTES_RUN", "TRACEPARENT", "a-b", "9a", ""]
)
def test_an_event_sets_no_variable_of_gitlab_or_ours(name):
    with pytest.raises(Rejected) as raised:
        built(replace(REQUEST, params={name: "x"}))
    assert repr(name) in raised.value.why


@pytest.mark.parametrize(
    "broken", [{}, {RUN: "a"}, {RUN: "a", MARKS: "["}, {RUN: "a", MARKS: "1"}, {MARKS: "{}"}]
)
def test_variables_without_marks_are_nobodys(broken):
    assert marks_of(broken) is None
    assert state_of(pipeline(), broken) is None


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("created", RunPhase.PENDING),
        ("waiting_for_resource", RunPhase.PENDING),
        ("preparing", RunPhase.PENDING),
        ("pending", RunPhase.PENDING),
        ("scheduled", RunPhase.PENDING),
        ("running", RunPhase.RUNNING),
        ("canceling", RunPhase.RUNNING),
        ("manual", RunPhase.RUNNING),
        ("success", RunPhase.SUCCEEDED),
        ("failed", RunPhase.FAILED),
        ("canceled", RunPhase.CANCELLED),
        ("skipped", RunPhase.CANCELLED),
        ("of a later version", RunPhase.PENDING),
    ],
)
def test_every_status_of_gitlab_has_a_phase(status, phase):
    state = state_of(pipeline(status), built()["variables"])
    assert state.phase is phase
    assert state.progress.stopping == (status in {"canceling", "canceled"})


@pytest.mark.parametrize("phase", RunPhase)
def test_what_was_reported_stands_in_the_name(phase):
    variables = built()["variables"]
    assert state_of(pipeline(name=reported_name("apple-ci-1", phase)), variables).reported == phase
    assert state_of(pipeline(name=f"another · {phase}"), variables).reported == ""
    assert state_of(pipeline(name="apple-ci-1"), variables).reported == ""


def test_gitlab_shows_a_pipeline_beside_the_commit_that_it_builds_and_nowhere_else():
    variables = built()["variables"]
    assert state_of(pipeline(), variables).shows_itself
    assert not state_of(pipeline(project_id=8), variables).shows_itself
    assert not state_of(pipeline(sha="f" * 40), variables).shows_itself


def test_the_first_job_that_failed_is_named_and_allowed_failures_are_not():
    found = [
        {"name": "b", "status": "failed", "failure_reason": "script_failure", "finished_at": "2026-02"},
        {"name": "a", "status": "failed", "failure_reason": None, "finished_at": "2026-01"},
        {"name": "c", "status": "failed", "allow_failure": True, "finished_at": "2025"},
        {"name": "d", "status": "success"},
    ]
    assert failed_job(found) == "job a: it failed"
    assert failed_job(found[2:]) == ""


def test_a_pipeline_is_found_again_by_its_uid():
    assert place(uid(pipeline())) == "/projects/7/pipelines/9"
    with pytest.raises(ValueError, match="invalid literal"):
        place("7/../users")
