"""Pipelines whose path means several files, and inputs, from a delivery to runs on a cluster."""

from time import perf_counter

import pytest

from nautes_adapters.memory import MemoryDeployer
from nautes_adapters.tekton import TektonEngine
from nautes_domain.failures import Rejected
from nautes_domain.snapshot import IndexedProject, StartedRun
from nautes_domain.triggers import Facts, match
from nautes_reconciler.records import Declarations
from nautes_reconciler.runs import MOST_FILES, Starter
from nautes_reconciler.started import StartedRuns
from nautes_runtime.records import Bucket
from support.followed_runs import push

FILE = b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
spec:
  params: [{name: file, value: none}, {name: where, value: none}]
  pipelineRef: {name: trunk}
"""
INPUTS = ", ".join(
    f"{{source: {{builtInVar: {name}}}, transmissionMethod: {{kustomization: {{path: /spec/params/{number}/value}}}}}}"
    for number, name in enumerate(["PipelineFilePath", "Namespace"])
)
EVENTS = f"""\
eventSources:
  - {{name: source, gitlab: {{repoName: apple-api-src, events: [push_events]}}}}
pipelineTriggers:
  - {{eventSource: source, pipeline: build, inputs: [{INPUTS}]}}
pipelines:
  - {{name: build, label: nightly, path: PATH}}
"""


@pytest.fixture
def starter(place):
    js = place.desk.js
    declarations = Declarations(place.desk.desired, Bucket(js, "index", IndexedProject), place.desk.status)

    async def engine(_):
        return TektonEngine(place.admin)

    started = StartedRuns(Bucket(js, "started", StartedRun))
    return Starter(place.world.host, declarations, engine, MemoryDeployer(), started, perf_counter)


async def pushed(place, path, files):
    """Declare a pipeline with a path, push files, and return the delivery with the run that it asks for."""
    await place.declare_instead(EVENTS.replace("PATH", path))
    texts = files if isinstance(files, dict) else dict.fromkeys(files, FILE)
    commit = await place.world.commit(place.project, "main", texts)
    delivery = push(place.project.id, commit)
    (run,) = match(delivery, place.catalog, "apple-api-src", Facts()).runs
    return run, delivery


def params(run):
    return {one["name"]: one["value"] for one in run["spec"]["params"]}


async def test_every_file_that_a_path_means_is_a_run_of_its_own_once(place, starter):
    files = ["ci/a.yaml", "ci/b.yaml", "ci/deep/c.yaml", "ci/notes.md", "d.yaml"]
    run, delivery = await pushed(place, "ci/*.yaml", files)
    for already in (False, True):
        done = await starter.start_all([run], delivery)
        assert [(one.failure, one.already) for one in done] == [(None, already)] * 2
    assert [one.considered.reason.split("; ")[-1] for one in done] == ["ci/a.yaml", "ci/b.yaml"]
    runs = await place.admin.list("PipelineRun", "apple-ci")
    assert {one["metadata"]["name"] for one in runs} == {one.considered.run for one in done}
    assert sorted(params(one)["file"] for one in runs) == ["ci/a.yaml", "ci/b.yaml"]
    assert {params(one)["where"] for one in runs} == {"apple-ci"}
    assert {one["metadata"]["labels"]["branch"] for one in runs} == {"nightly"}
    groups = {one["metadata"]["annotations"]["nautes.io/concurrency-group"] for one in runs}
    assert len(groups) == 2  # the run of one file does not take the place of another's


async def test_a_path_that_names_one_file_is_run_under_the_name_of_its_event(place, starter):
    run, delivery = await pushed(place, "ci/a.yaml", ["ci/a.yaml"])
    (done,) = await starter.start_all([run], delivery)
    assert (done.failure, done.considered.run) == (None, run.request.name)


BASE = {
    "ci/base/kustomization.yaml": b"resources: [run.yaml]\n",
    "ci/base/run.yaml": FILE.replace(b"spec:", b"metadata: {name: build, labels: {team: web}}\nspec:"),
}
OVERLAY = b"""\
resources: [../../base]
nameSuffix: -main
labels: [{pairs: {tier: nightly, nautes.io/runtime: other}}]
patches:
  - target: {kind: PipelineRun}
    patch: |-
      - {op: replace, path: /spec/params/0/name, value: place}
      - {op: add, path: /spec/taskRunTemplate, value: {serviceAccountName: admin}}
"""


async def test_a_folder_is_built_at_its_commit_and_what_is_ours_stays_forced(place, starter):
    files = {**BASE, "ci/overlays/main/kustomization.yaml": OVERLAY}
    run, delivery = await pushed(place, "ci/overlays/main/", files)
    (done,) = await starter.start_all([run], delivery)
    assert done.failure is None
    (created,) = await place.admin.list("PipelineRun", "apple-ci")
    assert created["metadata"]["name"] == run.request.name
    labels = created["metadata"]["labels"]
    assert (labels["team"], labels["tier"], labels["nautes.io/runtime"]) == ("web", "nightly", "apple-ci")
    given = params(created)
    assert (given["place"], given["where"]) == ("ci/overlays/main/", "apple-ci")
    assert created["spec"]["taskRunTemplate"] == {"serviceAccountName": "apple-builder"}


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        (
            b"resources: [../../base]\nhelmCharts: [{name: x}]\n",
            "main/kustomization.yaml:2 'helmCharts' is not built",
        ),
        (b"resources: [https://git.example/x//y]\n", "nothing is fetched"),
        (b"resources: [../../../../etc]\n", "is not in the repository"),
        (b"resources: [../../base/run.yaml]\n", "there is no ../../base/run.yaml"),
        (b"resources: []\n", "builds 0 runs"),
    ],
)
async def test_a_folder_that_is_not_built_is_refused_beside_the_commit(place, starter, overlay, words):
    files = {**BASE, "ci/overlays/main/kustomization.yaml": overlay}
    run, delivery = await pushed(place, "ci/overlays/main/", files)
    (done,) = await starter.start_all([run], delivery)
    assert isinstance(done.failure, Rejected)
    assert words in str(done.failure)
    status = await place.world.host.status(place.project.id, delivery.after, "nautes/apple-ci")
    assert status.state == "failed"
    assert await place.admin.list("PipelineRun", "apple-ci") == []


@pytest.mark.parametrize(
    ("path", "files", "code"),
    [
        ("none/*.yaml", ["ci/a.yaml"], "no-such-file"),
        ("many/*.yaml", [f"many/{number}.yaml" for number in range(MOST_FILES + 1)], "too-many-files"),
    ],
)
async def test_a_path_that_means_nothing_or_too_much_is_refused_beside_the_commit(
    place, starter, path, files, code
):
    run, delivery = await pushed(place, path, files)
    (done,) = await starter.start_all([run], delivery)
    assert isinstance(done.failure, Rejected)
    assert done.failure.code == code
    status = await place.world.host.status(place.project.id, delivery.after, "nautes/apple-ci")
    assert path in status.description
    assert await place.admin.list("PipelineRun", "apple-ci") == []
