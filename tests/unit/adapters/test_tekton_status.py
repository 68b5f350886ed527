"""Tekton's words for a run, in ours. The table is that of Tekton's documentation and source, v1.15."""

from datetime import UTC, datetime

import pytest

from nautes_adapters.tekton.status import failing_task, progress_of, state_of
from nautes_domain.runs import RunPhase
from support import tekton

PENDING, RUNNING = RunPhase.PENDING, RunPhase.RUNNING
SUCCEEDED, FAILED, CANCELLED = RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.CANCELLED


@pytest.mark.parametrize(
    ("succeeded", "reason", "phase"),
    [
        ("Unknown", "Started", RUNNING),
        ("Unknown", "Running", RUNNING),
        ("Unknown", "ResolvingPipelineRef", RUNNING),
        ("Unknown", "PipelineRunPending", PENDING),
        ("Unknown", "PipelineRunStopping", RUNNING),
        ("Unknown", "Cancelled", RUNNING),
        ("Unknown", "CancelledRunningFinally", RUNNING),
        ("Unknown", "StoppedRunningFinally", RUNNING),
        ("Unknown", "PipelineRunCouldntCancel", RUNNING),
        ("Unknown", "PipelineRunCouldntTimeOut", RUNNING),
        ("True", "Succeeded", SUCCEEDED),
        ("True", "Completed", SUCCEEDED),
        ("False", "Failed", FAILED),
        ("False", "Cancelled", CANCELLED),
        ("False", "CancelledRunningFinally", CANCELLED),
        ("False", "PipelineRunTimeout", FAILED),
        ("False", "CouldntGetPipeline", FAILED),
        ("False", "CouldntGetTask", FAILED),
        ("False", "CouldntGetPipelineResult", FAILED),
        ("False", "CreateRunFailed", FAILED),
        ("False", "PipelineValidationFailed", FAILED),
        ("False", "PipelineInvalidGraph", FAILED),
        ("False", "InvalidWorkspaceBindings", FAILED),
        ("False", "InvalidTaskRunSpecs", FAILED),
        ("False", "ParameterMissing", FAILED),
        ("False", "ParameterTypeMismatch", FAILED),
        ("False", "InvalidTaskResultReference", FAILED),
        ("False", "ResourceVerificationFailed", FAILED),
        ("False", "a reason of a later version", FAILED),
    ],
)
def test_the_condition_says_how_far_a_run_is(succeeded, reason, phase):
    found = progress_of(tekton.status(succeeded, reason, "its message"))
    assert (found.phase, found.reason, found.message) == (phase, reason, "its message")
    assert found.started_at == datetime(2026, 5, 4, 2, 0, 11, tzinfo=UTC)
    assert (found.finished_at is None) == (succeeded == "Unknown")


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"conditions": []},
        {"conditions": None},
        {"conditions": [{"type": "Ready", "status": "True", "reason": "Other"}]},
        {"startTime": "soon", "completionTime": "2026-05-04"},
    ],
)
def test_a_run_that_tekton_has_not_picked_up_is_pending(status):
    found = progress_of(status)
    assert (found.phase, found.reason, found.started_at, found.finished_at) == (PENDING, "", None, None)


def test_messages_are_bounded_and_hold_no_credentials():
    message = "failed to fetch https://bot:glpat-canary4711@git.example/x.git\n" + "y" * 5000
    found = progress_of(tekton.status("False", "CouldntGetPipeline", message))
    assert "canary" not in found.message
    assert found.message.startswith("failed to fetch https://git.example/x.git y")
    assert len(found.message) <= 200


def task(name, succeeded, reason, message="", ended=tekton.FINISHED):
    status = {
        **tekton.status(succeeded, reason, message),
        **({"completionTime": ended} if succeeded == "False" else {}),
    }
    labels = {"tekton.dev/pipelineTask": name}
    return {"metadata": {"name": f"run-{name}", "labels": labels}, "status": status}


def test_the_task_that_failed_first_is_named_with_its_reason():
    tasks = [
        task("late", "False", "Failed", "it fell over", ended="2026-05-04T02:05:00Z"),
        task("fine", "True", "Succeeded"),
        task("unit", "False", "Failed", tekton.TASK_FAILED["conditions"][0]["message"]),
        task("follows", "False", "TaskRunCancelled", "cancelled", ended="2026-05-04T02:00:00Z"),
        task("busy", "Unknown", "Running"),
    ]
    words = failing_task(tasks)
    assert words.startswith('task unit: "step-unit" exited with code 3')
    assert "kubectl" not in words


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([], ""),
        ([task("a", "True", "Succeeded"), {"metadata": {"name": "new"}}], ""),
        ([task("a", "False", "TaskRunCancelled")], ""),
        ([task("a", "False", "TaskRunImagePullFailed")], "task a: TaskRunImagePullFailed"),
        ([{**task("a", "False", "X", "y"), "metadata": {"name": "run-a"}}], "task run-a: y"),
    ],
)
def test_a_task_that_says_little_is_named_as_far_as_it_can_be(tasks, words):
    assert failing_task(tasks) == words


@pytest.mark.parametrize("run", [{}, {"metadata": {}}, {"metadata": {"labels": None, "annotations": None}}])
def test_a_run_of_somebody_else_is_none_of_ours(run):
    assert state_of(run) is None
