"""What hooks are told of a push."""

from datetime import UTC, datetime

import pytest

from nautes_localstack.forge.git.parsing import ZERO, Change, Commit, Person
from nautes_localstack.forge.hooks.payloads import (
    Place,
    Pushed,
    announced,
    passes_filter,
    push,
    push_options,
)
from nautes_localstack.forge.records import Project, User

AT = datetime(2026, 1, 1, tzinfo=UTC)
USER = User(id=4, username="mia", name="Mia", email="mia@example.org", created_at=AT)
PROJECT = Project(
    id=15,
    group_id=2,
    name="Shop",
    path="shop",
    full_path="acme/shop",
    creator_id=4,
    created_at=AT,
    last_activity_at=AT,
    empty=False,
)
PLACE = Place(PROJECT, "Acme", "http://127.0.0.1:8080")


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(number: int) -> Commit:
    person = Person("Mia", "mia@example.org", "2026-01-01T00:00:00+00:00")
    return Commit(sha(number), (), person, person, f"change {number}\n\nwhy\n", ("a",), ("b",), ("c",))


def change(ref: str, *, before: str = sha(1), after: str = sha(2)) -> Change:
    return Change(before, after, ref)


def test_a_push() -> None:
    pushed = Pushed(change("refs/heads/main"), [commit(2)], 1, sha(2), options=["ci.skip"])
    payload = push(PLACE, USER, pushed)
    project = payload.pop("project")
    assert payload == {
        "object_kind": "push",
        "event_name": "push",
        "before": sha(1),
        "after": sha(2),
        "ref": "refs/heads/main",
        "ref_protected": True,
        "checkout_sha": sha(2),
        "message": None,
        "user_id": 4,
        "user_name": "Mia",
        "user_username": "mia",
        "user_email": "",
        "user_avatar": None,
        "project_id": 15,
        "commits": [
            {
                "id": sha(2),
                "message": "change 2\n\nwhy\n",
                "title": "change 2",
                "timestamp": "2026-01-01T00:00:00+00:00",
                "url": f"http://127.0.0.1:8080/acme/shop/-/commit/{sha(2)}",
                "author": {"name": "Mia", "email": "mia@example.org"},
                "added": ["a"],
                "modified": ["b"],
                "removed": ["c"],
            }
        ],
        "total_commits_count": 1,
        "push_options": {"ci": {"skip": True}},
        "repository": {
            "name": "Shop",
            "url": "git@127.0.0.1:acme/shop.git",
            "description": "",
            "homepage": "http://127.0.0.1:8080/acme/shop",
            "git_http_url": "http://127.0.0.1:8080/acme/shop.git",
            "git_ssh_url": "git@127.0.0.1:acme/shop.git",
            "visibility_level": 0,
        },
    }
    assert (project["id"], project["namespace"], project["path_with_namespace"]) == (15, "Acme", "acme/shop")
    assert (project["default_branch"], project["visibility_level"]) == ("main", 0)


def test_only_the_newest_twenty_commits_are_listed_oldest_first() -> None:
    pushed = Pushed(change("refs/heads/x"), [commit(n) for n in range(5, 30)], 25, sha(29))
    payload = push(PLACE, USER, pushed)
    assert [one["id"] for one in payload["commits"]] == [sha(n) for n in range(10, 30)]
    assert payload["total_commits_count"] == 25
    assert payload["ref_protected"] is False


def test_a_tag() -> None:
    tag = change("refs/tags/v1", before=ZERO)
    payload = push(PLACE, USER, Pushed(tag, [commit(9)], 1, sha(9), "first"))
    assert (payload["object_kind"], payload["event_name"]) == ("tag_push", "tag_push")
    assert (payload["after"], payload["checkout_sha"], payload["message"]) == (sha(2), sha(9), "first")


def test_three_refs_of_a_kind_are_announced_and_four_are_not() -> None:
    new = [change(f"refs/heads/b{n}", before=ZERO) for n in range(4)]
    assert announced(new[:3]) == new[:3]
    assert announced(new) == []


def test_kinds_are_counted_apart_and_branches_come_first() -> None:
    tags = [change(f"refs/tags/t{n}", before=ZERO) for n in range(4)]
    moved, other = change("refs/heads/main"), change("refs/merge-requests/1/head")
    assert announced([*tags, moved, other]) == [moved]
    assert announced([tags[0], moved]) == [moved, tags[0]]


@pytest.mark.parametrize(
    ("options", "nested"),
    [
        ([], {}),
        (["ci.skip"], {"ci": {"skip": True}}),
        (
            ["ci.skip", "merge_request.target=main"],
            {"ci": {"skip": True}, "merge_request": {"target": "main"}},
        ),
        (["ci.variable=A=1", "ci.variable=B=2"], {"ci": {"variable": {"A=1": 1, "B=2": 1}}}),
        (["unknown.thing", "ci", ""], {}),
    ],
)
def test_push_options_are_nested(options: list[str], nested: dict[str, object]) -> None:
    assert push_options(options) == nested


def test_a_branch_filter_is_a_wildcard_for_branches() -> None:
    assert passes_filter("release/*", change("refs/heads/release/1"))
    assert not passes_filter("release/*", change("refs/heads/main"))
    assert passes_filter("release/*", change("refs/tags/v1"))
    assert passes_filter("", change("refs/heads/main"))
