"""The forge's API through python-gitlab, as GitLab would answer it."""

from collections.abc import Iterator
from typing import Any

import gitlab
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.forge import Forge


@pytest.fixture(scope="module")
def api(forge: Forge) -> Iterator[gitlab.Gitlab]:
    with gitlab.Gitlab(forge.url, private_token=forge.token) as client:
        yield client


@pytest.fixture
def group(api: gitlab.Gitlab, request: pytest.FixtureRequest) -> Any:
    name = request.node.name.removeprefix("test_")[:60].strip("_")
    return api.groups.create({"name": name, "path": name, "description": "nautes:acme product"})


@pytest.fixture
def project(api: gitlab.Gitlab, group: Any) -> Any:
    body = {"name": "default.project", "namespace_id": group.id, "initialize_with_readme": True}
    return api.projects.create(body)


def member(
    api: gitlab.Gitlab, forge: Forge, group: Any, name: str, level: int, **token: Any
) -> gitlab.Gitlab:
    """Return a client of a new user with this level in the group; 0 is none."""
    user = api.users.create(
        {"username": name, "name": name, "email": f"{name}@example.org", "reset_password": True}
    )
    if level:
        group.members.create({"user_id": user.id, "access_level": level})
    made = user.personal_access_tokens.create({"name": "t", "scopes": ["api"], **token})
    return gitlab.Gitlab(forge.url, private_token=made.token)


def refusal(error: pytest.ExceptionInfo[gitlab.GitlabError]) -> tuple[int | None, str]:
    return error.value.response_code, str(error.value.error_message)


def commit(project: Any, branch: str = "main", **more: Any) -> Any:
    body = {"branch": branch, "commit_message": "change", **more}
    return project.commits.create(body)


def write(path: str, content: str, action: str = "create") -> dict[str, str]:
    return {"action": action, "file_path": path, "content": content}


def test_who_am_i(api: gitlab.Gitlab, forge: Forge) -> None:
    api.auth()
    assert (api.user.username, api.user.is_admin) == ("root", True)
    assert api.version()[0].endswith("-nautes-local")
    assert api.personal_access_tokens.get("self").active is True
    with gitlab.Gitlab(forge.url, oauth_token=forge.token) as bearer:
        assert bearer.http_get("/user")["username"] == "root"


@pytest.mark.parametrize("token", [None, "wrong", ""])
def test_no_token_that_works(forge: Forge, token: str | None) -> None:
    with gitlab.Gitlab(forge.url, private_token=token) as nobody:
        with pytest.raises(gitlab.GitlabAuthenticationError) as refused:
            nobody.projects.list(get_all=True)
        assert refusal(refused) == (401, "401 Unauthorized")


def test_users_and_tokens(api: gitlab.Gitlab, forge: Forge, group: Any) -> None:
    with member(api, forge, group, "mia", 0) as mia:
        assert mia.http_get("/user")["username"] == "mia"
        assert [user.username for user in api.users.list(username="MIA", get_all=True)] == ["mia"]
        assert "email" not in mia.users.list(username="mia", get_all=True)[0].attributes
        with pytest.raises(gitlab.GitlabError) as refused:
            mia.users.create({"username": "x", "name": "x", "email": "x@y", "reset_password": True})
        assert refusal(refused)[0] == 403
        with pytest.raises(gitlab.GitlabError) as taken:
            api.users.create({"username": "mia", "name": "x", "email": "x@y", "reset_password": True})
        assert refusal(taken) == (409, "Username has already been taken")
        mia.http_delete("/personal_access_tokens/self")
        with pytest.raises(gitlab.GitlabAuthenticationError):
            mia.http_get("/user")


def test_a_token_that_only_reads(api: gitlab.Gitlab, forge: Forge, group: Any) -> None:
    with member(api, forge, group, "reader", 50, scopes=["read_api"]) as reader:
        assert reader.groups.get(group.full_path).id == group.id
        with pytest.raises(gitlab.GitlabError) as refused:
            reader.groups.create({"name": "x", "path": "x"})
        assert refusal(refused)[0] == 403


def test_groups_and_subgroups(api: gitlab.Gitlab, forge: Forge, group: Any) -> None:
    sub = api.groups.create({"name": "Sub", "path": "sub", "parent_id": group.id})
    assert (sub.full_path, sub.full_name) == (f"{group.path}/sub", f"{group.name} / Sub")
    assert api.groups.get(f"{group.path}/sub").id == sub.id
    assert [one.id for one in api.groups.list(search=group.path, top_level_only=True, get_all=True)] == [
        group.id
    ]
    with pytest.raises(gitlab.GitlabCreateError) as taken:
        api.groups.create({"name": "x", "path": group.path.upper()})
    assert refusal(taken)[0] == 400
    assert "has already been taken" in refusal(taken)[1]
    api.groups.update(group.id, {"description": "released", "visibility": "internal"})
    assert (api.groups.get(group.id).description, api.groups.get(group.id).visibility) == (
        "released",
        "internal",
    )
    with member(api, forge, group, "guest-of-group", 0) as other:
        assert other.groups.get(group.id).id == group.id
        with pytest.raises(gitlab.GitlabError) as refused:
            other.groups.update(group.id, {"description": "mine"})
        assert refusal(refused)[0] == 403
        assert other.groups.list(owned=True, get_all=True) == []
        with pytest.raises(gitlab.GitlabGetError) as hidden:
            other.groups.get(sub.id)
        assert refusal(hidden) == (404, "404 Group Not Found")


def test_whoever_makes_a_group_owns_it(api: gitlab.Gitlab, forge: Forge, group: Any) -> None:
    with member(api, forge, group, "maker", 0) as maker:
        made = maker.groups.create({"name": "made", "path": "made"})
        assert [(one.username, one.access_level) for one in made.members.list(get_all=True)] == [
            ("maker", 50)
        ]
        assert [one.path for one in maker.groups.list(owned=True, get_all=True)] == ["made"]
        assert maker.projects.create({"name": "p", "namespace_id": made.id}).path_with_namespace == "made/p"
        with pytest.raises(gitlab.GitlabCreateError) as refused:
            maker.projects.create({"name": "p", "namespace_id": group.id})
        assert refusal(refused)[0] == 400


def test_deleting_a_group_takes_all_with_it(api: gitlab.Gitlab, group: Any, project: Any) -> None:
    sub = api.groups.create({"name": "Sub", "path": "sub", "parent_id": group.id})
    group.delete()
    for find in (lambda: api.groups.get(sub.id), lambda: api.projects.get(project.id)):
        with pytest.raises(gitlab.GitlabGetError) as gone:
            find()
        assert refusal(gone)[0] == 404


def test_projects(api: gitlab.Gitlab, group: Any, project: Any) -> None:
    assert (project.default_branch, project.visibility, project.topics) == ("main", "private", [])
    assert project.http_url_to_repo == f"{project.web_url}.git"
    assert api.projects.get(f"{group.path}/default.project").id == project.id
    api.projects.update(project.id, {"topics": ["nautes", "x"], "description": "text"})
    assert [one.id for one in group.projects.list(topic="nautes", archived=False, get_all=True)] == [
        project.id
    ]
    assert group.projects.list(topic="nautes,y", get_all=True) == []
    assert [one.id for one in api.projects.list(search="default", topic="x", get_all=True)] == [project.id]
    with pytest.raises(gitlab.GitlabCreateError) as taken:
        api.projects.create({"name": "default.project", "namespace_id": group.id})
    assert refusal(taken)[0] == 400
    assert "has already been taken" in refusal(taken)[1]
    project.archive()
    assert group.projects.list(archived=False, get_all=True) == []
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        commit(project, actions=[write("x", "x")])
    assert refusal(refused)[0] == 403
    project.unarchive()
    project.delete()
    assert group.projects.list(get_all=True) == []
    again = api.projects.create({"name": "default.project", "namespace_id": group.id})
    assert again.id > project.id


def test_what_is_not_visible_is_not_there(api: gitlab.Gitlab, forge: Forge, group: Any, project: Any) -> None:
    with (
        member(api, forge, group, "outsider", 0) as outsider,
        member(api, forge, group, "guest", 10) as guest,
    ):
        for key in (project.id, project.path_with_namespace):
            with pytest.raises(gitlab.GitlabGetError) as hidden:
                outsider.projects.get(key)
            assert refusal(hidden) == (404, "404 Project Not Found")
        assert outsider.projects.list(get_all=True) == []
        assert guest.projects.get(project.id).id == project.id
        with pytest.raises(gitlab.GitlabGetError) as refused:
            guest.projects.get(project.id).repository_tree(get_all=True)
        assert refusal(refused) == (403, "403 Forbidden")
    with member(api, forge, group, "developer", 30) as developer:
        mine = developer.projects.get(project.id)
        assert commit(mine, actions=[write("d", "d")]).author_name == "developer"
        with pytest.raises(gitlab.GitlabError) as not_mine:
            mine.hooks.list(get_all=True)
        assert refusal(not_mine)[0] == 403


def test_members(api: gitlab.Gitlab, forge: Forge, group: Any, project: Any) -> None:
    with member(api, forge, group, "own", 40) as maintainer:
        user = maintainer.http_get("/user")["id"]
        assert [one.id for one in project.members.list(get_all=True)] == []
        assert user in [one.id for one in project.members_all.list(get_all=True)]
        assert project.members_all.get(user).access_level == 40
        group.members.update(user, {"access_level": 30})
        assert group.members.get(user).access_level == 30
        with pytest.raises(gitlab.GitlabCreateError) as twice:
            group.members.create({"user_id": user, "access_level": 30})
        assert refusal(twice) == (409, "Member already exists")
        group.members.update(user, {"access_level": 40})
        with pytest.raises(gitlab.GitlabError) as upwards:
            maintainer.projects.get(project.id).members.create({"user_id": user, "access_level": 50})
        assert refusal(upwards)[0] == 403
        group.members.delete(user)
        with pytest.raises(gitlab.GitlabGetError):
            maintainer.projects.get(project.id)


def test_deploy_keys(project: Any) -> None:
    public = (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )
    made = project.keys.create({"title": "nautes-readonly", "key": f"{public} nautes", "can_push": False})
    assert (made.title, made.can_push, made.key) == ("nautes-readonly", False, f"{public} nautes")
    assert made.fingerprint_sha256.startswith("SHA256:")
    with pytest.raises(gitlab.GitlabCreateError) as taken:
        project.keys.create({"title": "other", "key": public})
    assert "has already been taken" in refusal(taken)[1]
    with pytest.raises(gitlab.GitlabCreateError) as bad:
        project.keys.create({"title": "bad", "key": "ssh-ed25519 AAAA"})
    assert refusal(bad)[0] == 400
    project.keys.update(made.id, {"can_push": True})
    assert [(key.id, key.can_push) for key in project.keys.list(get_all=True)] == [(made.id, True)]
    project.keys.delete(made.id)
    assert project.keys.list(get_all=True) == []


def test_commit_statuses(project: Any) -> None:
    sha = project.branches.get("main").commit["id"]
    report = project.commits.get(sha).statuses
    first = report.create({"state": "pending", "name": "build", "description": "waits"})
    assert (first.status, first.ref, first.author["username"]) == ("pending", "main", "root")
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        report.create({"state": "pending", "name": "build"})
    assert refusal(refused)[0] == 400
    assert refusal(refused)[1].startswith("Cannot transition status via :enqueue from :pending")
    running = report.create({"state": "running", "name": "build", "target_url": "http://x/y"})
    done = report.create({"state": "success", "name": "build"})
    assert first.id == running.id == done.id
    assert (done.description, done.target_url) == ("waits", "http://x/y")
    assert None not in (done.started_at, done.finished_at)
    again = report.create({"state": "failed", "name": "build"})
    other = report.create({"state": "running", "name": "deploy"})
    assert [(one.id, one.status) for one in report.list(get_all=True)] == [
        (again.id, "failed"),
        (other.id, "running"),
    ]
    assert [one.id for one in report.list(query_parameters={"name": "build", "all": True}, get_all=True)] == [
        done.id,
        again.id,
    ]
    assert len({one.pipeline_id for one in (done, again, other)}) == 1
    for body in ({"state": "nonsense"}, {"name": "x"}):
        with pytest.raises(gitlab.GitlabHttpError) as bad:
            project.manager.gitlab.http_post(f"/projects/{project.id}/statuses/{sha}", post_data=body)
        assert refusal(bad)[0] == 400
    with pytest.raises(gitlab.GitlabHttpError) as missing:
        project.manager.gitlab.http_post(
            f"/projects/{project.id}/statuses/{'f' * 40}", post_data={"state": "success"}
        )
    assert refusal(missing) == (404, "404 Commit Not Found")


def test_what_is_no_call(api: gitlab.Gitlab) -> None:
    for method, path, code in (
        ("get", "/nothing", 404),
        ("delete", "/version", 405),
        ("get", "/projects/1x/hooks", 404),
    ):
        with pytest.raises(gitlab.GitlabHttpError) as refused:
            api.http_request(method, path)
        assert refusal(refused)[0] == code


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b"\xff", b'{"name": "\\ud800", "path": "x"}', b"[" * 100_000]
)
def test_bodies_that_are_no_json_objects(forge: Forge, body: bytes) -> None:
    headers = {"PRIVATE-TOKEN": forge.token, "Content-Type": "application/json"}
    answer = httpx.post(f"{forge.url}/api/v4/groups", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 400
