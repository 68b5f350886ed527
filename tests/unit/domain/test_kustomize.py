"""Folders with kustomization files: what is read, what is refused and where, and that nobody can keep us busy."""

import json

import pytest

from nautes_domain.failures import Rejected
from nautes_domain.kustomize import Content, Listing, build
from support.kustomize import ours

RUN = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: build}\nspec: {params: []}\n"
FILES = {"ci/base/kustomization.yaml": "resources: [run.yaml]\n", "ci/base/run.yaml": RUN}
FACE, FACE_ESCAPED = "😀", json.dumps("😀")[1:-1]
"""As two escapes, which is JSON and no YAML."""
OVER = "ci/over/kustomization.yaml"


def over(text):
    return {**FILES, OVER: text}


def refused(files, folder="ci/over/"):
    with pytest.raises(Rejected) as caught:
        ours(files, folder)
    (violation,) = caught.value.violations
    assert violation.fix
    return violation


def test_only_what_is_needed_is_asked_for():
    steps = build("ci/base/")
    assert next(steps) == Listing("ci/base")
    assert steps.send(sorted(FILES)) == Content("ci/base/kustomization.yaml")
    assert steps.send(FILES["ci/base/kustomization.yaml"].encode()) == Content("ci/base/run.yaml")
    with pytest.raises(StopIteration) as done:
        steps.send(RUN.encode())
    assert json.loads(done.value.value)["kind"] == "PipelineRun"


def test_the_whole_repository_can_be_the_folder():
    assert ours({"kustomization.yaml": "resources: [run.yaml]\n", "run.yaml": RUN}, ".")["metadata"] == {
        "name": "build"
    }


@pytest.mark.parametrize(
    "away",
    [
        "https://github.com/a/b//c?ref=main", "git@github.com:a/b", "github.com/a/b", "ssh://x/y", "git::https://x/y",
        "file:///etc", "../b?ref=main",
    ],
)  # fmt: skip
def test_nothing_is_fetched(away):
    violation = refused(over(f"namePrefix: a-\nresources:\n- ../base\n- {away}\n"))
    assert (violation.file, violation.line, violation.field) == (OVER, 4, "resources.1")
    assert "nothing is fetched" in violation.message


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("../../..", "not in the repository"),
        ("../../../etc/passwd", "not in the repository"),
        ("/etc/passwd", "not in the repository"),
        ("''", "not in the repository"),
        ("gone.yaml", "there is no gone.yaml"),
        ("../gone", "there is no ../gone"),
        ("../base/run.yaml", "there is no ../base/run.yaml"),
        ("../../ci", "holds"),
        (".", "holds"),
        ("1", "not text"),
    ],
)
def test_only_files_of_the_folder_and_folders_of_the_repository_are_read(entry, words):
    violation = refused(over(f"resources: [{entry}]\n"))
    assert words in violation.message
    assert violation.field == "resources.0"


def test_a_link_is_not_listed_and_so_not_followed():
    files = over("resources: [link.yaml]\n")
    assert "links are not followed" in refused(files).fix


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("helmCharts: [{name: x}]", "helmCharts"),
        ("generators: [x.yaml]", "generators"),
        ("transformers: [x.yaml]", "transformers"),
        ("secretGenerator: [{name: x}]", "secretGenerator"),
        ("components: [../base]", "components"),
        ("openapi: {path: x}", "openapi"),
        ("bases: [../base]", "bases"),
        ("nameprefix: x", "nameprefix"),
        ("resources: ../base", "resources"),
        ("labels: [{pairs: {a: 1}}]", "labels.0.pairs.a"),
        ("labels: [{pairs: {a: b}, fields: [{path: x}]}]", "labels.0.fields"),
        ("commonLabels: [a]", "commonLabels"),
        ("patches: [{path: a, patch: b}]", "patches.0"),
        ("patches: [{path: a.yaml}]", "patches.0.path"),
        ("patches: [{path: ../base/run.yaml}]", "patches.0.path"),
        ("patches: [{patch: 'a: [', target: {kind: x}}]", "patches.0.patch"),
        ("patches: [{patch: 'a: b', target: {labelSelector: x}}]", "patches.0.target.labelSelector"),
        (
            "patches: [{patch: 'a: b', target: {kind: x}, options: {allowNameChange: true}}]",
            "patches.0.options",
        ),
        ("namespace: [a]", "namespace"),
        ("apiVersion: kustomize.config.k8s.io/v1", "apiVersion"),
    ],
)
def test_what_is_not_built_is_named(text, field):
    known = "" if text.startswith("resources") else "resources: [../base]\n"
    violation = refused(over(f"{known}{text}\n"))
    assert (violation.field, violation.line) == (field, 1 + known.count("\n"))


def test_objects_beside_the_run_are_refused_where_they_stand():
    files = over("resources: [../base, task.yaml]\n")
    files["ci/over/task.yaml"] = f"{RUN}---\napiVersion: tekton.dev/v1\nkind: Task\nmetadata: {{name: t}}\n"
    violation = refused(files)
    assert (violation.file, violation.line) == ("ci/over/task.yaml", 7)


DOUBLING = [
    {"op": "copy", "from": "/spec", "path": "/spec/a"},
    {"op": "copy", "from": "/spec", "path": "/spec/b"},
]
SWOLLEN = {
    "operations that double": (json.dumps(DOUBLING * 50), "larger"),
    "too many operations": (json.dumps([{"op": "test", "path": "/kind", "value": "PipelineRun"}] * 201), "200 operations"),
    "aliases": ("apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: build}\nspec:\n  a: &a " + "x" * 20_000
                + "".join(f"\n  k{n}: *a" for n in range(99)), "larger"),
}  # fmt: skip


@pytest.mark.parametrize(("patch", "words"), SWOLLEN.values(), ids=SWOLLEN)
def test_a_patch_cannot_swell_the_run(patch, words):
    files = over("resources: [../base]\npatches: [{path: p.yaml, target: {kind: PipelineRun}}]\n")
    assert words in refused({**files, "ci/over/p.yaml": patch}).message


def test_folders_that_build_on_too_many_are_given_up():
    chain = {f"ci/b{n}/kustomization.yaml": f"resources: [../b{n + 1}]\n" for n in range(40)}
    assert "more than 60 files and folders" in refused({**chain, OVER: "resources: [../b0]\n"}).message


def test_too_many_entries_and_too_many_bytes_are_refused():
    assert "100 entries" in refused(over(f"resources: [{', '.join(['../base'] * 101)}]\n")).message
    large = {f"ci/over/r{n}.yaml": f"{RUN.replace('build', f'b{n}')}# {'x' * 600_000}\n" for n in range(2)}
    files = {**large, OVER: "resources: [r0.yaml, r1.yaml]\n"}
    assert "bytes" in refused(files).message


def test_text_that_yaml_would_read_otherwise_comes_out_as_it_was():
    odd = f"yes 1e3 \x85 \u2028 \ufeff é {FACE} \\ \" '"
    run = RUN.replace(
        "params: []",
        f"a: {json.dumps(odd).replace(FACE_ESCAPED, FACE)}, b: 'yes', c: '0755', d: '1e3', e: ''",
    )
    spec = ours({**FILES, "ci/base/run.yaml": run}, "ci/base")["spec"]
    assert spec == {"a": odd, "b": "yes", "c": "0755", "d": "1e3", "e": ""}


def test_what_an_alias_means_is_changed_in_one_place_only():
    run = RUN.replace("spec: {params: []}", "spec: {a: &x {v: 1}, b: *x}")
    patch = json.dumps([{"op": "replace", "path": "/spec/a/v", "value": 2}])
    files = {**FILES, "ci/base/run.yaml": run, "ci/over/p.json": patch}
    files[OVER] = "resources: [../base]\npatches: [{path: p.json, target: {}}]\n"
    assert ours(files, "ci/over")["spec"] == {"a": {"v": 2}, "b": {"v": 1}}
