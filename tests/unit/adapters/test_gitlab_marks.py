"""What counts as ours on GitLab."""

import pytest

from nautes_adapters.gitlab import marks
from nautes_domain.plan import Ref, covers

PREFIX = marks.hook_prefix("https://gateway.example/")
DESIRED = {
    "url": f"{PREFIX}orchard.src",
    "events": ["push_events", "tag_push_events"],
    "secret_version": 3,
}


def hook(number=1, **changes):
    return {
        "id": number,
        "url": f"{PREFIX}orchard.src",
        "description": "nautes secret v3",
        "push_events": True,
        "tag_push_events": True,
        "issues_events": False,
        "alert_status": "executable",
        **changes,
    }


@pytest.mark.parametrize(
    ("description", "path", "ours"),
    [
        ("nautes:acme product orchard", "orchard", True),
        ("nautes:acme", "orchard", True),
        ("nautes:acme-two product orchard", "orchard", False),
        ("about nautes:acme", "orchard", False),
        ("nautes: set up by hand", "orchard", False),
        ("nautes: set up by hand", "acme", True),
        ("", "acme", False),
        (None, "orchard", False),
    ],
)
def test_a_group_is_ours_by_its_description(description, path, ours):
    group = {"description": description, "path": path, "full_path": path}
    assert marks.is_our_group(group, "acme") is ours


@pytest.mark.parametrize(
    ("description", "path", "may"),
    [
        ("", "orchard", False),
        ("", "acme", True),
        ("released by nautes:acme", "orchard", True),
        ("nautes:other product orchard", "orchard", False),
    ],
)
def test_a_group_of_somebody_else_is_never_taken(description, path, may):
    group = {"description": description, "path": path, "full_path": path}
    assert marks.may_take_group(group, "acme") is may


def test_peoples_topics_are_kept():
    project = {"topics": ["cooking", "nautes-bare"]}
    assert marks.topics_for(project, initialize=True) == ["cooking", "nautes"]
    assert marks.topics_for(project, initialize=False) == ["cooking", "nautes", "nautes-bare"]


def test_an_archived_project_is_not_ours():
    assert marks.is_our_project({"topics": ["nautes"], "archived": False})
    assert not marks.is_our_project({"topics": ["nautes"], "archived": True})
    assert not marks.is_our_project({"topics": ["nautes-bare"]})


def test_a_hook_as_declared_is_covered():
    assert covers(marks.hook_spec(hook()), DESIRED)


@pytest.mark.parametrize(
    "drift",
    [
        {"alert_status": "disabled"},
        {"push_events": False},
        {"issues_events": True},
        {"token_present": False},
        {"signing_token_present": False},
        {"description": "nautes secret v2"},
        {"description": ""},
        {"description": "nautes secret v3 (by hand)"},
        {"url": f"{PREFIX}orchard.other"},
    ],
)
def test_every_drift_of_a_hook_is_seen(drift):
    assert not covers(marks.hook_spec(hook(**drift)), DESIRED)


def test_a_hook_that_recovers_by_itself_is_left_alone():
    assert covers(marks.hook_spec(hook(alert_status="temporarily_disabled")), DESIRED)


def test_hooks_of_others_are_not_seen():
    others = [
        hook(url="https://gateway.example.evil.org/hooks/gitlab/orchard.src"),
        hook(url="https://gateway.example/hooks/gitlabx/orchard.src"),
        hook(url="http://gateway.example/hooks/gitlab/orchard.src"),
    ]
    assert marks.hook_refs(others, "orchard/src", PREFIX) == {}


def test_a_doubled_hook_gets_a_name_that_nobody_declares():
    found = marks.hook_refs([hook(9), hook(4)], "orchard/src", PREFIX)
    assert {ref.name: one["id"] for ref, one in found.items()} == {"orchard.src": 4, "orchard.src~9": 9}
    assert Ref("gitlab", "Hook", "orchard.src", "orchard/src") in found


def test_what_is_written_for_a_hook_reads_back_as_declared():
    body = marks.hook_body(DESIRED, "token", "whsec_x", 3)
    assert covers(marks.hook_spec(body), DESIRED)
    assert body["enable_ssl_verification"] is True
