from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.effects import Cause
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.runs import LONGEST, Marks, Progress, RunPhase, run_state, shown
from nautes_domain.triggers import Facts, match
from support.examples import orchard

COMMIT = "b" * 40
PUSH = Delivery(
    id="d1",
    hook="orchard.apple-api-src",
    kind=DeliveryKind.PUSH,
    event="Push Hook",
    instance="https://git.example",
    project_id=7,
    project="orchard/apple-api-src",
    ref="refs/heads/main",
    before="a" * 40,
    after=COMMIT,
    checkout_sha=COMMIT,
    actor="eve",
    received_at=datetime(2026, 1, 1, tzinfo=UTC),
)
(RUN,) = match(PUSH, orchard(), "apple-api-src", Facts()).runs
MARKS = Marks(RUN.request.name, "apple-ci", "u-1", RUN.request.labels, RUN.request.annotations)


def test_what_a_trigger_marks_a_run_with_suffices_to_report_it():
    state = run_state(MARKS, Progress())
    assert (state.product, state.runtime, state.project_id) == ("orchard", "apple-ci", 7)
    assert (state.commit, state.ref, state.phase, state.reported) == (COMMIT, "main", RunPhase.PENDING, "")
    # When the push came is not kept with the run: nothing that is told of its end needs it.
    assert state.cause == PUSH.cause.model_copy(update={"received_at": None})


@pytest.mark.parametrize(
    ("label", "value"),
    [("nautes.io/product", None), ("nautes.io/runtime", None), ("nautes.io/product", "Not_A.Name")],
)
def test_a_run_without_its_labels_is_nobodys(label, value):
    labels = {key: text for key, text in MARKS.labels.items() if key != label}
    marks = replace(MARKS, labels=labels | ({label: value} if value else {}))
    assert run_state(marks, Progress()) is None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("nautes.io/cause", ""),
        ("nautes.io/commit", ""),
        *(("nautes.io/project-id", text) for text in ("", "-1", "7.0", "orchard/x", "²", "9" * 19)),
    ],
)
def test_a_run_without_its_annotations_is_nobodys(annotation, value):
    marks = replace(MARKS, annotations={**MARKS.annotations, annotation: value})
    assert run_state(marks, Progress()) is None


@pytest.mark.parametrize(
    ("ref", "short"), [("refs/heads/feature/x", "feature/x"), ("refs/tags/v1", "v1"), ("", "")]
)
def test_the_ref_is_shown_short(ref, short):
    marks = replace(MARKS, annotations={**MARKS.annotations, "nautes.io/ref": ref})
    assert run_state(marks, Progress()).ref == short


@pytest.mark.parametrize(
    ("phase", "reported", "news"),
    [
        ("pending", "", True),
        ("pending", "pending", False),
        ("running", "pending", True),
        ("running", "running", False),
        ("pending", "running", False),
        ("succeeded", "", True),
        ("failed", "running", True),
        ("cancelled", "pending", True),
        *((phase, end, False) for phase in RunPhase for end in ("succeeded", "failed", "cancelled")),
        ("running", "anything else", True),
    ],
)
def test_only_what_goes_forward_is_news(phase, reported, news):
    marks = replace(MARKS, annotations={**MARKS.annotations, "nautes.io/reported": reported})
    assert run_state(marks, Progress(RunPhase(phase))).is_news is news


@pytest.mark.parametrize("phase", list(RunPhase))
def test_a_run_that_is_removed_before_its_end_was_cancelled(phase):
    state = run_state(MARKS, Progress(phase, "Because", "it did"))
    gone = state.removed()
    if phase.final:
        assert gone == state
    else:
        assert (gone.phase, gone.progress.reason) == (RunPhase.CANCELLED, "Deleted")
        assert replace(gone, progress=state.progress) == state


def test_a_run_lasts_from_its_start_to_its_end():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert Progress().duration is None
    assert Progress(started_at=start).duration is None
    later = start + timedelta(seconds=72)
    assert Progress(started_at=start, finished_at=later).duration == timedelta(seconds=72)
    assert Progress(started_at=later, finished_at=start).duration == timedelta(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n  two\tthree\x00", "one two three"),
        ("cannot clone https://bot:s3cr3t@git.example/x.git", "cannot clone https://git.example/x.git"),
        ("https://bot:p@ss@git.example/x and y", "https://git.example/x and y"),
        ("token glpat-abcdefgh12345678 is denied", "token [hidden] is denied"),
        ("hvs.CAESIabcdefgh and eyJhbGciOiJSUzI1NiJ9.e30.sig", "[hidden] and [hidden]"),
        ("image busybox@sha256:1a2b", "image busybox@sha256:1a2b"),
        ("", ""),
    ],
)
def test_words_of_an_engine_are_one_line_without_credentials(text, expected):
    assert shown(text) == expected


@given(st.text(max_size=3000))
def test_words_of_an_engine_are_bounded(text):
    assert len(shown(text)) <= LONGEST
    assert shown(text).isprintable()


def test_claims_are_bounded():
    long = dict.fromkeys(("nautes.io/repository", "nautes.io/ref", "nautes.io/actor"), "x" * 5000)
    state = run_state(replace(MARKS, annotations={**MARKS.annotations, **long}), Progress())
    assert isinstance(state.cause, Cause)
    assert max(len(state.cause.repository), len(state.cause.ref), len(state.cause.actor)) <= 1000


def test_a_merge_request_is_shown_under_its_source_branch():
    notes = {
        **MARKS.annotations,
        "nautes.io/ref": "refs/merge-requests/7/head",
        "nautes.io/branch": "feature",
    }
    assert run_state(replace(MARKS, annotations=notes), Progress()).ref == "feature"
