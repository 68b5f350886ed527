"""Every code host, as people see it with their own tokens, against one contract."""

import itertools

import pytest

from nautes_adapters.memory import MemoryPersonal
from nautes_domain.access import CONFLICT, FORBIDDEN, UNKNOWN_CALLER, FileChange, Level, NewCommit, Tip
from nautes_domain.capabilities import Person
from nautes_domain.failures import Rejected, Retry

_NUMBERS = itertools.count(1)
FILE = "envs/test.yaml"


class MemoryWorld:
    def __init__(self):
        self.host = MemoryPersonal()
        self._number = 0

    async def project(self):
        self._number += 1
        path = f"orchard{self._number}/default.project"
        project = self.host.host.add_project(path)
        self.host.host.commit(project.id, "main", {"README.md": b"hello"})
        return path

    async def person(self, path, level):
        number = next(_NUMBERS)
        person = Person(number, f"p{number}", f"Person {number}")
        self.host.host.add_person(person.username, person)
        self.host.let_in(person, path.partition("/")[0], level)
        return person.username


class ForgeWorld:
    def __init__(self, forge):
        from nautes_adapters.gitlab import GitLabPersonal

        self._forge = forge
        self.host = GitLabPersonal(forge.url)

    async def project(self):
        from support.gitlab_cases import add_group, forge_api

        name = f"people{next(_NUMBERS)}"
        async with forge_api(self._forge) as api:
            group = await add_group(api, name, "")
            body = {"name": "default.project", "path": "default.project", "namespace_id": group, "initialize_with_readme": True}  # fmt: skip
            await api.post("/projects", body)
        return f"{name}/default.project"

    async def person(self, path, level):
        from support.gitlab_cases import forge_api

        name = f"person{next(_NUMBERS)}"
        async with forge_api(self._forge) as api:
            body = {"username": name, "name": name.title(), "email": f"{name}@acme.example", "password": "long-enough-1"}  # fmt: skip
            user = await api.post("/users", body)
            group = await api.get(f"/groups/{path.partition('/')[0]}")
            if level:
                member = {"user_id": user["id"], "access_level": int(level)}
                await api.post(f"/groups/{group['id']}/members", member)
            token = {"name": "t", "scopes": ["api"]}
            made = await api.post(f"/users/{user['id']}/personal_access_tokens", token)
        return made["token"]


@pytest.fixture(params=["memory", "gitlab"])
async def world(request):
    if request.param == "memory":
        yield MemoryWorld()
        return
    forge_world = ForgeWorld(request.getfixturevalue("forge"))
    yield forge_world
    await forge_world.host.close()


@pytest.fixture
async def path(world):
    return await world.project()


async def head(world, token, path):
    return (await world.host.tip(token, path, "main")).commit


def new(base, *changes, message="Change"):
    return NewCommit("main", base, message, tuple(FileChange(*change) for change in changes))


async def test_a_person_is_known_by_token(world, path):
    token = await world.person(path, Level.OWNER)
    assert (await world.host.whose(token)).username
    assert await world.host.whose("glpat-nobody") is None


@pytest.mark.parametrize(
    "level", [Level.GUEST, Level.REPORTER, Level.DEVELOPER, Level.MAINTAINER, Level.OWNER]
)
async def test_a_member_sees_the_project_with_the_level_of_the_group(world, path, level):
    token = await world.person(path, level)
    access = await world.host.access(token, path)
    assert (access.project.path, access.level) == (path, level)
    assert path.partition("/")[0] in await world.host.groups_with(token, "default.project")


async def test_who_is_no_member_sees_the_same_as_if_there_were_no_project(world, path):
    token = await world.person(path, Level.NONE)
    assert await world.host.access(token, path) is None
    assert await world.host.access(token, "nowhere/default.project") is None
    assert await world.host.tip(token, path, "main") is None
    assert path.partition("/")[0] not in await world.host.groups_with(token, "default.project")
    with pytest.raises(Rejected) as refused:
        await world.host.commit(token, path, new("", (FILE, None, b"a: 1\n")))
    assert refused.value.code == "no-such-project"


async def test_a_token_that_nobody_knows_is_refused_as_such(world, path):
    for ask in (world.host.access("glpat-nobody", path), world.host.tip("glpat-nobody", path, "main")):
        with pytest.raises(Rejected) as refused:
            await ask
        assert refused.value.code == UNKNOWN_CALLER


async def test_a_branch_stands_somewhere_and_may_be_pushed_to_by_developers(world, path):
    developer, reporter = await world.person(path, Level.DEVELOPER), await world.person(path, Level.REPORTER)
    tip = await world.host.tip(developer, path, "main")
    assert len(tip.commit) == 40
    assert tip == Tip(tip.commit, may_push=True)
    assert await world.host.tip(reporter, path, "main") == Tip(tip.commit, may_push=False)
    assert await world.host.tip(developer, path, "none") is None


async def test_a_commit_creates_updates_and_deletes_as_the_person(world, path):
    token = await world.person(path, Level.DEVELOPER)
    start = await head(world, token, path)
    first = await world.host.commit(
        token, path, new(start, (FILE, None, b"a: 1\n"), ("b.yaml", None, b"b: 1\n"))
    )
    assert first.parent == start
    assert await world.host.tree(token, path, first.commit) == {FILE: b"a: 1\n", "b.yaml": b"b: 1\n"}
    second = await world.host.commit(
        token,
        path,
        new(
            first.commit, (FILE, b"a: 1\n", b"a: 2\n"), ("b.yaml", b"b: 1\n", None), message="Two\n\nWhy: so"
        ),
    )
    assert second.parent == first.commit
    assert await world.host.tree(token, path, second.commit) == {FILE: b"a: 2\n"}
    newest, older = await world.host.history(token, path, FILE, 10)
    assert (newest.commit, older.commit) == (second.commit, first.commit)
    assert newest.message.rstrip() == "Two\n\nWhy: so"
    assert newest.author == (await world.host.whose(token)).name
    assert len(await world.host.history(token, path, FILE, 1)) == 1


async def test_a_file_that_changed_since_it_was_seen_is_not_overwritten(world, path):
    token = await world.person(path, Level.DEVELOPER)
    seen = await world.host.commit(token, path, new(await head(world, token, path), (FILE, None, b"a: 1\n")))
    theirs = await world.host.commit(token, path, new(seen.commit, (FILE, b"a: 1\n", b"a: 2\n")))
    for mine in (b"a: 3\n", None):
        with pytest.raises(Retry) as refused:
            await world.host.commit(token, path, new(seen.commit, (FILE, b"a: 1\n", mine)))
        assert refused.value.code == CONFLICT
    with pytest.raises(Retry) as refused:
        await world.host.commit(token, path, new(seen.commit, (FILE, None, b"a: 3\n")))
    assert refused.value.code == CONFLICT
    assert await head(world, token, path) == theirs.commit


async def test_what_others_did_to_other_files_is_no_conflict(world, path):
    token = await world.person(path, Level.DEVELOPER)
    seen = await world.host.commit(token, path, new(await head(world, token, path), (FILE, None, b"a: 1\n")))
    theirs = await world.host.commit(token, path, new(seen.commit, ("b.yaml", None, b"b: 1\n")))
    mine = await world.host.commit(token, path, new(seen.commit, (FILE, b"a: 1\n", b"a: 2\n")))
    assert mine.parent == theirs.commit
    assert await world.host.tree(token, path, mine.commit) == {FILE: b"a: 2\n", "b.yaml": b"b: 1\n"}


async def test_who_may_only_read_does_not_commit(world, path):
    token = await world.person(path, Level.REPORTER)
    with pytest.raises(Rejected) as refused:
        await world.host.commit(token, path, new(await head(world, token, path), (FILE, None, b"a: 1\n")))
    assert refused.value.code == FORBIDDEN


async def test_changed_paths_are_those_that_the_person_may_compare(world, path):
    member, stranger = await world.person(path, Level.DEVELOPER), await world.person(path, Level.NONE)
    base = (await world.host.tip(member, path, "main")).commit
    change = FileChange("src/a.py", None, b"1")
    made = await world.host.commit(member, path, NewCommit("main", base, "Add", (change,)))
    assert await world.host.changed_paths(member, path, base, made.commit) == ("src/a.py",)
    assert await world.host.changed_paths(member, path, base, base) == ()
    assert await world.host.changed_paths(member, path, "0" * 40, made.commit) is None
    assert await world.host.changed_paths(member, path, "f" * 40, made.commit) is None
    assert await world.host.changed_paths(stranger, path, base, made.commit) is None
