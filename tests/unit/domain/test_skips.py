"""Which pushes say on their commit that a runtime was skipped, and which stay silent."""

from datetime import UTC, datetime

import pytest

from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.triggers import Facts, match, skips
from support.examples import orchard

OLD, NEW, NONE = "a" * 40, "b" * 40, "0" * 40
RUNTIME = "projects/apple-api/apple-ci.yaml"
MANIFEST = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata: {name: apple-ci}
spec:
  project: apple-api
  pipelineSource: apple-api-src
  destination: {environment: build, namespace: apple-ci}
  isolation: shared
  pipelines:
    - {name: build, path: ci/build.yaml}
    - {name: docs, path: ci/docs.yaml}
  eventSources:
    - name: code
      gitlab: {repoName: apple-api-src, revision: main, events: [push_events], paths: [src], condition: "actor != 'robot'"}
    - name: docs
      gitlab: {repoName: apple-api-src, revision: main, events: [push_events], paths: [docs]}
    - name: proposals
      gitlab: {repoName: apple-api-src, revision: main, events: [merge_requests_events], paths: [src]}
  pipelineTriggers:
    - {eventSource: code, pipeline: build}
    - {eventSource: docs, pipeline: docs}
    - {eventSource: proposals, pipeline: build}
"""
CATALOG = orchard({RUNTIME: MANIFEST})


def skipped(facts, repository="apple-api-src", **changes):
    fields = {
        "id": "d1", "hook": "orchard.apple-api-src", "kind": DeliveryKind.PUSH, "event": "Push Hook",
        "instance": "https://git.example", "project_id": 7, "project": "orchard/apple-api-src",
        "ref": "refs/heads/main", "before": OLD, "after": NEW, "checkout_sha": NEW, "actor": "eve",
        "received_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    delivery = Delivery(**{**fields, **changes})
    return skips(delivery, match(delivery, CATALOG, repository, facts))


@pytest.mark.parametrize(
    ("facts", "changes", "words"),
    [
        (Facts(changed=("README.md",)), {}, "src"),
        (Facts(changed=("README.md",)), {}, "docs"),
        (Facts(changed=("src/a.py",)), {"skip_ci": True}, "the push option ci.skip was given"),
        (Facts(changed=("src/a.py",)), {"message_skips": True}, "asks to skip pipelines"),
        (Facts(changed=("src/a.py",), message_skips=True), {}, "asks to skip pipelines"),
        (Facts(changed=("src/a.py",), own_account="eve"), {}, "the platform's own account eve"),
        (Facts(changed=("src/a.py",)), {"actor": "robot"}, "actor != 'robot'"),
    ],
)
def test_whoever_pushed_may_wonder_and_is_told_the_reason(facts, changes, words):
    found = skipped(facts, **changes)
    assert found.keys() == {"apple-ci"}
    assert words in found["apple-ci"]


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        (Facts(changed=("src/a.py",)), {}),  # it runs
        (Facts(changed=("docs/a.md",)), {}),  # another trigger of the same runtime fires
        (Facts(), {}),  # what changed is not known, so it runs
        (Facts(changed=("README.md",)), {"ref": "refs/heads/feature"}),  # not its branch
        (Facts(changed=("README.md",)), {"ref": "refs/heads/feature", "skip_ci": True}),
        (Facts(own_account="eve"), {"ref": "refs/heads/feature"}),
        (Facts(changed=("README.md",)), {"repository": "apple-web-src"}),  # not its repository
        (Facts(changed=()), {"after": NONE, "checkout_sha": ""}),  # the branch was deleted
        (Facts(changed=("README.md",)), {"request": "call 7"}),  # a person asked, and is answered
        (Facts(changed=("README.md",)), {"kind": DeliveryKind.TAG_PUSH, "event": "Tag Push Hook"}),
        (
            Facts(changed=("README.md",)),
            {"kind": DeliveryKind.MERGE_REQUEST, "event": "Merge Request Hook", "target_branch": "main", "action": "open"},
        ),  # its note tells
    ],
)  # fmt: skip
def test_nobody_is_told_what_nobody_would_expect(facts, changes):
    assert skipped(facts, **changes) == {}


def test_the_same_reason_is_told_once():
    reasons = skipped(Facts(changed=("src/a.py",)), skip_ci=True)["apple-ci"]
    assert reasons == "the push option ci.skip was given"
