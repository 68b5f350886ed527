from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.patterns import matches_revision
from nautes_domain.triggers import Facts, built_at, match, watches_paths
from support.examples import EXAMPLES, orchard

OLD, NEW, NONE = "a" * 40, "b" * 40, "0" * 40
ORCHARD = orchard()


def delivery(**changes):
    fields = {
        "id": "d1", "hook": "orchard.apple-api-src", "kind": DeliveryKind.PUSH, "event": "Push Hook",
        "instance": "https://git.example", "project_id": 7, "project": "orchard/apple-api-src",
        "ref": "refs/heads/main", "before": OLD, "after": NEW, "checkout_sha": NEW, "actor": "eve",
        "received_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Delivery(**{**fields, **changes})


def test_a_push_to_the_declared_branch_asks_for_one_run_with_everything_it_needs():
    found = match(delivery(), ORCHARD, "apple-api-src", Facts())
    (run,) = found.runs
    assert (run.cluster, run.repository, run.path, run.commit) == (
        "build-east",
        "apple-api-src",
        "ci/build.yaml",
        NEW,
    )
    assert (run.request.namespace, run.request.account) == ("apple-ci", "apple-builder")
    assert run.request.params == {"revision": NEW, "ref": "refs/heads/main"}
    assert run.request.annotations["nautes.io/cause"] == "d1"
    assert run.considered.fired
    assert run.considered.run == run.request.name
    assert [one.runtime for one in found.passed_over] == ["apple-test"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ref": "refs/heads/feature"}, "does not match"),
        ({"after": NONE, "checkout_sha": ""}, "was deleted"),
        ({"skip_ci": True}, "ci.skip"),
        (
            {"kind": DeliveryKind.TAG_PUSH, "event": "Tag Push Hook", "ref": "refs/tags/v1"},
            "not to Tag Push Hook",
        ),
        ({"kind": DeliveryKind.OTHER, "event": "Note Hook"}, "not to Note Hook"),
        ({"checkout_sha": ""}, "no commit"),
    ],
)
def test_every_trigger_that_does_not_fire_says_why(changes, reason):
    found = match(delivery(**changes), ORCHARD, "apple-api-src", Facts())
    assert not found.runs
    assert reason in next(one.reason for one in found.passed_over if one.runtime == "apple-ci")


def test_a_push_to_another_repository_starts_nothing():
    found = match(delivery(), ORCHARD, "apple-web-src", Facts())
    assert not found.runs
    assert not found.refreshes
    assert {one.reason for one in found.passed_over} == {
        "it listens to apple-api-src",
        "it deploys apple-deploy",
    }


@pytest.mark.parametrize(
    ("changed", "ref", "fires"),
    [
        (("overlays/test/configmap.yaml",), "main", True),
        (("overlays/test",), "main", True),
        (("README.md", "overlays/test/a/b.yaml"), "main", True),
        (("overlays/production/configmap.yaml",), "main", False),
        (("overlays/test-more/configmap.yaml",), "main", False),
        (("overlays/test/configmap.yaml",), "other", False),
        ((), "main", False),
        (None, "main", True),
    ],
)
def test_only_the_application_whose_folder_changed_is_refreshed(changed, ref, fires):
    found = match(delivery(ref=f"refs/heads/{ref}"), ORCHARD, "apple-deploy", Facts(changed=changed))
    assert [one.application for one in found.refreshes] == (["orchard.apple-test"] if fires else [])
    assert watches_paths(delivery(), ORCHARD, "apple-deploy")
    assert not watches_paths(delivery(), ORCHARD, "apple-api-src")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [("", "x", True), ("main", "main", True), ("main", "mainline", False), ("release/*", "release/1.2", True),
     ("v*", "rev", False), ("fix[1]", "fix[1]", True), ("m.in", "main", False), ("*", "", True)],
)  # fmt: skip
def test_a_revision_is_exact_or_a_glob_and_always_anchored(pattern, name, matches):
    assert matches_revision(pattern, name) is matches


SHAS = st.sampled_from([OLD, NEW, "c" * 40])
PUSHES = st.builds(
    lambda before, after, ref, key, hook: delivery(before=before, after=after, checkout_sha=after, ref=ref, id=key, hook=hook),
    SHAS, SHAS, st.sampled_from(["refs/heads/main", "refs/heads/other"]), st.text(max_size=5), st.text(max_size=5),
)  # fmt: skip


@given(PUSHES, PUSHES)
def test_the_same_content_gives_the_same_run_and_other_content_another(one, other):
    first = [run.request.name for run in match(one, ORCHARD, "apple-api-src", Facts()).runs]
    second = [run.request.name for run in match(other, ORCHARD, "apple-api-src", Facts()).runs]
    same = (one.ref, one.before, one.after) == (other.ref, other.before, other.after)
    if first and second:
        assert (first == second) == same


CLOCK = {
    "projects/apple-api/apple-ci.yaml": (EXAMPLES / "orchard/default.project/projects/apple-api/apple-ci.yaml")
    .read_text()
    .replace("    - name: source\n", "    - {name: night, calendar: {interval: 1h}}\n    - {name: noon, calendar: {schedule: 0 12 * * *}}\n    - name: source\n")
    + "    - {eventSource: night, pipeline: build, revision: main}\n    - {eventSource: noon, pipeline: build, revision: main}\n"
}  # fmt: skip


def fired(about, when="2026-05-04T09:00:00+00:00"):
    return delivery(
        kind=DeliveryKind.CALENDAR, event="Calendar", hook="calendar", ref="", before="", after="", checkout_sha="",
        about=about, occurred_at=when,
    )  # fmt: skip


def test_a_calendar_starts_what_answers_it_and_says_why_the_others_do_not():
    found = match(fired("apple-ci/night"), orchard(CLOCK), "apple-api-src", Facts())
    (run,) = found.runs
    assert (run.revision, run.commit) == ("main", "")
    assert run.considered.reason == "apple-ci/night fired at 2026-05-04T09:00:00+00:00 (every 1h)"
    reasons = {one.trigger: one.reason for one in found.passed_over if one.runtime == "apple-ci"}
    assert reasons == {
        "source→build": "its event source is the code host",
        "noon→build": "its calendar is apple-ci/noon",
    }
    assert not match(delivery(), orchard(CLOCK), "apple-api-src", Facts()).runs[1:]


def test_each_time_of_a_calendar_is_one_run_however_often_it_is_told():
    def name(*fields):
        return match(fired(*fields), orchard(CLOCK), "apple-api-src", Facts()).runs[0].request.name

    assert name("apple-ci/night") == name("apple-ci/night")
    assert name("apple-ci/night") != name("apple-ci/night", "2026-05-04T10:00:00+00:00")
    assert name("apple-ci/night") != name("apple-ci/noon")


def test_a_run_without_a_commit_of_its_own_builds_the_one_that_its_pipeline_is_read_at():
    (run,) = match(fired("apple-ci/night"), orchard(CLOCK), "apple-api-src", Facts()).runs
    placed = built_at(run, 9, "orchard/apple-api-src", NEW)
    assert placed.request.name == run.request.name
    assert placed.request.params == {"revision": NEW, "ref": "refs/heads/main"}
    notes = placed.request.annotations
    assert (notes["nautes.io/commit"], notes["nautes.io/project-id"]) == (NEW, "9")
    assert notes["nautes.io/ref"] == "refs/heads/main"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [(("ci/support/a.yaml",), "1 changed under ci/support"), (("src/a.py",), "nothing changed under ci/support")],
)  # fmt: skip
def test_a_push_refreshes_the_additional_resources_that_it_changed(changed, reason):
    file = "projects/apple-api/apple-ci.yaml"
    text = (EXAMPLES / "orchard/default.project" / file).read_text()
    more = "  additionalResources: {git: {codeRepo: apple-api-src, revision: main, path: ci/support}}\n"
    catalog = orchard({file: text + more})
    assert watches_paths(delivery(), catalog, "apple-api-src")
    found = match(delivery(), catalog, "apple-api-src", Facts(changed=changed))
    (considered,) = [one for one in found.considered if one.trigger == "additional resources"]
    assert considered.reason.startswith(reason)
    assert [(one.application, one.entity) for one in found.refreshes] == (
        [("orchard.apple-ci.additional", "ProjectPipelineRuntime/apple-ci")] if considered.fired else []
    )
