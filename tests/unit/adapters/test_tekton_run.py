from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_adapters.tekton import build
from nautes_adapters.tekton.rules import duration
from nautes_adapters.tekton.run import traced
from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Rejected

REQUEST = RunRequest(
    name="apple-ci-0123456789abcdef0123",
    namespace="apple-ci",
    account="apple-builder",
    labels={"nautes.io/runtime": "apple-ci"},
    annotations={"nautes.io/delivery": "d-1"},
    params={"revision": "0a1b", "ref": "refs/heads/main"},
)

TRUNK = b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  generateName: trunk-
  namespace: kube-system
  labels:
    team: apples
    nautes.io/runtime: forged
    tekton.dev/pipeline: forged
  annotations:
    vault.hashicorp.com/role: orchard.apple-builder
    nautes.io/delivery: forged
    sub.tekton.dev/x: forged
  ownerReferences: [{kind: Node}]
  finalizers: [never]
spec:
  params:
  - {name: revision, value: main}
  - {name: depth, value: "1"}
  taskRunTemplate:
    serviceAccountName: cluster-admin
    podTemplate: {nodeSelector: {arch: arm64}}
  taskRunSpecs:
  - {pipelineTaskName: test, serviceAccountName: cluster-admin, timeout: 5m}
  pipelineSpec:
    params: [{name: revision}, {name: depth}]
    tasks:
    - name: test
      taskSpec: {steps: [{name: one, image: busybox, script: "echo hi"}]}
"""


def built(source=TRUNK, request=REQUEST):
    return build(request, source, file="ci/trunk.yaml")


def violations(source, request=REQUEST):
    with pytest.raises(Rejected) as raised:
        built(source if isinstance(source, bytes) else source.encode(), request)
    assert raised.value.code in {"pipeline-file", "yaml"}
    assert all(one.file == "ci/trunk.yaml" for one in raised.value.violations)
    return raised.value.violations


def spec(text):
    """A run with the given lines under `spec`; they start at line 5."""
    lines = "\n".join(f"  {line}" for line in text.splitlines())
    return f"apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{name: x}}\nspec:\n{lines}\n"


def test_name_place_and_account_are_forced():
    run = built()
    metadata = run["metadata"]
    assert set(metadata) == {"name", "namespace", "labels", "annotations"}
    assert (metadata["name"], metadata["namespace"]) == (REQUEST.name, "apple-ci")
    assert metadata["labels"] == {"team": "apples", "nautes.io/runtime": "apple-ci"}
    assert metadata["annotations"] == {
        "vault.hashicorp.com/role": "orchard.apple-builder",
        "nautes.io/delivery": "d-1",
    }
    assert run["spec"]["taskRunTemplate"] == {
        "serviceAccountName": "apple-builder",
        "podTemplate": {"nodeSelector": {"arch": "arm64"}},
    }
    assert run["spec"]["taskRunSpecs"] == [{"pipelineTaskName": "test", "timeout": "5m"}]
    assert "cluster-admin" not in str(run)


def test_event_data_becomes_parameters():
    assert built()["spec"]["params"] == [
        {"name": "revision", "value": "0a1b"},
        {"name": "depth", "value": "1"},
        {"name": "ref", "value": "refs/heads/main"},
    ]


def test_building_twice_gives_the_same_and_changes_nothing():
    assert built() == built()
    assert REQUEST.params == {"revision": "0a1b", "ref": "refs/heads/main"}


HOSTILE = ["$(rm -rf /)", "`id`", "'; id #", '"\n- name: evil', "{{ x }}", "${HOME}", "\u202e", "a: b"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_event_data_stays_one_parameter_value(value):
    run = built(request=replace(REQUEST, params={"ref": value}))
    assert {"name": "ref", "value": value} in run["spec"]["params"]
    harmless = built(request=replace(REQUEST, params={"ref": "main"}))
    assert run["spec"]["pipelineSpec"] == harmless["spec"]["pipelineSpec"]


@given(st.text(max_size=60))
def test_event_data_never_shows_outside_its_parameter(value):
    try:
        run = built(request=replace(REQUEST, params={"ref": value}))
    except Rejected:
        assert "$(" in value
        return
    values = {one["name"]: one["value"] for one in run["spec"]["params"]}
    assert values == {"revision": "main", "depth": "1", "ref": value}
    assert {key: part for key, part in run["spec"].items() if key != "params"} == {
        key: part for key, part in built()["spec"].items() if key != "params"
    }


@pytest.mark.parametrize(
    "value", ["$(tasks.a.results.b)", "x$(params.depth)", "$(params['depth'])", "$(workspaces.s.path)"]
)
def test_event_data_that_tekton_would_expand_is_refused(value):
    (found,) = violations(TRUNK, replace(REQUEST, params={"ref": value}))
    assert found.rule == "event-data"


def test_event_data_for_a_list_parameter_is_refused():
    source = TRUNK.replace(b"[{name: revision}, ", b"[{name: revision, type: array}, ")
    (found,) = violations(source)
    assert (found.rule, found.line) == ("event-data", 26)


@pytest.mark.parametrize(
    ("source", "rule", "line"),
    [
        ("", "pipeline-run", 1),
        ("apiVersion: v1\nkind: Pod\n", "pipeline-run", 2),
        ("kind: ClusterRoleBinding\n", "pipeline-run", 1),
        ("apiVersion: v1\nkind: List\nitems: []\n", "pipeline-run", 2),
        ("kind: PipelineRun\napiVersion: tekton.dev/v1beta1\n", "pipeline-run", 2),
        (TRUNK.decode() + "---\nkind: Pod\n", "pipeline-run", 31),
        ("apiVersion: tekton.dev/v1\nkind: PipelineRun\n", "tekton-spec", 1),
        ("apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: []\n", "tekton-spec", 3),
        ("apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineSpec: {}}\nitems: []\n", "unknown-field", 4),
        ("a: [", "yaml", 2),
        ("a: 1\na: 2\n", "yaml", 2),
        (spec("params: []"), "tekton-pipeline", 5),
        (spec("pipelineSpec: {}\npipelineRef: {name: a}"), "tekton-pipeline", 5),
        (spec("pipelineRef: a"), "tekton-pipeline", 5),
        (spec("pipelineRef: {name: a}\nserviceAccountName: root"), "unknown-field", 6),
        (spec("pipelineRef: {name: a}\nstatus: Paused"), "tekton-status", 6),
        (spec("pipelineRef: {name: a}\nstatus: 1"), "tekton-status", 6),
        (spec("pipelineRef: {name: a}\nmanagedBy: me.example/x"), "tekton-managed-by", 6),
        (spec("pipelineRef: {name: a}\nparams:\n- {name: p, value: 1}\n- {name: p, value: 2}"), "tekton-params", 8),
        (spec("pipelineRef: {name: a}\nparams:\n- {value: x}"), "tekton-params", 7),
        (spec("pipelineRef: {name: a}\nparams:\n- {name: x}"), "tekton-params", 7),
        (spec("pipelineRef: {name: a}\nparams: {x: y}"), "tekton-params", 6),
        (spec('pipelineRef: {name: a}\nparams:\n- {name: x, value: "$(tasks.t.results.r)"}'), "tekton-params", 7),
        (spec('pipelineRef: {name: a}\nparams:\n- {name: x, value: ["$(finally.t.results.r)"]}'), "tekton-params", 7),
        (spec("pipelineRef: {name: a}\nworkspaces:\n- {name: w, emptyDir: {}}\n- {name: w, emptyDir: {}}"), "tekton-workspaces", 8),
        (spec("pipelineRef: {name: a}\nworkspaces:\n- {name: w}"), "tekton-workspaces", 7),
        (spec("pipelineRef: {name: a}\nworkspaces:\n- {name: w, emptyDir: {}, secret: {secretName: s}}"), "tekton-workspaces", 7),
        (spec("pipelineRef: {name: a}\ntimeouts: {pipeline: 1h, tasks: 50m, finally: 11m}"), "tekton-timeouts", 6),
        (spec("pipelineRef: {name: a}\ntimeouts:\n  pipeline: 1h\n  tasks: '0'"), "tekton-timeouts", 8),
        (spec("pipelineRef: {name: a}\ntimeouts:\n  pipeline: -1h"), "tekton-timeouts", 7),
        (spec("pipelineRef: {name: a}\ntimeouts:\n  tasks: soon"), "tekton-timeouts", 7),
        (spec("pipelineRef: {name: a}\ntimeouts: 1h"), "tekton-timeouts", 6),
        (spec("pipelineRef: {name: a}\ntaskRunSpecs: {a: b}"), "tekton-spec", 6),
        (spec("pipelineRef: {name: a}\ntaskRunTemplate: x"), "tekton-spec", 6),
        (spec("pipelineRef: {name: a}").replace("{name: x}", "{labels: {a: 1}}"), "metadata", 3),
    ],
)  # fmt: skip
def test_a_file_that_is_not_one_run_is_refused_with_its_line(source, rule, line):
    assert [(one.rule, one.line) for one in violations(source)] == [(rule, line)]


def test_all_violations_come_at_once():
    text = "status: Paused\nserviceAccountName: x\nworkspaces: [{name: w}]\ntimeouts: {tasks: soon}"
    rules = [one.rule for one in violations(spec(text))]
    assert sorted(rules) == [
        "tekton-pipeline",
        "tekton-status",
        "tekton-timeouts",
        "tekton-workspaces",
        "unknown-field",
    ]


def test_the_former_version_comes_with_the_way_out():
    (found,) = violations("kind: PipelineRun\napiVersion: tekton.dev/v1beta1\n")
    assert "apiVersion: tekton.dev/v1" in found.fix
    assert "taskRunTemplate" in found.fix


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h30m", timedelta(minutes=90)), ("0", timedelta(0)), ("1.5h", timedelta(minutes=90)),
        ("-5s", timedelta(seconds=-5)), ("250ms", timedelta(milliseconds=250)), ("", None), ("5", None),
        ("h", None), ("1 h", None), (60, None), ("9" * 35 + "h", None), ("1h\n", None),
    ],
)  # fmt: skip
def test_durations_are_read_as_go_reads_them(text, expected):
    assert duration(text) == expected


def test_the_trace_context_is_an_annotation_and_no_part_of_the_content():
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    request = replace(REQUEST, traceparent=traceparent)
    run = built(request=request)
    assert run == built()
    assert traced(run, "") is run
    added = {
        "tekton.dev/pipelinerunSpanContext": f'{{"traceparent": "{traceparent}"}}',
        "nautes.io/traceparent": traceparent,
    }
    annotations = {**run["metadata"]["annotations"], **added}
    assert traced(run, traceparent) == {**run, "metadata": {**run["metadata"], "annotations": annotations}}


def test_the_run_is_judged_with_its_inputs_in_place():
    """An input may break what the file alone would not: it is refused here, and not by the cluster."""
    file = b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
spec:
  pipelineRef: {name: trunk}
  params: [{name: a, value: x}, {name: b, value: y}]
"""
    with pytest.raises(Rejected) as raised:
        build(replace(REQUEST, inputs={"/spec/params/1/name": "a"}), file, file="ci/trunk.yaml")
    assert "stands twice in params" in raised.value.violations[0].message
    with pytest.raises(Rejected, match="Tekton variable"):
        build(
            replace(REQUEST, inputs={"/spec/params/1/value": "$(context.taskRun.name)"}),
            file,
            file="ci/trunk.yaml",
        )
