"""What a trigger hands to its run: each variable of the original, for events that have it and events that have not."""

from datetime import UTC, datetime

import pytest

from nautes_domain.components import COMPONENTS
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.triggers import Facts, asks_for_dashboards, built_at, dashboards, match
from nautes_domain.validation.pipelines import BUILT_IN, FROM_EVENT
from support.examples import EXAMPLES, orchard, tenant

FILE = "projects/apple-api/apple-ci.yaml"
COMMIT = "b" * 40


def catalog(*names, source="revision: main, events: [push_events, merge_requests_events]", revision=""):
    """Return the example product with every variable as an input, the n-th going to the n-th parameter."""
    inputs = ", ".join(
        f"{{source: {{{'builtInVar' if name in BUILT_IN else 'fromEvent'}: {name}}}, "
        f"transmissionMethod: {{kustomization: {{path: /spec/params/{number}/value}}}}}}"
        for number, name in enumerate(names)
    )
    text = (EXAMPLES / "orchard/default.project" / FILE).read_text()
    text = text.replace("revision: main, events: [push_events]", source).replace(
        "pipeline: build}", f"pipeline: build, revision: '{revision}', inputs: [{inputs}]}}"
    )
    return orchard({FILE: text})


def delivery(**changes):
    fields = {
        "id": "d1", "hook": "orchard.apple-api-src", "kind": DeliveryKind.PUSH, "event": "Push Hook",
        "instance": "https://git.example", "project_id": 7, "project": "orchard/apple-api-src",
        "ref": "refs/heads/main", "before": "a" * 40, "after": COMMIT, "checkout_sha": COMMIT, "actor": "eve",
        "received_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Delivery(**{**fields, **changes})


MERGE_REQUEST = {
    "kind": DeliveryKind.MERGE_REQUEST, "event": "Merge Request Hook", "ref": "refs/merge-requests/3/head",
    "action": "open", "state": "opened", "title": "Ripen", "labels": ("red", "sweet"), "before": "",
    "source_branch": "ripen", "target_branch": "main", "source_project_id": 7, "number": 3,
}  # fmt: skip

EXPECTED = {
    "EventSourceCodeRepoName": "apple-api-src",
    "EventSourceCodeRepoURL": "https://git.example/orchard/apple-api-src.git",
    "ServiceAccount": "apple-builder",
    "Namespace": "apple-ci",
    "PipelineCodeRepoName": "apple-api-src",
    "PipelineCodeRepoURL": "https://git.example/orchard/apple-api-src.git",
    "PipelineRevision": "main",
    "PipelineFilePath": "ci/build.yaml",
    "ProviderType": "gitlab",
    "CodeRepoProviderURL": "https://git.example",
    "PipelineDashBoardURL": "https://tekton.example",
    "PipelineLabel": "main",
    "ref": "refs/heads/main",
    "commitID": COMMIT,
    "source_branch": "",
    "target_branch": "",
    "state": "",
    "labels": "",
    "title": "",
}
FACTS = Facts(dashboards={"build-east": "https://tekton.example", "run-east": "https://elsewhere"})


def handed(found, names):
    (run,) = found.runs
    return {name: run.filled.inputs[f"/spec/params/{number}/value"] for number, name in enumerate(names)}


def test_every_variable_that_a_manifest_may_name_has_a_value():
    assert EXPECTED.keys() == BUILT_IN | FROM_EVENT
    names = sorted(EXPECTED)
    found = match(delivery(), catalog(*names), "apple-api-src", FACTS)
    assert {name: value for name, value in handed(found, names).items() if name not in EXAMPLE_URLS} == {
        name: value for name, value in EXPECTED.items() if name not in EXAMPLE_URLS
    }


EXAMPLE_URLS = {"EventSourceCodeRepoURL", "PipelineCodeRepoURL"}


def test_addresses_are_those_declared_or_else_those_for_clones():
    names = sorted(EXAMPLE_URLS)
    product = catalog(*names)
    declared = product.repos["apple-api-src"].manifest.spec.url
    values = handed(match(delivery(), product, "apple-api-src", FACTS), names)
    assert set(values.values()) == {declared or EXPECTED["EventSourceCodeRepoURL"]}


def test_of_a_merge_request_branches_title_and_labels_are_handed_on():
    names = ["source_branch", "target_branch", "state", "labels", "title", "commitID"]
    found = match(delivery(**MERGE_REQUEST), catalog(*names), "apple-api-src", FACTS)
    assert handed(found, names) == {
        "source_branch": "ripen", "target_branch": "main", "state": "opened", "labels": "red,sweet",
        "title": "Ripen", "commitID": COMMIT,
    }  # fmt: skip


def test_an_event_without_a_commit_hands_on_the_one_that_is_built():
    names = ["commitID", "ref", "PipelineRevision"]
    issue = delivery(
        kind=DeliveryKind.ISSUE, event="Issue Hook", ref="", before="", after="", checkout_sha=""
    )
    product = catalog(*names, source="events: [issues_events]", revision="main")
    (run,) = match(issue, product, "apple-api-src", FACTS).runs
    placed = built_at(run, 7, "orchard/apple-api-src", COMMIT)
    assert list(placed.filled.inputs.values()) == [COMMIT, "refs/heads/main", "main"]


def test_inputs_are_no_part_of_what_a_run_is_called():
    plain, handing = (
        match(delivery(), orchard_, "apple-api-src", FACTS).runs[0]
        for orchard_ in (orchard(), catalog("Namespace"))
    )
    assert plain.request.name == handing.request.name
    assert plain.filled.inputs == {}


def test_the_label_of_a_pipeline_stands_on_its_runs_as_in_the_original():
    (run,) = match(delivery(), orchard(), "apple-api-src", FACTS).runs
    assert run.request.labels["branch"] == "main"


def test_dashboards_are_asked_for_only_if_somebody_wants_to_know():
    assert not asks_for_dashboards(orchard())
    assert asks_for_dashboards(catalog("PipelineDashBoardURL"))
    assert "host" in COMPONENTS["pipeline"]["tekton"]
    assert all(url.startswith("https://") for url in dashboards(tenant()).values())


@pytest.mark.parametrize("label", ["a b", "-x", "x" * 64, ""])
def test_a_label_that_kubernetes_would_refuse_is_refused(label):
    text = (EXAMPLES / "orchard/default.project" / FILE).read_text()
    with pytest.raises(AssertionError, match="label"):
        orchard({FILE: text.replace("label: main", f"label: '{label}'")})
