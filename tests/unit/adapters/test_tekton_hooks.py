"""Hooks around a pipeline file: order, values that stay text, folders, and files that they cannot be put around."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_adapters.tekton import build
from nautes_adapters.tekton.rules import violations
from nautes_domain.failures import Rejected
from nautes_domain.hooks import PlacedHook, Resource
from nautes_domain.source import Document
from nautes_hooks.offered import HOOKS
from support.crd_schemas import problems
from support.hooks import AROUND, GREEDY, PLAIN, VALUES, placed
from unit.adapters.test_tekton_run import REQUEST

FILE = b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: trunk}
spec:
  workspaces: [{name: cache, emptyDir: {}}]
  pipelineSpec:
    workspaces: [{name: cache}]
    tasks:
    - name: fetch
      taskSpec: {steps: [{name: one, image: busybox}]}
    - name: lint
      runAfter: []
      taskSpec: {steps: [{name: one, image: busybox}]}
    - name: test
      runAfter: [fetch]
      taskSpec: {steps: [{name: one, image: busybox}]}
    finally:
    - name: clean
      taskSpec: {steps: [{name: one, image: busybox}]}
"""
REFERRED = b"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: trunk}
spec:
  pipelineRef: {name: shared}
"""


def built(*hooks, source=FILE):
    return build(replace(REQUEST, hooks=hooks), source, file="ci/trunk.yaml")


def tasks(run, field="tasks"):
    return {one["name"]: one for one in run["spec"]["pipelineSpec"].get(field, ())}


def accepted(run):
    """Say that Tekton's schema and our check of its webhook's rules find nothing."""
    assert problems(run) == []
    assert violations(Document("run", run, {}), {}) == ()
    return run


def refused(source, *hooks):
    with pytest.raises(Rejected) as raised:
        built(*hooks, source=source)
    assert raised.value.code == "pipeline-file"
    return {(one.rule, one.field, one.line): one for one in raised.value.violations}


def test_hooks_before_run_in_their_order_and_the_files_tasks_wait_for_the_last():
    run = accepted(built(*AROUND))
    found = {name: one.get("runAfter") for name, one in tasks(run).items()}
    assert found == {
        "nautes-pre-first": None,
        "nautes-pre-second": ["nautes-pre-first"],
        "fetch": ["nautes-pre-second"],
        "lint": ["nautes-pre-second"],
        "test": ["fetch"],
    }
    assert list(tasks(run, "finally")) == ["clean", "nautes-post-tell", "nautes-post-tidy"]


def test_a_hook_that_fails_ends_the_run():
    assert not {"onError", "when", "retries"} & tasks(built(*AROUND))["nautes-pre-first"].keys()


def test_hooks_after_know_how_the_pipeline_ended_and_those_before_do_not():
    run = built(*AROUND)

    def status(one):
        return next(param["value"] for param in one["params"] if param["name"] == "PipelineStatus")

    assert status(tasks(run, "finally")["nautes-post-tell"]) == "$(tasks.status)"
    assert status(tasks(run)["nautes-pre-first"]) == ""


def test_without_hooks_nothing_is_added():
    run = built()
    assert list(tasks(run)) == ["fetch", "lint", "test"]
    assert "runAfter" not in tasks(run)["fetch"]
    assert [one["name"] for one in run["spec"]["workspaces"]] == ["cache"]
    after = built(placed("tell", after=True))
    assert "runAfter" not in tasks(after)["fetch"]
    assert (
        "finally"
        not in built(placed("first"), source=FILE.partition(b"    finally")[0])["spec"]["pipelineSpec"]
    )


def test_values_are_parameters_and_stand_in_no_other_place():
    """Whatever people and events say, the steps are those of the hook, word by word."""
    wild = '$(cat /etc/passwd) "; \n `id` {{x}} %s \\'
    plain, run = built(placed("a", GREEDY)), accepted(built(placed("a", GREEDY, room=wild, ref=wild)))
    task = tasks(run)["nautes-pre-a"]
    assert task["taskSpec"] == tasks(plain)["nautes-pre-a"]["taskSpec"]
    assert task["taskSpec"]["steps"] == GREEDY.task["steps"]
    given = {one["name"]: one["value"] for one in task["params"]}
    assert given["room"] == given["ref"] == wild.replace("$", "$$")
    assert wild not in str(task["taskSpec"])


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_said_the_task_stays_the_same(room, ref):
    try:
        run = built(placed("a", GREEDY, room=room, ref=ref))
    except Rejected as refusal:
        assert {one.rule for one in refusal.violations} == {"event-data"}
        return
    task = tasks(run)["nautes-pre-a"]
    assert task["taskSpec"] == tasks(built(placed("a", GREEDY)))["nautes-pre-a"]["taskSpec"]
    assert {one["name"]: one["value"] for one in task["params"]}["ref"].replace("$$", "$") == ref


@pytest.mark.parametrize("name", ["room", "ref"])
def test_what_tekton_would_replace_is_refused(name):
    found = refused(FILE, placed("a", **{name: "$(tasks.fetch.results.token)"}))
    (one,) = found.values()
    assert one.rule == "event-data"
    assert f"a.{name}" in one.message


def test_requested_folders_are_bound_on_the_run():
    run = accepted(built(placed("a", GREEDY), placed("a", GREEDY, after=True)))
    bound = {one.pop("name"): one for one in map(dict, run["spec"]["workspaces"])}
    key = {"apple-api-src.key": "ssh-privatekey", "apple-api-src.url": "url", "known_hosts": "known_hosts"}
    assert bound == {
        "cache": {"emptyDir": {}},
        **{
            f"nautes-{place}-a-{number}": volume
            for place in ("pre", "post")
            for number, volume in enumerate(
                (
                    {"secret": {"secretName": "nautes.hook-keys", "items": [{"key": k, "path": p} for k, p in key.items()]}},
                    {"configMap": {"name": "nautes.authorities", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"emptyDir": {}},
                )
            )
        },
    }  # fmt: skip
    declared = {one["name"] for one in run["spec"]["pipelineSpec"]["workspaces"]}
    assert declared == bound.keys()
    used = tasks(run)["nautes-pre-a"]["workspaces"]
    assert {one["name"]: one["workspace"] for one in used} == {
        "key": "nautes-pre-a-0",
        "ca": "nautes-pre-a-1",
        "copy": "nautes-pre-a-2",
    }


def test_a_folder_that_there_is_nothing_for_may_be_missing():
    hook = replace(placed("a", GREEDY), folders={"key": Resource.SSH_KEY, "copy": Resource.EMPTY})
    task = tasks(accepted(built(hook)))["nautes-pre-a"]
    assert [one["name"] for one in task["workspaces"]] == ["key", "copy"]
    assert {"name": "ca", "optional": True} in task["taskSpec"]["workspaces"]


@pytest.mark.parametrize("hook", HOOKS, ids=[hook.name for hook in HOOKS])
def test_the_platforms_own_hooks_make_runs_that_tekton_takes(hook):
    for after in {not hook.is_pre_hook, hook.is_post_hook}:
        values = dict.fromkeys((name for name in hook.parameters if name != "PipelineStatus"), "x")
        accepted(built(PlacedHook(hook, hook.name, after, values, hook.resources, "apple-api-src")))


def test_names_of_hooks_are_kept_free():
    taken = FILE.replace(b"name: lint", b"name: nautes-pre-x").replace(
        b"name: clean", b"name: nautes-post-tell"
    )
    found = refused(taken.replace(b"name: cache", b"name: nautes-pre-a-0"), *AROUND)
    assert {(rule, field) for rule, field, _ in found} == {
        ("hooks", "spec.pipelineSpec.tasks.1.name"),
        ("hooks", "spec.pipelineSpec.finally.0.name"),
        ("hooks", "spec.pipelineSpec.workspaces.0.name"),
        ("hooks", "spec.workspaces.0.name"),
    }
    assert all(line > 1 for _, _, line in found)
    assert built(source=taken)


def test_hooks_cannot_be_put_around_a_pipeline_that_is_referred_to():
    ((rule, field, line),) = refused(REFERRED, placed("a"))
    assert (rule, field, line) == ("hooks", "spec.pipelineRef", 5)
    assert "spec.hooks" in refused(REFERRED, placed("a"))[rule, field, line].fix
    assert built(source=REFERRED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"    tasks:\n", b"    tasks: [1]\n    other:\n"),
        (b"    workspaces: [{name: cache}]", b"    workspaces: 1"),
        (b"runAfter: []", b"runAfter: fetch"),
        (b"  pipelineSpec:\n", b"  pipelineSpec: []\n  other:\n"),
    ],
)
def test_what_is_no_pipeline_is_refused_in_words(old, new):
    assert old in FILE
    assert "hooks" in {rule for rule, _, _ in refused(FILE.replace(old, new), *AROUND)}


def test_the_same_hook_stands_in_several_places_without_sharing_anything():
    one, other = built(*AROUND), built(*AROUND)
    tasks(one)["nautes-pre-first"]["taskSpec"]["steps"].append("changed")
    assert tasks(other)["nautes-pre-first"]["taskSpec"]["steps"] == PLAIN.task["steps"]
    assert VALUES["room"]
