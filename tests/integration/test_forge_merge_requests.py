"""Merge requests on the forge: through python-gitlab, and as hooks tell of them."""

from collections.abc import Iterator
from typing import Any

import gitlab
import pytest

from nautes_domain.events import Delivery
from nautes_webhook_gateway.gitlab import Call, normalise
from support.forge import Forge, HookReceiver
from support.gitlab_payloads import KEY, NOW


@pytest.fixture
def project(forge: Forge, request: pytest.FixtureRequest) -> Iterator[Any]:
    name = request.node.name.removeprefix("test_")[:60].strip("_")
    with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
        group = api.groups.create({"name": name, "path": name})
        yield api.projects.create({"name": name, "namespace_id": group.id, "initialize_with_readme": True})


@pytest.fixture
def receiver(project: Any) -> Iterator[HookReceiver]:
    with HookReceiver() as running:
        project.hooks.create({"url": running.url, "push_events": False, "merge_requests_events": True})
        yield running


def commit(project: Any, branch: str, name: str) -> str:
    body = {
        "branch": branch,
        "commit_message": f"Add {name}",
        "actions": [{"action": "create", "file_path": name, "content": name}],
    }
    if branch not in {one.name for one in project.branches.list(get_all=True)}:
        body["start_branch"] = "main"
    return str(project.commits.create(body).id)


def opened(project: Any, **more: Any) -> Any:
    return project.mergerequests.create(
        {"source_branch": "feature", "target_branch": "main", "title": "Ripen", **more}
    )


def test_a_merge_request_is_made_listed_edited_and_closed(project: Any) -> None:
    head = commit(project, "feature", "a")
    made = opened(project, labels="one,two")
    assert (made.iid, made.state, made.sha, made.labels) == (1, "opened", head, ["one", "two"])
    made.title = "Draft: Ripen"
    made.labels = ["three"]
    made.save()
    found = project.mergerequests.get(1)
    assert (found.draft, found.labels, found.author["username"]) == (True, ["three"], "root")
    project.mergerequests.update(1, {"state_event": "close"})
    assert project.mergerequests.list(state="opened") == []
    assert [one.iid for one in project.mergerequests.list(get_all=True)] == [1]
    assert opened(project).iid == 2


def test_what_gitlab_refuses(project: Any) -> None:
    commit(project, "feature", "a")
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        opened(project, source_branch="none")
    assert refused.value.response_code == 400
    opened(project)
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        opened(project)
    assert refused.value.response_code == 409
    with pytest.raises(gitlab.GitlabUpdateError) as unknown:
        project.mergerequests.update(9, {"title": "x"})
    assert unknown.value.response_code == 404
    with pytest.raises(gitlab.GitlabUpdateError):
        project.mergerequests.update(1, {"state_event": "reopen"})


def test_hooks_are_told_as_gitlab_tells_them(project: Any, receiver: HookReceiver) -> None:
    first = commit(project, "feature", "a")
    opened(project)
    second = commit(project, "feature", "b")
    receiver.wait(2)
    project.mergerequests.update(1, {"add_labels": "ready"})
    project.mergerequests.update(1, {"state_event": "close"})
    commit(project, "feature", "c")  # closed: nobody is told
    project.mergerequests.update(1, {"state_event": "reopen"})
    calls = receiver.wait(5)
    attributes = [one.payload["object_attributes"] for one in calls]
    assert [one["action"] for one in attributes] == ["open", "update", "update", "close", "reopen"]
    assert [one.get("oldrev") for one in attributes] == [None, first, None, None, None]
    assert attributes[1]["last_commit"]["id"] == second
    assert {one.headers["X-Gitlab-Event"] for one in calls} == {"Merge Request Hook"}
    assert calls[2].payload["changes"]["labels"]["current"][0]["title"] == "ready"
    for one in calls:
        call = Call("a.b", project.id, one.body, KEY, one.headers["X-Gitlab-Event"])
        assert isinstance(normalise(call, NOW), Delivery)
