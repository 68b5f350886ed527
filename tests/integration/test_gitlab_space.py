"""Groups, projects, hooks and deploy keys on a real code host: ownership, drift, order."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nautes_adapters.gitlab import GitLabCodeHost, GitLabDeployKeys, GitLabSpace
from nautes_adapters.gitlab.api import quoted
from nautes_domain import names
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Action, Ref, Verb, Wanted, covers
from support.forge import start_forge
from support.gitlab_cases import (
    GATEWAY,
    ForgeWorld,
    HookSecret,
    add_group,
    add_project,
    forge_api,
    group_wanted,
    project_wanted,
)


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    with start_forge(tmp_path_factory.mktemp("space")) as server:
        yield server


@pytest.fixture
async def api(forge):
    async with forge_api(forge) as api:
        yield api


@pytest.fixture
def tenant(request):
    return "t-" + names.digest(request.node.name, length=12)


@pytest.fixture
def product(tenant):
    return tenant.replace("t-", "p-")


@pytest.fixture
def secret():
    return HookSecret()


@pytest.fixture
async def space(forge, tenant, secret):
    space = GitLabSpace(forge.url, forge.token, gateway_url=GATEWAY, tenant=tenant, secrets=secret)
    yield space
    await space.close()


async def put(space, state):
    for ref, wanted in state.items():
        await space.apply(Action(Verb.CREATE, ref, None, wanted.spec, wanted.because))


async def delete(space, *refs):
    for ref in refs:
        await space.apply(Action(Verb.DELETE, ref, {}, None, "no longer declared"))


async def drifted(space, scope, state):
    observed = await space.observe(scope)
    return sorted(ref.kind for ref, wanted in state.items() if not covers(observed.get(ref), wanted.spec))


async def test_a_new_project_can_be_cloned_and_pushed_to_at_once(forge, space, product):
    await put(space, {**group_wanted(product), **project_wanted(product, "src")})
    host = GitLabCodeHost(forge.url, forge.token)
    project = await host.project(f"{product}/src")
    assert project is not None
    assert project.default_branch == "main"
    head = await host.head(project.id, "main")
    assert head is not None
    assert b"src" in await host.read(project.id, "README.md", head)
    await host.close()


async def test_a_project_waits_for_its_group_and_a_hook_for_its_project(space, product):
    for ref, wanted in project_wanted(product, "src").items():
        with pytest.raises(Blocked) as caught:
            await put(space, {ref: wanted})
        assert caught.value.by in (f"group/{product}", f"project/{product}/src")


async def test_a_hook_waits_for_its_secret(forge, tenant, product):
    async def none(_hook):
        return None

    space = GitLabSpace(forge.url, forge.token, gateway_url=GATEWAY, tenant=tenant, secrets=none)
    project, hook = project_wanted(product, "src").items()
    await put(space, {**group_wanted(product), **dict([project])})
    with pytest.raises(Blocked) as caught:
        await put(space, dict([hook]))
    assert caught.value.by == f"secret/{product}.src"
    await space.close()


async def test_a_hook_waits_for_the_version_that_is_declared(space, product):
    await put(space, {**group_wanted(product), **project_wanted(product, "src")})
    with pytest.raises(Retry):
        await put(space, project_wanted(product, "src", 2))


async def test_hooks_carry_the_secret_and_show_it_nowhere(space, api, product, secret):
    secret.token = "canary-token"
    await put(space, {**group_wanted(product), **project_wanted(product, "src")})
    assert secret.asked == [f"{product}.src"]
    observed = await space.observe(names.scope("product", product))
    hooks = await api.rows(f"/projects/{quoted(f'{product}/src')}/hooks")
    assert "canary-token" not in repr(observed) + json.dumps(hooks)


async def test_a_hook_changed_by_hand_is_put_right(space, api, product):
    state = project_wanted(product, "src")
    scope = names.scope("product", product)
    await put(space, {**group_wanted(product), **state})
    path = f"/projects/{quoted(f'{product}/src')}/hooks"
    url = f"{GATEWAY}/hooks/gitlab/{product}.src"
    for change in ({"push_events": False}, {"issues_events": True}, {"description": "mine now"}):
        (hook,) = await api.rows(path)
        await api.put(f"{path}/{hook['id']}", {"url": url, **change})
        assert await drifted(space, scope, state) == ["Hook"], change
        await put(space, state)
        assert await drifted(space, scope, state) == [], change
    assert len(await api.rows(path)) == 1


async def test_a_deleted_hook_is_made_again_and_a_doubled_one_removed(space, api, product):
    state = project_wanted(product, "src")
    scope = names.scope("product", product)
    await put(space, {**group_wanted(product), **state})
    path = f"/projects/{quoted(f'{product}/src')}/hooks"
    (hook,) = await api.rows(path)
    await api.post(path, {"url": hook["url"], "push_events": True})
    extra = set(await space.observe(scope)) - set(state)
    assert [ref.kind for ref in extra] == ["Hook"]
    await delete(space, *extra)
    assert [one["id"] for one in await api.rows(path)] == [hook["id"]]
    await api.delete(f"{path}/{hook['id']}")
    assert await drifted(space, scope, state) == ["Hook"]
    await put(space, state)
    assert await drifted(space, scope, state) == []


async def test_a_project_made_by_people_in_our_group_is_adopted_with_what_it_holds(space, api, product):
    await put(space, group_wanted(product))
    group = await api.get(f"/groups/{product}")
    number = await add_project(api, group["id"], "src", ["cooking"])
    state = project_wanted(product, "src")
    assert await space.observe(names.scope("product", product)) == {}
    await put(space, state)
    assert await drifted(space, names.scope("product", product), state) == []
    found = await api.get(f"/projects/{number}")
    assert sorted(found["topics"]) == ["cooking", "nautes"]


async def test_a_group_of_people_is_neither_taken_nor_written_into(space, api, product):
    group = await add_group(api, product, "our own group")
    await add_project(api, group, "src", ["nautes"])
    for ref, wanted in {**group_wanted(product), **project_wanted(product, "other")}.items():
        if ref.kind == "Hook":
            continue
        with pytest.raises(Rejected) as caught:
            await put(space, {ref: wanted})
        assert caught.value.code == "group-not-ours"
    assert await space.observe(names.scope("product", product)) == {}
    await delete(space, Ref("gitlab", "Group", product))
    assert (await api.get(f"/groups/{product}"))["description"] == "our own group"


async def make_user(api, name):
    body = {"username": name, "name": name, "email": f"{name}@example.com", "force_random_password": True, "skip_confirmation": True}  # fmt: skip
    return int((await api.post("/users", body))["id"])


async def owners(api, product):
    rows = await api.rows(f"/groups/{product}/members")
    return {row["username"] for row in rows if row["access_level"] == 50} - {"root"}


def made_for(product, creator):
    ref = Ref("gitlab", "Group", product)
    return {ref: Wanted({"visibility": "private", "creator": creator}, f"{product} is declared")}


async def test_who_asked_for_a_group_becomes_its_owner_once_whatever_failed_before(
    space, api, product, tenant
):
    alice = await make_user(api, f"alice-{product}")
    state = made_for(product, f"alice-{product}")
    steps = {
        "nothing": None,
        "the group was made": f"nautes:{tenant} product {product}",
        "let in with another level": f"nautes:{tenant} product {product}; ours",
    }
    for number, (step, description) in enumerate(steps.items()):
        path = f"{product}-{number}"
        one = {Ref("gitlab", "Group", path): wanted for wanted in state.values()}
        if description:
            group = await add_group(api, path, description)
            if step.startswith("let in"):
                await api.post(f"/groups/{group}/members", {"user_id": alice, "access_level": 30})
        await put(space, one)
        assert await owners(api, path) == {f"alice-{product}"}, step
        assert await drifted(space, "tenant", one) == []
        told = (await api.get(f"/groups/{path}"))["description"]
        assert told.endswith(f" made for alice-{product}")
        if description:
            assert told.startswith(description)
        await api.delete(f"/groups/{path}/members/{alice}")  # who was taken out again stays out
        assert await drifted(space, "tenant", one) == []


async def test_a_group_that_a_person_owns_gets_no_other_owner(space, api, product, tenant):
    alice, bob = [await make_user(api, f"{name}-{product}") for name in ("alice", "bob")]
    group = await add_group(api, product, f"nautes:{tenant} product {product}")
    await api.post(f"/groups/{group}/members", {"user_id": alice, "access_level": 50})
    await put(space, made_for(product, f"bob-{product}"))
    assert await owners(api, product) == {f"alice-{product}"}
    assert await drifted(space, "tenant", made_for(product, f"bob-{product}")) == []
    assert bob


async def test_an_unknown_creator_is_told_and_the_group_is_there(space, api, product):
    with pytest.raises(Rejected) as caught:
        await put(space, made_for(product, "nobody-of-this-name"))
    assert (caught.value.code, caught.value.next_step) == (
        "no-such-user",
        "add an owner to the group on GitLab",
    )
    assert await api.get(f"/groups/{product}") is not None


async def test_the_tenants_own_group_is_adopted_by_its_name(space, api, tenant):
    group = await add_group(api, tenant, "")
    await add_project(api, group, names.TENANT_PROJECT)
    state = {**group_wanted(tenant), **project_wanted(tenant, names.TENANT_PROJECT)}
    assert await space.observe("tenant") == {}
    await put(space, state)
    assert await drifted(space, "tenant", state) == []


async def test_what_was_declared_no_more_is_archived_with_its_commits_and_comes_back(
    forge, space, api, product, tmp_path
):
    state = project_wanted(product, "src")
    await put(space, {**group_wanted(product), **state})
    world = ForgeWorld(forge, tmp_path)
    project = await world.host.project(f"{product}/src")
    head = await world.host.head(project.id, "main")
    await delete(space, *reversed(state))
    found = await api.get(f"/projects/{project.id}")
    assert found["archived"] is True
    assert await api.rows(f"/projects/{project.id}/hooks") == []
    await put(space, state)
    assert await drifted(space, names.scope("product", product), state) == []
    assert await world.host.head(project.id, "main") == head
    await world.host.close()


async def test_a_marked_project_of_another_tenants_group_is_not_seen(space, api, product):
    group = await add_group(api, product, "nautes:another-tenant product x")
    await add_project(api, group, "src", ["nautes"])
    assert await space.observe(names.scope("product", product)) == {}
    assert Ref("gitlab", "Group", product) not in await space.observe("tenant")


async def test_a_submodule_is_refused(forge, tmp_path):
    world = ForgeWorld(forge, tmp_path)
    project = await world.add_project()
    await world.commit(project, "main", {"a.yaml": b"a: 1\n"})
    commit = await world.add_submodule(project)
    with pytest.raises(Rejected) as caught:
        await world.host.tree(project.id, commit)
    assert caught.value.code == "submodule"
    await world.host.close()


def public_key(comment="x@y"):
    key = Ed25519PrivateKey.generate().public_key()
    return f"{key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}"


@pytest.fixture
async def keys(forge):
    keys = GitLabDeployKeys(forge.url, forge.token)
    yield keys
    await keys.close()


async def test_a_deploy_key_is_made_once_and_replaced_when_it_changes(keys, api, product):
    project = await add_project(api, await add_group(api, product, ""), "src")
    one, other, people = public_key(), public_key(), public_key()
    theirs = await keys.ensure(project, "laptop of ada", people, can_push=True)
    first = await keys.ensure(project, "nautes-readonly", one, can_push=False)
    assert await keys.ensure(project, "nautes-readonly", one.split(" x@y")[0], can_push=False) == first
    second = await keys.ensure(project, "nautes-readonly", other, can_push=False, replace=False)
    assert {key.id for key in await keys.list(project)} == {theirs, first, second}
    assert await keys.ensure(project, "nautes-readonly", other, can_push=False) == second
    found = {key.id: key for key in await keys.list(project)}
    assert set(found) == {theirs, second}
    assert (found[second].can_push, found[theirs].can_push) == (False, True)
    assert await keys.remove_titled(project, "nautes-readonly") == 1
    await keys.remove(project, second)
    assert [key.id for key in await keys.list(project)] == [theirs]


async def test_a_key_that_was_given_more_rights_loses_them(keys, api, product):
    project = await add_project(api, await add_group(api, product, ""), "src")
    key = public_key()
    first = await keys.ensure(project, "nautes-readonly", key, can_push=True)
    assert await keys.ensure(project, "nautes-readonly", key, can_push=False) == first
    assert [one.can_push for one in await keys.list(project)] == [False]
