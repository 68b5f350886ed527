"""Every code host against one contract."""

import pytest

from nautes_adapters.memory import MemoryCodeHost
from nautes_domain.capabilities import CommitState, CommitStatus, Head, HostedProject, Person
from nautes_domain.failures import Rejected

ZERO = "0" * 40
NOWHERE = "1234567890" * 4


class MemoryWorld:
    def __init__(self):
        self.host = MemoryCodeHost()
        self._count = 0

    async def add_project(self):
        self._count += 1
        return self.host.add_project(f"code{self._count}/src")

    async def commit(self, project, branch, files, *, links=(), message="Change something", start=""):
        return self.host.commit(project.id, branch, files, links=links, message=message, start=start)

    async def person(self):
        self.host.add_person("a-token", Person(7, "ada", "Ada"))
        return "a-token", Person(7, "ada", "Ada")


@pytest.fixture(params=["memory", "gitlab"])
async def world(request, tmp_path):
    if request.param == "memory":
        yield MemoryWorld()
        return
    from support.gitlab_cases import ForgeWorld

    forge_world = ForgeWorld(request.getfixturevalue("forge"), tmp_path)
    yield forge_world
    await forge_world.host.close()


@pytest.fixture
async def project(world) -> HostedProject:
    return await world.add_project()


async def test_a_project_is_found_by_its_path(world, project):
    found = await world.host.project(project.path)
    assert found is not None
    assert (found.id, found.path) == (project.id, project.path)


async def test_a_project_that_does_not_exist_is_none(world, project):
    assert await world.host.project(f"{project.path}-not") is None


async def test_the_head_of_a_branch(world, project):
    commit = await world.commit(project, "main", {"a.yaml": b"a: 1\n"})
    assert await world.host.head(project.id, "main") == commit
    assert await world.host.head(project.id, "feature/none") is None


async def test_the_heads_of_all_branches(world, project):
    assert await world.host.heads(project.id) == {}
    main = await world.commit(project, "main", {"a.yaml": b"a: 1\n"})
    feature = await world.commit(project, "feature/x", {"a.yaml": b"a: 2\n"}, start=main)
    found = await world.host.heads(project.id)
    assert found == {"refs/heads/main": Head(main, main), "refs/heads/feature/x": Head(feature, feature)}
    assert await world.host.heads(999_999) == {}


async def test_a_branch_with_a_slash(world, project):
    commit = await world.commit(project, "feature/x", {"a.yaml": b"a: 1\n"})
    assert await world.host.head(project.id, "feature/x") == commit


async def test_the_message_of_a_commit_is_whole(world, project):
    message = "Clean up\n\nFor good.\n\nNautes-Allow-Deletions: all"
    commit = await world.commit(project, "main", {"a.yaml": b"a: 2\n"}, message=message)
    assert (await world.host.message(project.id, commit)).rstrip("\n") == message
    with pytest.raises(Rejected) as refused:
        await world.host.message(project.id, NOWHERE)
    assert refused.value.code == "no-such-commit"


async def test_a_tree_holds_all_manifests_and_nothing_else(world, project):
    files = {
        "README.md": b"# hello\n",
        "envs/test.yaml": b"kind: Environment\n",
        "projects/a/ä b.yml": "name: ä\n".encode(),
        "empty.yaml": b"",
        "crlf.yaml": b"a: 1\r\n",
    }
    commit = await world.commit(project, "main", files)
    tree = await world.host.tree(project.id, commit)
    assert dict(tree) == {path: content for path, content in files.items() if path != "README.md"}


async def test_a_tree_is_of_its_commit_and_not_of_the_branch(world, project):
    first = await world.commit(project, "main", {"a.yaml": b"a: 1\n", "b.yaml": b"b: 1\n"})
    second = await world.commit(project, "main", {"a.yaml": b"a: 2\n", "b.yaml": None})
    assert dict(await world.host.tree(project.id, first)) == {"a.yaml": b"a: 1\n", "b.yaml": b"b: 1\n"}
    assert dict(await world.host.tree(project.id, second)) == {"a.yaml": b"a: 2\n"}


async def test_a_tree_without_manifests_is_empty(world, project):
    commit = await world.commit(project, "main", {"README.md": b"x"})
    assert dict(await world.host.tree(project.id, commit)) == {}


async def test_a_symbolic_link_is_refused(world, project):
    commit = await world.commit(project, "main", {"README.md": b"x"}, links=["a.yaml"])
    with pytest.raises(Rejected) as caught:
        await world.host.tree(project.id, commit)
    assert caught.value.code == "symlink"


async def test_the_tree_of_no_commit_is_refused(world, project):
    await world.commit(project, "main", {"a.yaml": b"a: 1\n"})
    with pytest.raises(Rejected) as caught:
        await world.host.tree(project.id, NOWHERE)
    assert caught.value.code == "no-such-commit"


async def test_one_file_is_read_at_a_commit(world, project):
    content = bytes(range(256)) * 3
    first = await world.commit(project, "main", {"ci/run me.bin": content})
    await world.commit(project, "main", {"ci/run me.bin": b"later"})
    assert await world.host.read(project.id, "ci/run me.bin", first) == content


@pytest.mark.parametrize("path", ["ci", "none.yaml", "../a.yaml", "a.yaml/b", "", "./a.yaml"])
async def test_a_file_that_does_not_exist_is_refused(world, project, path):
    commit = await world.commit(project, "main", {"a.yaml": b"a: 1\n", "ci/b": b""})
    with pytest.raises(Rejected) as caught:
        await world.host.read(project.id, path, commit)
    assert caught.value.code == "no-such-file"


async def test_a_file_at_no_commit_is_refused(world, project):
    await world.commit(project, "main", {"a.yaml": b"a: 1\n"})
    with pytest.raises(Rejected) as caught:
        await world.host.read(project.id, "a.yaml", NOWHERE)
    assert caught.value.code == "no-such-file"


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("", ["README.md", "ci/a.yaml", "ci/deep/b.yaml", "cider/c.yaml"]),
        ("ci", ["ci/a.yaml", "ci/deep/b.yaml"]),
        ("ci/deep", ["ci/deep/b.yaml"]),
        ("nowhere", []),
    ],
)
async def test_the_files_below_a_folder(world, project, folder, files):
    written = dict.fromkeys(["README.md", "ci/a.yaml", "ci/deep/b.yaml", "cider/c.yaml"], b"x")
    commit = await world.commit(project, "main", written)
    assert await world.host.files(project.id, commit, folder) == files


async def test_a_symbolic_link_is_no_file_and_no_commit_has_none(world, project):
    commit = await world.commit(project, "main", {"ci/a.yaml": b"x"}, links=["ci/link.yaml"])
    assert await world.host.files(project.id, commit, "ci") == ["ci/a.yaml"]
    assert await world.host.files(project.id, "f" * 40, "ci") == []


async def test_changed_paths_are_those_that_differ(world, project):
    before = await world.commit(project, "main", {"a.yaml": b"1", "b.yaml": b"1", "c/d": b"1"})
    await world.commit(project, "main", {"b.yaml": b"2"})
    after = await world.commit(project, "main", {"c/d": None, "e": b"new"})
    assert await world.host.changed_paths(project.id, before, after) == ("b.yaml", "c/d", "e")
    assert await world.host.changed_paths(project.id, after, before) == ("b.yaml", "c/d", "e")
    assert await world.host.changed_paths(project.id, after, after) == ()


async def test_changed_paths_since_a_fork_are_those_of_one_side(world, project):
    base = await world.commit(project, "main", {"a.yaml": b"1"})
    head = await world.commit(project, "feature", {"b.yaml": b"1"}, start=base)
    main = await world.commit(project, "main", {"c.yaml": b"1"}, start=base)
    assert await world.host.changed_paths(project.id, main, head) == ("b.yaml", "c.yaml")
    assert await world.host.changed_paths(project.id, main, head, since_fork=True) == ("b.yaml",)


async def test_our_own_account_is_known(world):
    assert await world.host.account()


async def test_changed_paths_are_unknown_for_new_branches_and_lost_commits(world, project):
    commit = await world.commit(project, "main", {"a.yaml": b"1"})
    assert await world.host.changed_paths(project.id, ZERO, commit) is None
    assert await world.host.changed_paths(project.id, commit, ZERO) is None
    assert await world.host.changed_paths(project.id, NOWHERE, commit) is None


async def test_a_status_may_be_repeated_and_move_on(world, project):
    commit = await world.commit(project, "main", {"a.yaml": b"1"})
    for state in (CommitState.PENDING, CommitState.PENDING, CommitState.RUNNING, CommitState.RUNNING):
        await world.host.set_status(
            project.id, commit, CommitStatus(state, "nautes/build", "x" * 300, "main")
        )
    done = CommitStatus(CommitState.SUCCESS, "nautes/build", "done", "main", "https://example.org/run")
    await world.host.set_status(project.id, commit, done)
    await world.host.set_status(project.id, commit, done)


async def test_the_newest_status_of_a_name_is_read_back(world, project):
    commit = await world.commit(project, "main", {"a.yaml": b"1"})
    assert await world.host.status(project.id, commit, "nautes/build") is None
    for state in (CommitState.PENDING, CommitState.FAILED, CommitState.RUNNING):
        status = CommitStatus(state, "nautes/build", f"it is {state}", "main")
        await world.host.set_status(project.id, commit, status)
    await world.host.set_status(project.id, commit, CommitStatus(CommitState.SUCCESS, "other", "x", "main"))
    for ref in ("", "main"):
        found = await world.host.status(project.id, commit, "nautes/build", ref)
        assert (found.state, found.description) == (CommitState.RUNNING, "it is running")
    assert await world.host.status(project.id, commit, "nautes/build", "elsewhere") is None
    assert await world.host.status(project.id, NOWHERE, "nautes/build") is None


async def test_a_status_of_no_commit_is_refused(world, project):
    await world.commit(project, "main", {"a.yaml": b"1"})
    with pytest.raises(Rejected):
        await world.host.set_status(project.id, NOWHERE, CommitStatus(CommitState.PENDING, "x", "y"))


async def test_a_token_belongs_to_somebody(world):
    token, person = await world.person()
    assert await world.host.whose(token) == person


@pytest.mark.parametrize("token", ["", "never-issued", "with space", "new\nline", "ümlaut", "x" * 5000])
async def test_an_unknown_token_belongs_to_nobody(world, token):
    assert await world.host.whose(token) is None
