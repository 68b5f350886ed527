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
from support.followed_runs import push, run_place, run_servers

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


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with run_servers(tmp_path_factory.mktemp("starting")) as found:
        yield found


@pytest.fixture
async def place(servers, tmp_path):
    async with run_place(servers, tmp_path) as found:
        yield found
        for run in await found.admin.list("PipelineRun", "apple-ci"):
            await found.admin.delete("PipelineRun", run["metadata"]["name"], "apple-ci")


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
    commit = await place.world.commit(place.project, "main", dict.fromkeys(files, FILE))
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
