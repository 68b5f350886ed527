"""What we build of a folder, the real kustomize builds equally; and what it refuses, we refuse."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nautes_domain.failures import Rejected
from support.kustomize import ours, theirs

RUN = """apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: build, labels: {from: file}}
spec:
  params:
  - {name: revision, value: main}
  - {name: list, value: [a, b]}
  pipelineRef: {name: p}
  timeouts: {pipeline: 1h, tasks: 30m}
"""
BASE = {"base/kustomization.yaml": "resources: [run.yaml]\nnamePrefix: p-\n", "base/run.yaml": RUN}
HEAD = "{apiVersion: tekton.dev/v1, kind: PipelineRun, metadata: {name: %s}, spec: %s}"


def over(text, **files):
    """An overlay on the base; file names are given with `_` for a dot."""
    more = {f"over/{name.replace('_', '.')}": content for name, content in files.items()}
    return {**BASE, "over/kustomization.yaml": f"resources: [../base]\n{text}", **more}


def patched(*operations):
    lines = "".join(f"    - {one}\n" for one in operations)
    return over(f"patches:\n- target: {{kind: PipelineRun}}\n  patch: |-\n{lines}")


SAME = {
    "a base as it is": over(""),
    "a file of the folder": {"over/kustomization.yml": "resources: [./x/../run.yaml]\n", "over/run.yaml": RUN},
    "prefix and suffix over a prefix": over("namePrefix: a-\nnameSuffix: -z\n"),
    "namespace": over("namespace: there\n"),
    "labels, the older word last": over("labels: [{pairs: {a: '1', from: l}}, {pairs: {a: '2'}}]\ncommonLabels: {a: '3'}\n"),
    "labels for selectors too": over("labels: [{pairs: {a: '1'}, includeSelectors: true, includeTemplates: true}]\n"),
    "annotations": over("commonAnnotations: {a: b, c: ''}\n"),
    "a patch by the first name": over("patches: [{path: p.yaml}]\n", p_yaml=HEAD % ("build", "{timeouts: {tasks: null}, x: {y: null}}")),
    "a patch by the present name": over("patches: [{path: p.yaml}]\n", p_yaml=HEAD % ("p-build", "{params: [{name: only, value: x}]}")),
    "two patches in a file": over("patches: [{path: p.yaml}]\n", p_yaml=f"{HEAD % ('build', '{a: 1}')}\n---\n{HEAD % ('p-build', '{b: {}}')}\n"),
    "a patch with a target": over(f"patches: [{{target: {{name: p-.*}}, patch: '{HEAD % ('other', '{a: true}')}'}}]\n"),
    "a target that means the first name": over(f"patches: [{{target: {{name: build, version: v1, group: tekton.dev, namespace: default}}, patch: '{HEAD % ('o', '{a: 1.5}')}'}}]\n"),
    "a target that means a part of the name": over(f"patches: [{{target: {{name: buil}}, patch: '{HEAD % ('o', '{a: 1}')}'}}]\n"),
    "a target of two that mean parts": over(f"patches: [{{target: {{name: 'p|x'}}, patch: '{HEAD % ('o', '{a: 1}')}'}}]\n"),
    "an empty target": over(f"patches: [{{target: {{}}, patch: '{HEAD % ('o', '{a: 1}')}'}}]\n"),
    "a patch of a namespace that came later": over(f"namespace: near\npatches: [{{patch: '{HEAD % ('build', '{a: 1}')}'}}]\n"),
    "operations": patched("{op: add, path: /spec/params/-, value: {name: new}}", "{op: replace, path: /spec/params/0/value, value: x}", "{op: remove, path: /spec/timeouts}", "{op: copy, from: /spec/params/1, path: /spec/params/0}", "{op: move, from: /spec/pipelineRef, path: /spec/moved}", "{op: test, path: /spec/params/0/name, value: list}"),
    "operations with null": patched("{op: add, path: /spec/n, value: null}", "{op: add, path: /metadata/labels/a~1b, value: c}"),
    "labels over labels of a patch": over(f"labels: [{{pairs: {{from: l}}}}]\npatches: [{{patch: '{HEAD.replace('name: %s', 'name: %s, labels: {from: p, b: c}') % ('build', '{}')}'}}]\n"),
}  # fmt: skip

REFUSED = {
    "no kustomization file": {"over/run.yaml": RUN},
    "two kustomization files": {**over(""), "over/kustomization.yml": "resources: [../base]\n"},
    "a number for a label": over("commonLabels: {a: 1}\n"),
    "a resource that is not there": {"over/kustomization.yaml": "resources: [gone.yaml]\n"},
    "a file outside of the folder": {**BASE, "over/kustomization.yaml": "resources: [../base/run.yaml]\n"},
    "a patch outside of the folder": over("patches: [{path: ../base/run.yaml}]\n"),
    "the folder itself": {"over/kustomization.yaml": "resources: [.]\n", "over/run.yaml": RUN},
    "a folder above": {**BASE, "base/in/kustomization.yaml": "resources: [..]\n", "over/kustomization.yaml": "resources: [../base/in]\n"},
    "folders in a circle": {"over/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../over]\n"},
    "one object twice": {**BASE, "more/kustomization.yaml": "resources: [../base]\n", "over/kustomization.yaml": "resources: [../base, ../more]\n"},
    "a patch of nothing": over(f"patches: [{{patch: '{HEAD % ('other', '{}')}'}}]\n"),
    "a patch of another version": over(f"patches: [{{patch: '{HEAD.replace('/v1', '/v2') % ('build', '{}')}'}}]\n"),
    "a patch of another namespace": over(f"patches: [{{patch: '{HEAD.replace('name: %s', 'name: %s, namespace: n') % ('build', '{}')}'}}]\n"),
    "a patch of another sort": over(f"patches: [{{patch: '{HEAD % ('build', '{params: {a: 1}}')}'}}]\n"),
    "a patch that makes text of a mapping": over(f"patches: [{{patch: '{HEAD % ('build', '{timeouts: 1h}')}'}}]\n"),
    "a patch without a name": over("patches: [{target: {kind: PipelineRun}, patch: 'spec: {a: 1}'}]\n"),
    "several patches with a target": over("patches: [{path: p.yaml, target: {kind: PipelineRun}}]\n", p_yaml=f"{HEAD % ('build', '{a: 1}')}\n---\n{HEAD % ('build', '{b: 1}')}\n"),
    "path and patch": over(f"patches: [{{path: p.yaml, patch: '{HEAD % ('build', '{}')}'}}]\n", p_yaml=HEAD % ("build", "{}")),
    "operations without a target": over("patches: [{patch: '[{op: remove, path: /spec/params}]'}]\n"),
    "removing what is not there": patched("{op: remove, path: /spec/none}"),
    "adding beyond the end": patched("{op: add, path: /spec/params/3, value: 1}"),
    "adding below nothing": patched("{op: add, path: /spec/a/b, value: 1}"),
    "a test that fails": patched("{op: test, path: /spec/params/0/name, value: x}"),
    "a test of another type": patched("{op: add, path: /spec/a, value: 1}", "{op: test, path: /spec/a, value: true}"),
    "an expression that is none": over(f"patches: [{{target: {{name: '('}}, patch: '{HEAD % ('o', '{}')}'}}]\n"),
    "an object without a name": {"over/kustomization.yaml": "resources: [run.yaml]\n", "over/run.yaml": RUN.replace("name: build", "generateName: build")},
    "operations that are neither JSON nor lines": over("patches: [{target: {kind: PipelineRun}, patch: '[{op: remove, path: /spec/params}]'}]\n"),
}  # fmt: skip

STRICTER = {
    "a field that there is not": over("nameprefix: x\n"),
    "another kind of file": over("kind: Component\n"),
    "replacing what is not there": patched("{op: replace, path: /spec/none, value: 1}"),
    "a pointer without a slash": patched("{op: add, path: spec/b, value: 1}"),
    "an index from behind": patched("{op: add, path: /spec/params/-1, value: 1}"),
    "another name by an operation": patched("{op: replace, path: /metadata/name, value: x}"),
    "another kind by an operation": patched("{op: replace, path: /kind, value: Pod}"),
    "directives": over(f"patches: [{{patch: '{HEAD % ('build', '{timeouts: {$patch: delete}}')}'}}]\n"),
    "two runs": {**BASE, "over/kustomization.yaml": "resources: [../base, run.yaml]\n", "over/run.yaml": RUN},
    "something else beside the run": ({**BASE, "over/kustomization.yaml": "resources: [../base, pod.yaml]\n", "over/pod.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: p}}\n"}),
    "generated maps": over("configMapGenerator: [{name: c, literals: [a=b]}]\n"),
    "images": over("images: [{name: a, newTag: b}]\n"),
    "old patches": over("patchesStrategicMerge: [p.yaml]\n", p_yaml=HEAD % ("build", "{}")),
    "an object that is for local use": {"over/kustomization.yaml": "resources: [../base, run.yaml]\n", **BASE, "over/run.yaml": RUN.replace("labels:", "annotations: {config.kubernetes.io/local-config: 'true'}, labels:")},
}  # fmt: skip


@pytest.mark.parametrize("files", SAME.values(), ids=SAME)
def test_what_we_build_is_what_kustomize_builds(files, tmp_path):
    assert [ours(files, "over/")] == theirs(files, "over", tmp_path)


@pytest.mark.parametrize("files", REFUSED.values(), ids=REFUSED)
def test_what_kustomize_refuses_we_refuse(files, tmp_path):
    assert theirs(files, "over", tmp_path) is None
    with pytest.raises(Rejected) as caught:
        ours(files, "over/")
    assert caught.value.code in {"pipeline-file", "yaml"}
    assert str(caught.value)


@pytest.mark.parametrize("files", STRICTER.values(), ids=STRICTER)
def test_what_kustomize_lets_pass_and_we_do_not(files, tmp_path):
    assert theirs(files, "over", tmp_path) is not None
    with pytest.raises(Rejected) as caught:
        ours(files, "over/")
    assert caught.value.next_step


WORDS = st.sampled_from(["a", "b", "name", "x y", "é"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=5,
)
SPECS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
POINTERS = st.sampled_from(
    ["/spec/a", "/spec/b/0", "/spec/c/-", "/spec/a/b", "/metadata/labels/x", "/spec/c"]
)
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "test"]), "path": POINTERS, "value": VALUES}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS}),
    st.fixed_dictionaries({"op": st.sampled_from(["copy", "move"]), "path": POINTERS, "from": POINTERS}),
)


def merge(name, spec):
    value = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": name}, "spec": spec}
    return {"patch": json.dumps(value)}


TARGETS = st.dictionaries(
    st.sampled_from(["name", "kind"]),
    st.sampled_from(["build", "p-build", ".*build", "p", "PipelineRun", ""]),
    max_size=2,
)
PATCHES = st.one_of(
    st.builds(merge, st.sampled_from(["build", "p-build"]), SPECS),
    st.builds(
        lambda target, given: {"target": target, "patch": json.dumps(given)},
        TARGETS,
        st.lists(OPERATIONS, min_size=1, max_size=3),
    ),
    st.builds(lambda target, spec: {"target": target, **merge("any", spec)}, TARGETS, SPECS),
)
TEXTS = st.dictionaries(st.sampled_from(["team", "x"]), st.sampled_from(["one", "2"]), max_size=2)
LAYERS = st.fixed_dictionaries(
    {},
    optional={
        "namePrefix": st.sampled_from(["p-", "q-"]),
        "nameSuffix": st.just("-s"),
        "namespace": st.sampled_from(["n", "m"]),
        "commonLabels": TEXTS,
        "labels": st.lists(st.fixed_dictionaries({"pairs": TEXTS}), max_size=2),
        "commonAnnotations": TEXTS,
        "patches": st.lists(PATCHES, max_size=2),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=SPECS, base=LAYERS, above=LAYERS)
def test_whatever_the_layers_say_nothing_is_built_otherwise(spec, base, above):
    run = yaml.safe_load(RUN)
    files = {
        "base/kustomization.yaml": json.dumps({"resources": ["run.yaml"], **base}),
        "base/run.yaml": json.dumps({**run, "spec": spec}),
        "over/kustomization.yaml": json.dumps({"resources": ["../base"], **above}),
    }
    with tempfile.TemporaryDirectory() as folder:
        real = theirs(files, "over", Path(folder))
    try:
        built = [ours(files, "over/")]
    except Rejected:
        built = None
    # Stricter is allowed, as for operations on what is not there; other is not.
    assert built is None or built == real
