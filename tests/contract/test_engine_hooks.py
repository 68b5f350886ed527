"""What every pipeline engine does with hooks: those that take them put them around a file, the others say so."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contract.test_pipeline_engine import REQUEST, TEKTON_FILE
from nautes_adapters.gitlab import GitLabCiEngine
from nautes_adapters.memory import MemoryPipelineEngine
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import Origin
from nautes_domain.failures import Rejected
from nautes_domain.hooks import TAKERS
from support.gitlab_ci import FILE
from support.hooks import AROUND, VALUES


@dataclass
class Harness:
    engine: Any
    source: bytes

    def build(self, *hooks):
        origin = Origin(7, "ci/build.yaml", "main", "0a1b" * 10)
        request = replace(REQUEST, hooks=hooks, origin=origin)
        return self.engine.build(request, self.source, file="ci/build.yaml")


def in_memory(run):
    return [[(one["label"], one["values"]) for one in run[place]] for place in ("before", "after")]


def on_tekton(run):
    pipeline = run["spec"]["pipelineSpec"]
    return [
        [
            (
                one["name"].split("-")[2],
                {param["name"]: param["value"].replace("$$", "$") for param in one["params"]},
            )
            for one in pipeline.get(field, ())
            if one["name"].startswith("nautes-")
        ]
        for field in ("tasks", "finally")
    ]


READ = {"memory": in_memory, "tekton": on_tekton}
ENGINES = {
    "memory": lambda: Harness(MemoryPipelineEngine(), json.dumps({"kind": "Run"}).encode()),
    "tekton": lambda: Harness(TektonEngine(None), TEKTON_FILE),
    "gitlab-ci": lambda: Harness(GitLabCiEngine(None, "build-east", None, None, None), FILE),
}


@pytest.fixture(params=ENGINES)
def harness(request):
    return ENGINES[request.param]()


def test_it_says_whether_it_takes_hooks_as_the_rules_know_it(harness):
    assert harness.engine.takes_hooks() is (harness.engine.name in TAKERS | {"memory"})


def test_hooks_stand_in_their_order_with_what_they_are_given(harness):
    if not harness.engine.takes_hooks():
        with pytest.raises(Rejected) as raised:
            harness.build(*AROUND)
        assert raised.value.code == "no-hooks"
        assert raised.value.next_step
        return
    before, after = READ[harness.engine.name](harness.build(*AROUND))
    assert [label for label, _ in before] == ["first", "second"]
    assert [label for label, _ in after] == ["tell", "tidy"]
    assert all(values.items() >= VALUES.items() for _, values in (*before, *after))


def test_without_hooks_every_engine_builds_the_file_alone(harness):
    run = harness.build()
    read = READ.get(harness.engine.name)
    assert read is None or read(run) == [[], []]


def test_building_with_hooks_is_pure(harness):
    if harness.engine.takes_hooks():
        assert harness.build(*AROUND) == harness.build(*AROUND)
        assert harness.build(*AROUND) != harness.build(*AROUND[1:])
