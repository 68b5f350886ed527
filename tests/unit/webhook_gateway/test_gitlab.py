"""Bodies and headers to deliveries: what GitLab sends, and what broke other receivers."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.events import Delivery, DeliveryKind
from nautes_webhook_gateway.bounds import Ignored, Malformed
from nautes_webhook_gateway.gitlab import Call, delivery_id, normalise

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
ZERO = "0" * 40
BEFORE = "a" * 40
AFTER = "b" * 40
PUSH: dict[str, Any] = {
    "object_kind": "push",
    "event_name": "push",
    "before": BEFORE,
    "after": AFTER,
    "ref": "refs/heads/main",
    "ref_protected": True,
    "checkout_sha": AFTER,
    "message": None,
    "user_id": 4,
    "user_name": "Ada",
    "user_username": "ada",
    "user_email": "",
    "project_id": 15,
    "project": {
        "id": 15,
        "name": "api",
        "path_with_namespace": "orchard/apple-api-src",
        "web_url": "https://gitlab.example/orchard/apple-api-src",
    },
    "commits": [
        {"id": BEFORE, "message": "older", "added": []},
        {
            "id": AFTER,
            "message": "Ripen the apples\n\nbody",
            "added": ["x"],
            "author": {"email": "a@b.example"},
        },
    ],
    "total_commits_count": 2,
    "push_options": {},
}


def push(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(PUSH), **changes}


def understood(
    body: dict[str, Any] | bytes, *, event: str = "Push Hook", project_id: int = 15, **fields: str
) -> Delivery | Ignored | Malformed:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Call("orchard.apple-api-src", project_id, content, fields.pop("message_id", KEY), event, **fields)
    return normalise(call, NOW)


def delivered(*args: Any, **kwargs: Any) -> Delivery:
    result = understood(*args, **kwargs)
    assert isinstance(result, Delivery), result
    return result


def refused(*args: Any, **kwargs: Any) -> str:
    result = understood(*args, **kwargs)
    assert isinstance(result, Malformed), result
    return result.code


def test_a_push() -> None:
    assert delivered(PUSH, instance="https://gitlab.example") == Delivery(
        id=KEY,
        hook="orchard.apple-api-src",
        kind=DeliveryKind.PUSH,
        event="Push Hook",
        instance="https://gitlab.example",
        project_id=15,
        project="orchard/apple-api-src",
        ref="refs/heads/main",
        before=BEFORE,
        after=AFTER,
        checkout_sha=AFTER,
        actor="ada",
        message="Ripen the apples",
        commits_count=2,
        message_skips=False,
        received_at=NOW,
    )


def test_an_annotated_tag_keeps_the_commit_to_build() -> None:
    tag = push(
        object_kind="tag_push", event_name="tag_push", ref="refs/tags/v1", before=ZERO, checkout_sha=BEFORE
    )
    result = delivered(tag, event="Tag Push Hook")
    assert (result.kind, result.tag, result.after, result.checkout_sha) == ("tag_push", "v1", AFTER, BEFORE)


def test_deletes_build_nothing() -> None:
    result = delivered(push(after=ZERO, checkout_sha=None, commits=[], total_commits_count=0))
    assert result.deletes
    assert result.checkout_sha == result.message == ""
    contradictory = delivered(push(after=ZERO, checkout_sha=AFTER))
    assert contradictory.checkout_sha == ""


def test_sha256_repositories() -> None:
    result = delivered(push(before="0" * 64, after="c" * 64, checkout_sha="c" * 64))
    assert result.after == "c" * 64


def test_create_without_commits() -> None:
    assert delivered(push(before=ZERO, commits=[], total_commits_count=0)).commits_count == 0


def test_system_hooks_without_object_kind() -> None:
    body = push()
    del body["object_kind"]
    assert delivered(body, event="System Hook").kind is DeliveryKind.PUSH


def test_other_kinds_are_stored_with_the_least() -> None:
    body = {
        "object_kind": "wiki_page",
        "project": PUSH["project"],
        "user": {"username": "ada"},
        "ref": [1],
    }
    result = delivered(body, event="Wiki Page Hook")
    assert (result.kind, result.project_id, result.ref, result.event) == (
        "other",
        15,
        "",
        "Wiki Page Hook",
    )
    flat = {
        "event_name": "repository_update",
        "project_id": 15,
        "path_with_namespace": "orchard/x",
        "changes": [],
    }
    assert delivered(flat, event="System Hook").project == "orchard/x"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "not-a-gitlab-event"),
        ({"text": "custom template"}, "not-a-gitlab-event"),
        ({"object_kind": None, "event_name": ""}, "not-a-gitlab-event"),
        ({"event_name": "user_create", "user_id": 4}, "no-project"),
        (push(before=ZERO, after=ZERO), "nothing-happened"),
        (push(ref="refs/merge-requests/1/head"), "ref-not-followed"),
        (push(ref="refs/keep-around/" + AFTER), "ref-not-followed"),
        (push(ref="refs/environments/production"), "ref-not-followed"),
    ],
)
def test_genuine_but_uninteresting(body: dict[str, Any], reason: str) -> None:
    assert understood(body, event="System Hook") == Ignored(reason)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nul",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":01}',
        b'{"object_kind":"push"} trailing',
        b"payload=%7B%7D",
        b"\xef\xbb\xbf{}",
        '{"a":"ä"}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x00"}',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_not_json(body: bytes) -> None:
    assert refused(body) == "not-json"


@pytest.mark.parametrize("body", [b"[]", b"null", b"true", b"15", b'"push"', b"[{}]"])
def test_not_an_object(body: bytes) -> None:
    assert refused(body) == "not-an-object"


@pytest.mark.parametrize(
    "old_new",
    [
        (b'"ref": "refs/heads/main"', b'"ref": "refs/heads/main", "ref": "refs/heads/evil"'),
        (b'"id": 15,', b'"id": 15, "id": 15,'),
        (b'"project_id": 15', b'"project_id": 16, "project_id": 15'),
        (b'"after":', b'"\\u0061fter": "' + ZERO.encode() + b'", "after":'),
    ],
)
def test_repeated_and_disguised_keys(old_new: tuple[bytes, bytes]) -> None:
    body = json.dumps(PUSH).encode()
    assert old_new[0] in body
    assert refused(body.replace(*old_new, 1)) == "repeated-key"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"project_id": 16}, "bad-project"),
        ({"project_id": 16, "project": {"id": 16, "path_with_namespace": "victim/repo"}}, "project-mismatch"),
        ({"project_id": True}, "unexpected-shape"),
        ({"project_id": "15"}, "unexpected-shape"),
        ({"project_id": 15.0, "project": {"id": 15.5}}, "unexpected-shape"),
        ({"project_id": 1e400}, "unexpected-shape"),
        ({"project_id": int("9" * 400)}, "bad-project"),
        ({"project_id": -15, "project": {}}, "project-mismatch"),
        ({"project_id": 0, "project": None}, "project-mismatch"),
        ({"project": None}, "bad-project"),
        ({"project": {"id": 15}}, "bad-project"),
        ({"project": []}, "unexpected-shape"),
        ({"project": {"id": 15, "path_with_namespace": "a/b\nc"}}, "bad-project"),
        ({"project": {"id": 15, "path_with_namespace": "a" * 1001}}, "bad-project"),
        ({"project": {"id": 15, "path_with_namespace": 7}}, "unexpected-shape"),
        ({"object_kind": 7}, "unexpected-shape"),
        ({"object_kind": "tag_push"}, "event-mismatch"),
        ({"ref": "refs/tags/v1"}, "event-mismatch"),
        ({"ref": None}, "unexpected-shape"),
        ({"ref": ""}, "bad-ref"),
        ({"ref": "main"}, "bad-ref"),
        ({"ref": "refs/heads/"}, "bad-ref"),
        ({"ref": "refs/heads/a\x00b"}, "bad-ref"),
        ({"ref": "refs/heads/a b"}, "bad-ref"),
        ({"ref": "refs/heads/a\r\nX: y"}, "bad-ref"),
        ({"ref": "refs/heads/../../etc"}, "bad-ref"),
        ({"ref": "refs/heads/a@{1}"}, "bad-ref"),
        ({"ref": "refs/heads/*"}, "bad-ref"),
        ({"ref": "refs/heads/" + "x" * 1000}, "bad-ref"),
        ({"before": None}, "unexpected-shape"),
        ({"before": AFTER.upper()}, "bad-sha"),
        ({"after": "abc123"}, "bad-sha"),
        ({"after": "g" * 40}, "bad-sha"),
        ({"after": AFTER + "\n"}, "bad-sha"),
        ({"checkout_sha": "HEAD"}, "bad-sha"),
        ({"checkout_sha": ""}, "bad-sha"),
        ({"commits": {}}, "unexpected-shape"),
        ({"commits": [None]}, "unexpected-shape"),
        ({"commits": [{"message": ["x"]}]}, "unexpected-shape"),
        ({"total_commits_count": "2"}, "unexpected-shape"),
        ({"total_commits_count": True}, "unexpected-shape"),
        ({"user_username": 5}, "unexpected-shape"),
    ],
)
def test_no_repository_could_say_so(changes: dict[str, Any], code: str) -> None:
    body = json.dumps(push(**changes)).replace("Infinity", "1e400").encode()
    assert refused(body) == code


def test_the_header_confirms_and_never_selects() -> None:
    assert refused(PUSH, event="Tag Push Hook") == "event-mismatch"
    assert delivered(PUSH, event="").event == "push"
    assert delivered(PUSH, event="Some New Hook").kind is DeliveryKind.PUSH
    assert refused(PUSH, event="Merge Request Hook") == "event-mismatch"


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"commits": None, "total_commits_count": None}, 0),
        ({"total_commits_count": None}, 2),
        ({"total_commits_count": -5}, 0),
        ({"total_commits_count": 2**63}, 2**53),
        ({"total_commits_count": 1}, 1),
        ({"commits": PUSH["commits"] * 20, "total_commits_count": 4000}, 4000),
        ({"commits": [{}]}, 2),
    ],
)
def test_odd_commit_lists(changes: dict[str, Any], count: int) -> None:
    assert delivered(push(**changes)).commits_count == count


@pytest.mark.parametrize(
    "ref", ["a/b/c", "ünïcödé", "🍏", ";$(rm -rf)", "-x", "a.b", "{{x}}", "'\"", "feature/#1"]
)
def test_refs_that_git_allows_pass_untouched(ref: str) -> None:
    name = ref.replace(" ", "")
    assert delivered(push(ref=f"refs/heads/{name}")).branch == name


def test_texts_for_people_are_one_clean_line() -> None:
    commits = [{"id": AFTER, "message": "a\x1b[31m\u202eb\tc" + "x" * 400 + "\nsecond"}]
    result = delivered(
        push(commits=commits, user_username="a\r\nb" + "y" * 300), event="Push\nHook" + "z" * 200
    )
    assert result.message.startswith("a [31m b c")
    assert len(result.message) == 300
    assert result.actor.isprintable()
    assert len(result.actor) == 255
    assert result.event.isprintable()
    assert len(result.event) == 100


def test_what_is_stored_is_small_and_holds_no_address() -> None:
    big = push(commits=[{"id": AFTER, "message": "m" * 10_000, "added": ["f" * 500] * 5000}])
    stored = delivered(big).model_dump_json()
    assert len(stored) < 64 * 1024
    assert "@b.example" not in delivered(PUSH).model_dump_json()


@pytest.mark.parametrize(
    ("options", "skips"),
    [
        ({"ci": {"skip": True}}, True),
        ({"ci": {"skip": False}}, False),
        ({"ci": {"variable": {"A=1": 1}}}, False),
        ({"ci": True}, False),
        ([], False),
        (None, False),
        ("ci.skip", False),
    ],
)
def test_push_options(options: Any, *, skips: bool) -> None:
    assert delivered(push(push_options=options)).skip_ci is skips


@pytest.mark.parametrize(
    "instance", ["", "javascript:1", "https://a b", "https://x\r\ny", "h" * 600, "https://" + "x" * 600]
)
def test_an_odd_instance_is_left_out(instance: str) -> None:
    assert delivered(PUSH, instance=instance).instance == ""


def test_ids() -> None:
    def call(**changes: Any) -> str:
        fields = {"hook": "a.b", "project_id": 1, "body": b"{}", "message_id": "", **changes}
        return delivery_id(Call(**fields))

    assert call(message_id=KEY.upper()) == KEY
    odd = [call(message_id="1"), call(message_id="2"), call(message_id="1", hook="a.c"), call()]
    odd += [call(body=b"{ }"), call(event_uuid="x"), call(event="x"), call(hook="a.c")]
    assert len(set(odd)) == len(odd)
    assert call(message_id="1") == call(message_id="1", body=b"other")
    assert call() == call()
    assert all(len(one) < 60 and one.isascii() for one in odd)


def test_one_push_through_two_hooks_has_one_content_key() -> None:
    first = delivered(PUSH)
    second = delivered(PUSH, message_id="00000000-0000-4000-8000-000000000001", event="System Hook")
    assert first.id != second.id
    assert first.content_key == second.content_key


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A push with one value anywhere replaced, or one key removed."""
    body = push()
    node: Any = body
    while True:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if isinstance(node[key], dict | list) and node[key] and draw(st.booleans()):
            node = node[key]
        elif isinstance(node, dict) and draw(st.booleans()):
            del node[key]
            return body
        else:
            node[key] = draw(values)
            return body


@given(body=mutated(), event=st.sampled_from(["Push Hook", "Tag Push Hook", "System Hook", ""]))
def test_any_value_swapped_gives_a_clean_answer(body: dict[str, Any], event: str) -> None:
    result = understood(body, event=event)
    assert isinstance(result, Delivery | Ignored | Malformed)
    if isinstance(result, Delivery):
        assert result.project_id == 15
        assert Delivery.model_validate_json(result.model_dump_json()) == result


@given(body=st.binary(max_size=300) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_clean_answer(body: bytes) -> None:
    assert isinstance(understood(body), Ignored | Malformed | Delivery)


@given(cut=st.integers(0, 1200), flip=st.integers(0, 255))
def test_any_damaged_push_gives_a_clean_answer(cut: int, flip: int) -> None:
    body = bytearray(json.dumps(PUSH).encode())
    body[cut % len(body)] = flip
    assert isinstance(understood(bytes(body)), Ignored | Malformed | Delivery)
