"""Which hooks are offered: what is wrong with one is said, and it is none; the platform's own are sound."""

from dataclasses import replace

import pytest

from nautes_domain.hooks import HookKind, Resource
from nautes_hooks import installed, sorted_out
from nautes_hooks.checking import faults
from nautes_hooks.offered import HOOKS

STEP = {"image": "busybox", "env": [{"name": "ROOM", "value": "$(params.room)"}], "script": 'echo "$ROOM"'}
SOUND = HookKind(
    name="notify",
    component="tekton",
    description="Tells a room.",
    is_pre_hook=True,
    is_post_hook=True,
    variables={
        "type": "object",
        "properties": {"room": {"type": "string"}},
        "additionalProperties": False,
    },
    wants=("ref", "PipelineStatus"),
    resources={"folder": Resource.EMPTY},
    task={"steps": [STEP]},
)


def said(**changes):
    return " | ".join(faults(replace(SOUND, **changes)))


def step(**changes):
    return {"task": {"steps": [{**STEP, **changes}]}}


def test_a_sound_hook_has_no_fault():
    assert said() == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Notify"}, "lower-case"),
        ({"name": "n" * 41}, "1 to 40"),
        ({"component": "gitlab-ci"}, "'gitlab-ci' takes no hooks"),
        ({"description": " "}, "does not say what it does"),
        ({"is_pre_hook": False, "is_post_hook": False}, "neither before nor after"),
        ({"event_source_types": frozenset({"moon"})}, "calendar, gitlab, and nothing else"),
        ({"variables": {"type": "nonsense"}}, "the schema of its variables is none"),
        ({"variables": {"type": "object"}}, "additionalProperties: false"),
        ({"variables": {**SOUND.variables, "properties": {"n": {"type": "integer"}}}}, "not of type string"),
        ({"variables": {**SOUND.variables, "allOf": [{"$ref": "https://x.example/s"}]}}, "refers to another"),
        ({"wants": ("author",)}, "there is no variable author"),
        ({"wants": ("ref", "ref")}, "ref means two things"),
        ({"is_post_hook": False}, "nobody knows before"),
        ({"resources": {"../x": Resource.EMPTY}}, "cannot be the name of a folder"),
        ({"optional": frozenset({"ca"})}, "ca may be missing and is not asked for"),
        ({"task": {"steps": []}}, "no steps"),
        ({"task": {"steps": [{"script": "echo"}]}}, "no image"),
        ({"task": {"steps": [STEP], "params": []}}, "its task says params"),
        (step(script="echo $(params.room)"), "steps.0.script holds $(params.room)"),
        (step(script='echo $(params["room"])'), "through `env` only"),
        (step(args=["-c", "$(params.ref)"]), "steps.0.args.1 holds"),
        (step(command=["sh", "-c", "$(context.pipelineRun.name)"]), "steps.0.command.2 holds"),
        (step(image="$(params.room)"), "steps.0.image holds"),
        (step(env=[{"name": "A", "value": "$(params.other)"}]), "$(params.other) is nothing"),
        (step(env=[{"name": "A", "value": "$(tasks.a.results.b)"}]), "is nothing that it asks for"),
    ],
)
def test_what_is_wrong_with_a_hook_is_said(changes, words):
    assert words in said(**changes)


def test_one_broken_hook_keeps_no_other_from_being_offered():
    broken = replace(SOUND, name="broken", task={})
    found = sorted_out([("a:x", SOUND), ("b:x", broken)])
    assert found.kinds == {"tekton": {"notify": SOUND}}
    assert found.problems == ("hook 'broken' of b:x is not offered: its task has no steps",)


def test_of_two_hooks_of_one_name_neither_is_offered():
    found = sorted_out([("a:x", SOUND), ("b:x", SOUND), ("b:x", SOUND)])
    assert found.kinds == {}
    assert found.problems == (
        "hook 'notify' is not offered: it is there twice, in a:x and b:x and b:x; rename one",
    )


def test_the_platforms_own_hooks_are_installed():
    assert installed().problems == ()
    assert set(installed().kinds["tekton"]) == {"call-webhook", "list-path", "wait-for"}
    assert all(not list(faults(hook)) for hook in HOOKS)
