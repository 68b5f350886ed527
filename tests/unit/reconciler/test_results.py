from datetime import UTC, datetime, timedelta

import pytest

from nautes_domain.effects import Cause
from nautes_domain.plan import Verb
from nautes_domain.runs import Progress, RunPhase, RunState, spent
from nautes_reconciler.results import action_of, status_of

START = datetime(2026, 1, 1, tzinfo=UTC)
WHICH = "PipelineRun apple-ci-01 on build-east"
COMMIT = "0a1b" * 10


def run(phase, reason="", message="", *, seconds=None, reported="", name="apple-ci-01"):
    end = None if seconds is None else START + timedelta(seconds=seconds)
    progress = Progress(phase, reason, message, START, end)
    cause = Cause(delivery="d-1", repository="orchard/src", ref="refs/heads/main", commit=COMMIT, actor="eve")
    return RunState(name, "apple-ci", "u-1", "orchard", "apple-ci", 7, cause, progress, reported)


@pytest.mark.parametrize(
    ("state", "shown", "words"),
    [
        (run(RunPhase.PENDING), "pending", WHICH),
        (run(RunPhase.RUNNING, "Running"), "running", f"{WHICH} is running"),
        (run(RunPhase.SUCCEEDED, "Completed", seconds=72), "success", f"{WHICH} succeeded in 1 min 12 s"),
        (run(RunPhase.SUCCEEDED), "success", f"{WHICH} succeeded"),
        (
            run(RunPhase.FAILED, "Failed", "task unit: exit 3", seconds=5),
            "failed",
            f"Failed: task unit: exit 3 ({WHICH}, after 5 s)",
        ),
        (run(RunPhase.FAILED, "CreateRunFailed"), "failed", f"CreateRunFailed ({WHICH})"),
        (
            run(RunPhase.CANCELLED, "Deleted", "the run was deleted"),
            "canceled",
            f"Deleted: the run was deleted ({WHICH})",
        ),
        (run(RunPhase.CANCELLED), "canceled", f"cancelled ({WHICH})"),
    ],
)
def test_every_phase_has_its_status_and_words(state, shown, words):
    status = status_of("build-east", state)
    assert (status.state, status.name, status.description, status.ref) == (
        shown,
        "nautes/apple-ci",
        words,
        "main",
    )


def test_a_description_begins_with_the_reason_and_fits():
    state = run(RunPhase.FAILED, "Failed", "x" * 200, seconds=5, name="n" * 63)
    words = status_of("c" * 63, state).description
    assert len(words) == 255
    assert words.startswith("Failed: xxx")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (185, "3 min 5 s"), (3600, "1 h 0 min"), (90061, "25 h 1 min")],
)  # fmt: skip
def test_durations_are_for_people(seconds, words):
    assert spent(timedelta(seconds=seconds)) == words


def test_the_record_names_commit_and_runtime_and_is_the_same_whatever_was_told_before():
    first, later = run(RunPhase.RUNNING), run(RunPhase.RUNNING, reported="pending")
    action = action_of(first, status_of("build-east", first))
    assert str(action.ref) == f"gitlab CommitStatus orchard/src@{COMMIT[:12]}/nautes/apple-ci"
    assert (action.verb, action.entity) == (Verb.UPDATE, "ProjectPipelineRuntime/apple-ci")
    assert action == action_of(later, status_of("build-east", later))
    pending = run(RunPhase.PENDING)
    assert action_of(pending, status_of("build-east", pending)).verb is Verb.CREATE
