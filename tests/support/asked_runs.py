"""Runs as deliveries ask for them, over what may differ: the event, the inputs, the path, the queue, the file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from nautes_domain.capabilities import Origin, RunRequest
from nautes_domain.events import HOOK_EVENTS, Delivery, DeliveryKind
from nautes_domain.triggers import Facts, built_at, match, run_of_file
from nautes_domain.validation.pipelines import BUILT_IN, FROM_EVENT
from support.examples import changed, orchard
from support.gitlab_payloads import (
    INSTANCE,
    NEW,
    NOW,
    PROJECT_ID,
    delivered,
    deployment,
    issue,
    job,
    merge_request,
    note,
    pipeline,
    push,
    release,
    tag,
)
from support.kustomize import ours

RUNTIME = "projects/apple-api/apple-ci.yaml"
VARIABLES = (*sorted(BUILT_IN), *sorted(FROM_EVENT))
FILE, PATTERN, FOLDER = "ci/build.yaml", "ci/*.yaml", "ci/over/"
PATHS = (FILE, PATTERN, FOLDER)

EVENTS: Mapping[str, Delivery] = {
    "push": delivered(push("feature/Röte-1")),
    "tag": delivered(tag("v1.0")),
    "merge request": delivered(merge_request(labels=[{"title": "red"}, {"title": "sweet"}])),
    "merge request, new code": delivered(merge_request("update", oldrev="a" * 40)),
    "comment on a merge request": delivered(note(merge_request())),
    "comment on a commit": delivered(note()),
    "issue": delivered(issue()),
    "job": delivered(job()),
    "pipeline": delivered(pipeline()),
    "deployment": delivered(deployment()),
    "release": delivered(release()),
    "calendar": Delivery(
        id="calendar-1", hook="calendar", kind=DeliveryKind.CALENDAR, event="Calendar", instance=INSTANCE,
        project_id=PROJECT_ID, project="orchard/apple-api-src", about="apple-ci/night",
        occurred_at="2026-01-01T02:05:00+00:00", received_at=NOW,
    ),
}  # fmt: skip
NAMES_NO_COMMIT = frozenset({"issue", "calendar"})
"""Only a trigger that names a revision answers these."""

PIPELINES: Mapping[str, Mapping[str, Any]] = {
    "by name": {"pipelineRef": {"name": "trunk"}},
    "by a resolver": {"pipelineRef": {"resolver": "git", "params": [{"name": "url", "value": "https://x"}]}},
    "written out": {
        "pipelineSpec": {
            "workspaces": [{"name": "source"}],
            "tasks": [
                {
                    "name": "test",
                    "taskSpec": {"steps": [{"name": "unit", "image": "busybox", "script": "echo"}]},
                }
            ],
        },
        "workspaces": [{"name": "source", "emptyDir": {}}],
        "timeouts": {"pipeline": "1h0m0s"},
        "taskRunSpecs": [{"pipelineTaskName": "test", "serviceAccountName": "root"}],
        "taskRunTemplate": {"podTemplate": {"nodeSelector": {"disk": "fast"}}, "serviceAccountName": "root"},
    },
}
"""What a pipeline file may say besides its parameters."""


@dataclass(frozen=True)
class Asked:
    """A request, and the file that its run is built of."""

    request: RunRequest
    source: bytes


def asked(
    delivery: Delivery,
    variables: Sequence[str],
    path: str,
    *,
    pinned: bool,
    held: bool,
    spec: Mapping[str, Any],
) -> Asked:
    """Return the run that a delivery asks for; the n-th variable goes to the n-th parameter of the file."""
    catalog = orchard({RUNTIME: _declared(variables, path, pinned=pinned, held=held)})
    facts = Facts(dashboards={"build-east": "https://tekton.example"})
    (run,) = match(delivery, catalog, "apple-api-src", facts).runs
    origin = Origin(PROJECT_ID, FILE if path == PATTERN else path, run.revision, NEW)
    if not delivery.checkout_sha:
        run = built_at(run, PROJECT_ID, "orchard/apple-api-src", NEW)
    if path == PATTERN:
        run = run_of_file(run, origin)
    source = _file(len(variables), spec)
    if path == FOLDER:
        files = {
            "ci/over/kustomization.yaml": "resources: [run.yaml]\nlabels: [{pairs: {team: web}}]\n",
            "ci/over/run.yaml": source.decode(),
        }
        source = json.dumps(ours(files, path)).encode()
    return Asked(replace(run.filled, origin=origin), source)


def _declared(variables: Sequence[str], path: str, *, pinned: bool, held: bool) -> str:
    document = yaml.safe_load(changed()[RUNTIME])
    spec = document["spec"]
    events = sorted({*HOOK_EVENTS.values(), "confidential_issues_events", "confidential_note_events"})
    inputs = [
        {
            "source": {"builtInVar" if name in BUILT_IN else "fromEvent": name},
            "transmissionMethod": {"kustomization": {"path": f"/spec/params/{number}/value"}},
        }
        for number, name in enumerate(variables)
    ]
    trigger = {"pipeline": "build", "inputs": inputs, **({"revision": "main"} if pinned else {})}
    night = {"pipeline": "build", "inputs": inputs, "revision": "main"}
    spec["pipelines"][0]["path"] = path
    spec["eventSources"] = [
        {"name": "source", "gitlab": {"repoName": "apple-api-src", "events": events}},
        {"name": "night", "calendar": {"schedule": "5 2 * * *"}},
    ]
    spec["pipelineTriggers"] = [{"eventSource": "source", **trigger}, {"eventSource": "night", **night}]
    spec["concurrency"] = {"limit": 1} if held else {}
    return str(yaml.safe_dump(document))


def _file(count: int, spec: Mapping[str, Any]) -> bytes:
    params = [{"name": f"p{number}", "value": "none"} for number in range(count)]
    metadata = {
        "name": "build", "namespace": "kube-system", "labels": {"team": "web", "nautes.io/product": "forged"},
        "annotations": {"note": "x", "tekton.dev/forged": "x"}, "finalizers": ["forged/x"],
    }  # fmt: skip
    run = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata}
    return json.dumps({**run, "spec": {"params": params, **spec}}).encode()
