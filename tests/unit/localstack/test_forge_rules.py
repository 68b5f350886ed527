"""The forge's small rules: names, revisions, pages, rights, routes."""

import pytest

from nautes_localstack.forge.api.answers import Page, Problem, page_headers, page_of
from nautes_localstack.forge.api.paths import is_path, path_from
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.git.committing import is_path as is_file_path
from nautes_localstack.forge.git.repository import is_revision
from nautes_localstack.forge.rights import Level, allows_call, allows_git, visible_at
from nautes_localstack.forge.smart_http import PATH, git_password


@pytest.mark.parametrize("text", ["default.project", "a", "A_b-c.d", "_x"])
def test_paths(text: str) -> None:
    assert is_path(text)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a/b", "a.git", "-a", "a-", "a b", "a..b", "ä", "x.atom", "a" * 256]
)
def test_no_paths(text: str) -> None:
    assert not is_path(text)


def test_a_path_from_a_name() -> None:
    assert path_from("My Shop (new)!") == "my-shop-new"


@pytest.mark.parametrize("text", ["main", "feature/x", "v1.0", "fix(a)", "ü", "HEAD", "a" * 40])
def test_revisions(text: str) -> None:
    assert is_revision(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-x",
        "--all",
        "a..b",
        "a b",
        "a:b",
        "a~1",
        "a^",
        "@{u}",
        "@",
        "a\nb",
        "a*",
        "/a",
        "a/",
        "a.lock",
        ".a",
    ],
)
def test_no_revisions(text: str) -> None:
    assert not is_revision(text)


@pytest.mark.parametrize(
    "text", ["", "/a", "a/../b", "../a", ".git/config", "a/.GIT/x", "a\nb", "a//b", "./a"]
)
def test_no_file_paths(text: str) -> None:
    assert not is_file_path(text)


def test_pages() -> None:
    assert page_of({}) == Page(1, 20)
    assert page_of({"page": "3", "per_page": "1000"}) == Page(3, 100)
    with pytest.raises(Problem):
        page_of({"page": "0"})
    middle = page_headers(Page(2, 10), 25, "http://f/api/v4/x", {"a": "b c"})
    assert (middle["X-Total"], middle["X-Total-Pages"]) == ("25", "3")
    assert (middle["X-Next-Page"], middle["X-Prev-Page"]) == ("3", "1")
    assert '<http://f/api/v4/x?a=b+c&page=3&per_page=10>; rel="next"' in middle["Link"]
    last = page_headers(Page(3, 10), 25, "http://f/api/v4/x", {})
    assert last["X-Next-Page"] == ""
    assert 'rel="next"' not in last["Link"]


def test_visibility() -> None:
    assert visible_at("private", known=True) == Level.NONE
    assert visible_at("internal", known=True) == Level.REPORTER
    assert visible_at("internal", known=False) == Level.NONE
    assert visible_at("public", known=False) == Level.REPORTER


def test_scopes() -> None:
    assert allows_call(["api"], "POST", "projects")
    assert allows_call(["read_api"], "GET", "projects")
    assert not allows_call(["read_api"], "POST", "projects")
    assert allows_call(["read_repository"], "GET", "projects/1/repository/tree")
    assert not allows_call(["read_repository"], "GET", "projects/1/hooks")
    assert not allows_call([], "GET", "version")
    assert allows_git(["read_repository"], write=False)
    assert not allows_git(["read_repository"], write=True)
    assert allows_git(["write_repository"], write=True)


def test_routes_decode_each_segment_by_itself() -> None:
    async def handler(_call: object) -> dict[str, str]:
        return {}

    route = Route("GET projects/:id/repository/files/:path/raw", handler)
    segments = ["projects", "acme%2Fshop", "repository", "files", "a%2Fb%2Eyaml", "raw"]
    assert route.match(segments) == {"id": "acme/shop", "path": "a/b.yaml"}
    assert route.match(["projects", "1"]) is None


def test_git_paths_and_passwords() -> None:
    found = PATH.match("/acme/default.project.git/info/refs")
    assert found
    assert (found["project"], found["service"]) == ("acme/default.project", "info/refs")
    assert PATH.match("/acme/shop/git-upload-pack")
    assert not PATH.match("/acme/shop.git/HEAD")
    assert git_password({"authorization": "Basic YW55OnRvazplbg=="}) == "tok:en"
    assert git_password({"authorization": "Bearer token"}) == "token"
    assert [git_password(headers) for headers in ({}, {"authorization": "Basic !"})] == ["", ""]
