"""Everything but pushes: which fields pass, within which bounds, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain.events import Delivery, DeliveryKind
from nautes_runtime.streams import DELIVERY_BYTES
from nautes_webhook_gateway.bounds import Ignored, Malformed
from support import gitlab_payloads as gitlab
from support.gitlab_payloads import NEW, OLD, delivered, understood

BODIES = [
    gitlab.merge_request("update", oldrev=OLD, labels=[{"title": "ci"}]),
    gitlab.note(gitlab.merge_request()),
    gitlab.note(),
    gitlab.issue(),
    gitlab.job(),
    gitlab.pipeline(),
    gitlab.deployment(),
    gitlab.release(),
]


def test_a_merge_request():
    found = delivered(
        gitlab.merge_request("update", oldrev=OLD, labels=[{"title": "ci"}], changed=("updated_at", "labels"))
    )
    assert (found.kind, found.hook_event) == (DeliveryKind.MERGE_REQUEST, "merge_requests_events")
    assert (found.ref, found.before, found.after, found.checkout_sha) == (
        "refs/merge-requests/7/head",
        OLD,
        NEW,
        NEW,
    )
    assert (found.source_branch, found.target_branch, found.revision) == ("feature", "main", "main")
    assert (found.number, found.action, found.state, found.title) == (7, "update", "opened", "Ripen faster")
    assert (found.labels, found.edited, found.actor, found.from_fork) == (("ci",), ("labels",), "ada", False)
    assert delivered(gitlab.merge_request(source_project_id=9)).from_fork
    assert delivered(gitlab.merge_request(draft=None, work_in_progress=True)).draft


def test_notes_carry_what_they_are_on():
    on_request, on_commit = delivered(gitlab.note(gitlab.merge_request())), delivered(gitlab.note())
    assert (on_request.about, on_request.ref, on_request.checkout_sha) == (
        "MergeRequest",
        "refs/merge-requests/7/head",
        NEW,
    )
    assert (on_commit.about, on_commit.ref, on_commit.checkout_sha) == ("Commit", "", NEW)
    assert (on_request.text, on_request.number, on_request.action) == ("/test please", 1241, "create")


def test_words_of_confidential_things_stay_on_the_code_host():
    note = delivered(
        gitlab.note(text="secret") | {"event_type": "confidential_note"}, header="Confidential Note Hook"
    )
    issue = delivered(gitlab.issue(event_type="confidential_issue"), header="Confidential Issue Hook")
    assert (note.text, note.hook_event) == ("", "confidential_note_events")
    assert (issue.title, issue.hook_event) == ("", "confidential_issues_events")


def test_jobs_pipelines_deployments_and_releases_name_their_commit_and_ref():
    found = [
        delivered(body) for body in (gitlab.job(), gitlab.pipeline(), gitlab.deployment(), gitlab.release())
    ]
    assert [one.checkout_sha for one in found] == [NEW] * 4
    assert [one.ref for one in found] == ["refs/heads/main", "refs/heads/main", "main", "refs/tags/v1.0"]
    assert [one.about for one in found] == ["test", "push", "staging", "First"]
    assert [one.state for one in found] == ["success", "success", "success", ""]
    assert delivered(gitlab.job(ref="v1", tag=True)).ref == "refs/tags/v1"
    assert delivered(gitlab.pipeline(ref="refs/merge-requests/7/head")).ref == "refs/merge-requests/7/head"


def test_a_work_item_is_an_issue():
    assert delivered(gitlab.issue() | {"object_kind": "work_item"}).kind is DeliveryKind.ISSUE


def test_content_tells_events_apart_and_hooks_not():
    first = delivered(gitlab.merge_request("open"), key="one")
    assert delivered(gitlab.merge_request("open"), key="two").content_key == first.content_key
    others = [
        gitlab.merge_request("reopen"),
        gitlab.merge_request("open", iid=8),
        gitlab.merge_request("open", updated_at="2026-01-01 09:00:00 UTC"),
        gitlab.merge_request("open", last_commit={"id": OLD}),
    ]
    keys = {delivered(body).content_key for body in others}
    assert len(keys - {first.content_key}) == len(others)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (gitlab.merge_request(last_commit={"id": "HEAD"}), "bad-sha"),
        (gitlab.merge_request(oldrev="x" * 40), "bad-sha"),
        (gitlab.merge_request(target_branch="a..b"), "bad-ref"),
        (gitlab.merge_request(source_branch="-rf"), "bad-ref"),
        (gitlab.merge_request(iid=True), "unexpected-shape"),
        ({"object_kind": "merge_request", "project": gitlab.PROJECT}, "unexpected-shape"),
        (gitlab.job(ref="a b"), "bad-ref"),
        (gitlab.job(sha="short"), "bad-sha"),
        (gitlab.pipeline(ref="x" * 1001), "bad-ref"),
        (gitlab.release(tag="../../etc"), "bad-ref"),
        (gitlab.issue(object_attributes=[]), "unexpected-shape"),
    ],
)
def test_keys_are_whole_or_refused(body: dict[str, Any], code: str):
    result = understood(body)
    assert isinstance(result, Malformed)
    assert result.code == code


def test_a_header_of_another_kind_is_refused():
    assert understood(gitlab.note(), header="Job Hook") == Malformed(
        "event-mismatch", "X-Gitlab-Event and object_kind differ"
    )


def test_the_longest_texts_fit_the_stream():
    wide, long = "\U0001f34f", "x" * 5000
    request = gitlab.merge_request(
        labels=[{"title": wide * 300}] * 99,
        title=wide * 999,
        source_branch="ä" * 1000,
        target_branch="ö" * 1000,
        changed=tuple(f"{long}{number}" for number in range(99)),
        last_commit={"id": NEW, "message": wide * 999},
        state=long,
        updated_at=long,
    )
    variables = {f"{'V' * 62}{number:02d}={wide * 200}": 1 for number in range(99)}
    push = gitlab.push("ä" * 980, wide * 999, push_options={"ci": {"variable": variables}})
    for body in (request, gitlab.note(request, wide * 9999), push):
        stored = delivered(body)
        assert len(stored.model_dump_json().encode()) <= DELIVERY_BYTES
    assert len(delivered(push).variables) == 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(deeper for key, one in children for deeper in _paths(one, (*path, key)))]


@given(st.sampled_from(BODIES), st.data(), JSON)
@settings(deadline=None)
def test_any_value_swapped_gives_a_clean_answer(body: dict[str, Any], data: Any, value: Any):
    swapped = json.loads(json.dumps(body))
    *parents, last = data.draw(st.sampled_from(_paths(body)[1:]))
    place = swapped
    for key in parents:
        place = place[key]
    place[last] = value
    result = understood(swapped, header=gitlab.HEADERS[body["object_kind"]])
    assert isinstance(result, Delivery | Ignored | Malformed)
    if isinstance(result, Delivery):
        assert Delivery.model_validate_json(result.model_dump_json()) == result
