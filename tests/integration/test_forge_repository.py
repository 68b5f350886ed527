"""The forge's repositories through the API: commits, files, trees, comparisons, archives, branches, tags."""

import base64
import io
import tarfile
from typing import Any

import gitlab
import pytest


@pytest.fixture
def project(api: gitlab.Gitlab, request: pytest.FixtureRequest) -> Any:
    name = f"p{abs(hash(request.node.name))}"
    group = api.groups.get("acme")
    return api.projects.create({"name": name, "namespace_id": group.id, "initialize_with_readme": True})


def refusal(error: pytest.ExceptionInfo[gitlab.GitlabError]) -> tuple[int | None, str]:
    return error.value.response_code, str(error.value.error_message)


def commit(project: Any, branch: str = "main", **more: Any) -> Any:
    body = {"branch": branch, "commit_message": "change", **more}
    return project.commits.create(body)


def write(path: str, content: str, action: str = "create") -> dict[str, str]:
    return {"action": action, "file_path": path, "content": content}


def test_commits_with_actions(project: Any) -> None:
    made = commit(
        project,
        actions=[
            write("a/b c.yaml", "one\n"),
            write("run.sh", "x"),
            write("ü.yaml", "ü"),
            write("data", "AAE="),
        ],
        author_name="Mia",
        author_email="mia@example.org",
    )
    assert (made.author_name, made.author_email, made.title) == ("Mia", "mia@example.org", "change")
    binary = {"action": "update", "file_path": "data", "content": "AAE=", "encoding": "base64"}
    moved = {"action": "move", "file_path": "c.yaml", "previous_path": "a/b c.yaml"}
    mode = {"action": "chmod", "file_path": "run.sh", "execute_filemode": True}
    after = commit(project, actions=[binary, moved, mode, {"action": "delete", "file_path": "ü.yaml"}])
    assert after.parent_ids == [made.id]
    tree = {entry["path"]: entry["mode"] for entry in project.repository_tree(recursive=True, get_all=True)}
    assert tree == {"README.md": "100644", "c.yaml": "100644", "data": "100644", "run.sh": "100755"}
    assert project.files.raw("c.yaml", ref="main") == b"one\n"
    assert project.files.raw("data", ref=after.id) == b"\x00\x01"
    assert [
        one.id
        for one in project.commits.list(query_parameters={"ref_name": "main", "path": "run.sh"}, get_all=True)
    ] == [
        after.id,
        made.id,
    ]
    assert project.commits.get(after.id[:12]).id == after.id
    diffs = {one["new_path"]: one for one in project.commits.get(after.id).diff(get_all=True)}
    assert (diffs["c.yaml"]["old_path"], diffs["c.yaml"]["renamed_file"]) == ("a/b c.yaml", True)


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ([write("README.md", "x")], "A file with this name already exists"),
        ([write("nothing", "x", "update")], "A file with this name doesn't exist"),
        ([{"action": "delete", "file_path": "nothing"}], "A file with this name doesn't exist"),
        ([write("../up", "x")], "valid file path"),
        ([write(".git/config", "x")], "valid file path"),
        ([write("a", "1"), write("a", "2")], "A file with this name already exists"),
    ],
)
def test_commits_that_do_not_fit(project: Any, actions: list[dict[str, str]], words: str) -> None:
    head = project.branches.get("main").commit["id"]
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        commit(project, actions=actions)
    assert refusal(refused)[0] == 400
    assert words in refusal(refused)[1]
    assert project.branches.get("main").commit["id"] == head


def test_files(project: Any) -> None:
    path = "projects/a b/ü.yaml"
    body = {"file_path": path, "branch": "main", "content": "one", "commit_message": "m"}
    project.files.create(body)
    file = project.files.get(path, ref="main")
    assert (file.decode(), file.size, file.file_name) == (b"one", 3, "ü.yaml")
    head = project.branches.get("main").commit["id"]
    assert (file.commit_id, file.last_commit_id) == (head, head)
    file.content = base64.b64encode(b"two").decode()
    file.save(branch="main", commit_message="m", encoding="base64")
    assert project.files.raw(path, ref="main") == b"two"
    stale = {**body, "content": "three", "last_commit_id": head}
    with pytest.raises(gitlab.GitlabError) as refused:
        project.files.update(path, stale)
    assert "has changed since" in refusal(refused)[1]
    file.delete(branch="main", commit_message="gone")
    for find in (lambda: project.files.get(path, ref="main"), lambda: project.files.raw(path, ref="main")):
        with pytest.raises(gitlab.GitlabGetError) as gone:
            find()
        assert refusal(gone) == (404, "404 File Not Found")
    assert project.files.raw(path, ref=head) == b"one"


def test_archive(project: Any) -> None:
    sha = commit(project, actions=[write("a/b.yaml", "b")]).id
    packed = project.repository_archive(sha=sha, format="tar.gz")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.pax_headers["comment"] == sha
        names = {member.name.partition("/")[2]: member for member in archive if member.isfile()}
        assert set(names) == {"README.md", "a/b.yaml"}
        assert archive.extractfile(names["a/b.yaml"]).read() == b"b"
    assert project.repository_archive(sha="main", format="zip")[:2] == b"PK"
    with pytest.raises(gitlab.GitlabError) as missing:
        project.repository_archive(sha="f" * 40)
    assert refusal(missing)[0] == 404


def test_compare(project: Any) -> None:
    first = commit(project, actions=[write("a", "1\n2\n3\n"), write("b", "b")]).id
    side = commit(project, "side", start_branch="main", actions=[write("s", "s")]).id
    actions = [write("a", "1\n2\n4\n", "update"), {"action": "move", "file_path": "c", "previous_path": "b"}]
    last = commit(project, actions=actions).id
    compared = project.repository_compare(first, last)
    assert ([one["id"] for one in compared["commits"]], compared["commit"]["id"]) == ([last], last)
    diffs = {one["new_path"]: one for one in compared["diffs"]}
    assert diffs["a"]["diff"].startswith("@@ -1,3 +1,3 @@\n 1\n 2\n-3\n+4\n")
    assert (diffs["c"]["old_path"], diffs["c"]["renamed_file"], diffs["c"]["diff"]) == ("b", True, "")
    paths = {
        straight: project.repository_compare(side, last, straight=straight) for straight in (True, False)
    }
    assert {one["new_path"] for one in paths[True]["diffs"]} == {"a", "c", "s"}
    assert {one["new_path"] for one in paths[False]["diffs"]} == {"a", "c"}
    same = project.repository_compare(last, "main")
    assert (same["diffs"], same["commit"], same["compare_same_ref"]) == ([], None, True)
    with pytest.raises(gitlab.GitlabGetError) as missing:
        project.repository_compare("f" * 40, "main")
    assert refusal(missing) == (404, "404 Ref Not Found")


def test_tree(project: Any) -> None:
    commit(project, actions=[write(f"d/f{number:02d}", "x") for number in range(30)])
    assert [entry["name"] for entry in project.repository_tree(get_all=True)] == ["d", "README.md"]
    first = project.repository_tree(path="d", get_all=False)
    assert [entry["path"] for entry in first] == [f"d/f{number:02d}" for number in range(20)]
    whole = project.repository_tree(recursive=True, get_all=True)
    assert [entry["type"] for entry in whole if entry["path"] == "d"] == ["tree"]
    assert len(whole) == 32
    listed = project.repository_tree(path="d", iterator=True)
    assert (listed.total, listed.total_pages, listed.next_page) == (30, 2, 2)
    with pytest.raises(gitlab.GitlabGetError) as missing:
        project.repository_tree(ref="nothing", get_all=True)
    assert refusal(missing) == (404, "404 Tree Not Found")


def test_branches_and_tags(project: Any) -> None:
    head = project.branches.get("main")
    assert (head.default, head.can_push, head.commit["title"]) == (True, True, "Initial commit")
    project.branches.create({"branch": "feature/x", "ref": "main"})
    project.branches.create({"branch": "feature/x2", "ref": head.commit["id"]})
    assert [one.name for one in project.branches.list(search="feat", get_all=True)] == [
        "feature/x",
        "feature/x2",
    ]
    for body in (
        {"branch": "feature/x", "ref": "main"},
        {"branch": "y", "ref": "nothing"},
        {"branch": "a b", "ref": "main"},
    ):
        with pytest.raises(gitlab.GitlabCreateError) as refused:
            project.branches.create(body)
        assert refusal(refused)[0] == 400
    project.branches.delete("feature/x")
    with pytest.raises(gitlab.GitlabGetError) as gone:
        project.branches.get("feature/x")
    assert refusal(gone) == (404, "404 Branch Not Found")
    project.tags.create({"tag_name": "v1", "ref": "main"})
    annotated = project.tags.create({"tag_name": "v2", "ref": "main", "message": "two"})
    assert (annotated.message, annotated.commit["id"]) == ("two", head.commit["id"])
    assert annotated.target != head.commit["id"]
    assert project.tags.get("v1").target == head.commit["id"]
    project.tags.delete("v1")
    assert [one.name for one in project.tags.list(get_all=True)] == ["v2"]
