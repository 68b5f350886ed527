"""The forge's git side with the real git: clone, push, rights, and what hooks are told."""

from pathlib import Path
from typing import Any

import gitlab
import pytest

from nautes_localstack.forge.hooks import signing
from support.forge import Forge, HookReceiver, WorkingCopy, clone

SIGNING_TOKEN = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture
def project(api: gitlab.Gitlab, request: pytest.FixtureRequest) -> Any:
    name = request.node.name.removeprefix("test_")[:60].strip("_")
    group = api.groups.get("acme")
    return api.projects.create({"name": name, "namespace_id": group.id, "initialize_with_readme": True})


@pytest.fixture
def work(project: Any, forge: Forge, tmp_path: Path) -> WorkingCopy:
    return clone(project.http_url_to_repo, tmp_path / "work", forge.token)


@pytest.fixture
def hook(project: Any, receiver: HookReceiver) -> Any:
    return project.hooks.create(
        {
            "url": f"{receiver.url}/hook",
            "token": "hush",
            "signing_token": SIGNING_TOKEN,
            "push_events": True,
            "tag_push_events": True,
        }
    )


def user_token(
    api: gitlab.Gitlab, name: str, level: int | None = None, scopes: tuple[str, ...] = ("api",)
) -> str:
    """Make a user, a member of group acme with this level, and return a token."""
    user = api.users.create(
        {"username": name, "name": name, "email": f"{name}@example.org", "reset_password": True}
    )
    if level:
        api.groups.get("acme").members.create({"user_id": user.id, "access_level": level})
    token = user.personal_access_tokens.create({"name": "t", "scopes": list(scopes)})
    return str(token.token)


@pytest.mark.usefixtures("hook")
def test_push_headers_and_payload(
    project: Any, work: WorkingCopy, receiver: HookReceiver, forge: Forge
) -> None:
    before = work.git("rev-parse", "HEAD")
    after = work.commit({"src/new file.yaml": "a: 1\n", "README.md": None}, "add one\n\nbecause")
    work.git("push", "--quiet", "-o", "ci.skip", "origin", "main")

    call = receiver.wait(1)[0]
    headers = call.headers
    assert headers["X-Gitlab-Event"] == "Push Hook"
    assert headers["X-Gitlab-Token"] == "hush"
    assert headers["X-Gitlab-Instance"] == forge.url
    assert headers["User-Agent"].startswith("GitLab/")
    assert headers["webhook-id"] == headers["Idempotency-Key"]
    assert (
        len({headers[name] for name in ("X-Gitlab-Event-UUID", "X-Gitlab-Webhook-UUID", "webhook-id")}) == 3
    )
    assert headers["webhook-signature"] == signing.signature(
        signing.key_of(SIGNING_TOKEN), headers["webhook-id"], int(headers["webhook-timestamp"]), call.body
    )
    payload = call.payload
    assert (payload["before"], payload["after"], payload["checkout_sha"]) == (before, after, after)
    assert (payload["ref"], payload["ref_protected"]) == ("refs/heads/main", True)
    assert payload["project_id"] == payload["project"]["id"] == project.id
    assert payload["user_username"] == "root"
    assert payload["push_options"] == {"ci": {"skip": True}}
    (commit,) = payload["commits"]
    assert (commit["title"], commit["message"]) == ("add one", "add one\n\nbecause\n")
    assert (commit["added"], commit["modified"], commit["removed"]) == (
        ["src/new file.yaml"],
        [],
        ["README.md"],
    )
    assert commit["author"] == {"name": "Tester", "email": "tester@example.org"}


@pytest.mark.usefixtures("hook")
def test_more_than_twenty_commits(work: WorkingCopy, receiver: HookReceiver) -> None:
    shas = [work.commit({"n": str(number)}) for number in range(25)]
    work.git("push", "--quiet", "origin", "main")
    payload = receiver.wait(1)[0].payload
    assert [commit["id"] for commit in payload["commits"]] == shas[-20:]
    assert payload["total_commits_count"] == 25


@pytest.mark.usefixtures("hook")
def test_branches_come_and_go(work: WorkingCopy, receiver: HookReceiver) -> None:
    head = work.git("rev-parse", "HEAD")
    work.git("push", "--quiet", "origin", "HEAD:refs/heads/same")
    work.git("checkout", "--quiet", "-b", "feature/x")
    sha = work.commit({"x": "x"})
    work.git("push", "--quiet", "origin", "feature/x")
    work.git("push", "--quiet", "origin", "--delete", "feature/x")
    same, new, gone = (call.payload for call in receiver.wait(3))
    assert (same["before"], same["after"], same["commits"], same["total_commits_count"]) == (
        "0" * 40,
        head,
        [],
        0,
    )
    assert (new["ref"], [commit["id"] for commit in new["commits"]]) == ("refs/heads/feature/x", [sha])
    assert (gone["before"], gone["after"], gone["checkout_sha"], gone["commits"]) == (sha, "0" * 40, None, [])


@pytest.mark.usefixtures("hook")
def test_force_push(work: WorkingCopy, receiver: HookReceiver) -> None:
    first = work.commit({"x": "1"})
    work.git("push", "--quiet", "origin", "main")
    work.git("reset", "--quiet", "--hard", "HEAD~1")
    second = work.commit({"x": "2"})
    work.git("push", "--quiet", "--force", "origin", "main")
    payload = receiver.wait(2)[1].payload
    assert (payload["before"], payload["after"]) == (first, second)
    assert [commit["id"] for commit in payload["commits"]] == [second]


@pytest.mark.usefixtures("hook")
def test_tags(work: WorkingCopy, receiver: HookReceiver) -> None:
    sha = work.git("rev-parse", "HEAD")
    work.git("tag", "light")
    work.git("tag", "-a", "v1", "-m", "first\n\nof all")
    work.git("push", "--quiet", "origin", "v1")
    work.git("push", "--quiet", "origin", "light")
    work.git("push", "--quiet", "origin", "--delete", "v1")
    calls = receiver.wait(3)
    assert {call.headers["X-Gitlab-Event"] for call in calls} == {"Tag Push Hook"}
    annotated, light, gone = (call.payload for call in calls)
    assert annotated["after"] == work.git("rev-parse", "refs/tags/v1") != sha
    assert (annotated["checkout_sha"], annotated["message"]) == (sha, "first\n\nof all")
    assert [commit["id"] for commit in annotated["commits"]] == [sha]
    assert (light["after"], light["checkout_sha"], light["message"]) == (sha, sha, None)
    assert (gone["ref"], gone["after"], gone["checkout_sha"]) == ("refs/tags/v1", "0" * 40, None)


@pytest.mark.usefixtures("hook")
def test_more_than_three_refs_say_nothing(work: WorkingCopy, receiver: HookReceiver) -> None:
    work.git("push", "--quiet", "origin", *(f"HEAD:refs/heads/many{number}" for number in range(4)))
    work.commit({"x": "x"})
    work.git("push", "--quiet", "origin", "main", *(f"HEAD:refs/heads/few{number}" for number in range(3)))
    refs = [call.payload["ref"] for call in receiver.wait(4)]
    assert sorted(refs) == ["refs/heads/few0", "refs/heads/few1", "refs/heads/few2", "refs/heads/main"]


@pytest.mark.usefixtures("hook")
def test_a_refused_ref_is_not_announced(work: WorkingCopy, receiver: HookReceiver) -> None:
    sha = work.commit({"x": "1"})
    work.git("push", "--quiet", "origin", "main")
    work.git("reset", "--quiet", "--hard", "HEAD~1")
    work.commit({"y": "2"})
    assert "rejected" in work.git("push", "origin", "main", "HEAD:refs/heads/side", check=False)
    refs = [call.payload["ref"] for call in receiver.wait(2)]
    assert refs == ["refs/heads/main", "refs/heads/side"]
    assert sha in work.git("ls-remote", "origin", "main")


@pytest.mark.usefixtures("hook")
def test_pushes_are_told_in_their_order(work: WorkingCopy, receiver: HookReceiver) -> None:
    shas = []
    for number in range(8):
        shas.append(work.commit({"n": str(number)}))
        work.git("push", "--quiet", "origin", "main")
    assert [call.payload["after"] for call in receiver.wait(8)] == shas


def test_the_first_branch_of_an_empty_project_becomes_its_default(
    api: gitlab.Gitlab, forge: Forge, tmp_path: Path
) -> None:
    group = api.groups.get("acme")
    made = api.projects.create({"name": "bare", "namespace_id": group.id})
    assert (made.default_branch, made.empty_repo) == (None, True)
    work = clone(made.http_url_to_repo, tmp_path / "bare", forge.token)
    work.commit({"x": "x"})
    work.git("push", "--quiet", "origin", "HEAD:refs/heads/trunk")
    assert api.projects.get("acme/bare").default_branch == "trunk"
    assert (
        clone(made.http_url_to_repo, tmp_path / "again", forge.token).git("branch", "--show-current")
        == "trunk"
    )


def test_rights_follow_the_access_level(api: gitlab.Gitlab, project: Any, tmp_path: Path) -> None:
    tokens = {level: user_token(api, f"level{level}", level) for level in (10, 20, 30)}
    url = project.http_url_to_repo
    with pytest.raises(RuntimeError, match="403"):
        clone(url, tmp_path / "guest", tokens[10])
    reporter = clone(url, tmp_path / "reporter", tokens[20])
    reporter.commit({"x": "reporter"})
    assert "403" in reporter.git("push", "origin", "main", check=False)
    developer = clone(url, tmp_path / "developer", tokens[30], "Dev")
    sha = developer.commit({"x": "developer"})
    developer.git("push", "--quiet", "origin", "main")
    assert project.branches.get("main").commit["id"] == sha
    with pytest.raises(RuntimeError, match="not found"):
        clone(url, tmp_path / "stranger", user_token(api, "stranger"))
    read_only = clone(url, tmp_path / "scoped", user_token(api, "scoped", 30, ("read_repository",)))
    read_only.commit({"x": "scoped"})
    assert "403" in read_only.git("push", "origin", "main", check=False)


def test_without_a_token_that_works_there_is_nothing(project: Any, tmp_path: Path, forge: Forge) -> None:
    for token in ("", "wrong"):
        with pytest.raises(RuntimeError, match=r"Authentication failed|could not read"):
            clone(project.http_url_to_repo, tmp_path / f"nobody{token}", token)
    with pytest.raises(RuntimeError, match="not found"):
        clone(f"{forge.url}/acme/nothing.git", tmp_path / "nothing", forge.token)


def test_an_archived_project_takes_no_push(project: Any, work: WorkingCopy) -> None:
    project.archive()
    work.commit({"x": "x"})
    assert "403" in work.git("push", "origin", "main", check=False)
    project.unarchive()
    work.git("push", "--quiet", "origin", "main")
