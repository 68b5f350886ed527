"""Drift, ownership and order in a real OpenBao."""

import json

import pytest

from nautes_adapters.vault import REVIEWER, VaultAccess, VaultSecretStore, VaultSession, reading
from nautes_domain import names
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Action, Ref, Verb, Wanted, covers
from support.openbao import start_openbao
from support.vault_cases import CA, add_mount, mount_wanted, role_wanted, store_reviewer, vault_session

KEY = "gitlab/repo-7/default/readonly"
POLICY = Ref("vault", "Policy", "nautes.orchard.pipeline.build")


@pytest.fixture
def openbao(tmp_path):
    with start_openbao(tmp_path) as server:
        yield server
        server.kill()  # it keeps everything in memory; an orderly stop takes half a second


@pytest.fixture
async def root(openbao):
    async with vault_session(openbao) as session:
        yield session


@pytest.fixture
def access(root):
    return VaultAccess(root, "acme")


async def put(access, state):
    for ref, wanted in state.items():
        await access.apply(Action(Verb.CREATE, ref, None, wanted.spec, wanted.because))


async def drifted(access, scope, state):
    observed = await access.observe(scope)
    return [ref for ref, wanted in state.items() if not covers(observed.get(ref), wanted.spec)]


async def test_the_written_policy_lets_a_token_read_exactly_its_key(openbao, root, access):
    store = VaultSecretStore(root)
    await store.write("git", KEY, {"deploykey": "mine"})
    await store.write("git", "gitlab/repo-8/default/readonly", {"deploykey": "theirs"})
    await put(access, {POLICY: Wanted(reading("git", [KEY]), "declared")})
    made = await root.write(
        "auth/token/create", {"id": "tok-en", "policies": [POLICY.name], "no_parent": True}
    )
    assert made == {}
    session = VaultSession.with_token(openbao.address, "tok-en")
    theirs = VaultSecretStore(session)
    assert (await theirs.read("git", KEY)).values["deploykey"] == "mine"
    for attempt in (
        theirs.read("git", "gitlab/repo-8/default/readonly"),
        theirs.write("git", KEY, {"deploykey": "forged"}),
        theirs.remove("git", KEY),
        session.names("git/metadata"),
    ):
        with pytest.raises(Rejected) as caught:
            await attempt
        assert caught.value.code == "vault-denied"
    await session.close()


async def test_a_grant_added_by_hand_is_revoked(root, access):
    state = {POLICY: Wanted(reading("git", [KEY]), "declared")}
    await put(access, state)
    assert await drifted(access, "product_orchard", state) == []
    wider = {"path": {f"git/data/{KEY}": {"capabilities": ["read"]}, "git/*": {"capabilities": ["read"]}}}
    await root.write(f"sys/policies/acl/{POLICY.name}", {"policy": json.dumps(wider)})
    assert await drifted(access, "product_orchard", state) == [POLICY]
    await put(access, state)
    assert await drifted(access, "product_orchard", state) == []


async def test_a_role_widened_by_hand_is_narrowed(root, access):
    await add_mount(root, "acme", "east")
    state = role_wanted("orchard", "builder", "east", POLICY.name, "apple")
    await put(access, state)
    (ref,) = state
    for change in (
        {"bound_service_account_namespaces": ["apple", "pear"]},
        {"token_policies": [POLICY.name, "admin"]},
        {"audience": "other"},
        {"bound_service_account_namespace_selector": '{"matchLabels": {"a": "b"}}'},
        {"token_period": 3600},
        {"token_max_ttl": 7200},
        {"token_ttl": 7200, "token_max_ttl": 7200},
    ):
        await root.write("auth/east/role/orchard.builder", change)
        assert await drifted(access, "product_orchard", state) == [ref], change
        await put(access, state)
        assert await drifted(access, "product_orchard", state) == [], change


async def test_roles_and_policies_of_products_with_like_names_are_apart(root, access):
    await add_mount(root, "acme", "east")
    for product in ("orchard", "orchard-two", "orchards"):
        await put(access, role_wanted(product, "builder", "east", "default", "apple"))
        policy = Ref("vault", "Policy", names.runtime_policy(product, "pipeline", "build"))
        await put(access, {policy: Wanted(reading("git", [KEY]), "declared")})
    assert {ref.name for ref in await access.observe("product_orchard")} == {
        "orchard.builder",
        "nautes.orchard.pipeline.build",
    }


async def test_odd_names_under_our_prefix_can_be_removed(root, access):
    await add_mount(root, "acme", "east")
    role = {
        "bound_service_account_names": ["x"],
        "bound_service_account_namespaces": ["y"],
        "audience": "vault",
    }
    await root.write("auth/east/role/orchard.Some_Body", role)
    await root.write(
        "sys/policies/acl/nautes.orchard.some_body", {"policy": 'path "git/*" { capabilities = ["read"] }'}
    )
    for ref in await access.observe("product_orchard"):
        await access.apply(Action(Verb.DELETE, ref, {}, None, "no longer declared"))
    assert await access.observe("product_orchard") == {}


@pytest.mark.parametrize("name", ["admins", "nautes", "nautes.x/../../root", "nautes.orchard", "root"])
async def test_policies_that_are_not_ours_cannot_be_touched(access, name):
    ref = Ref("vault", "Policy", name)
    for after in (reading("git", [KEY]), None):
        with pytest.raises(Rejected) as caught:
            await access.apply(Action(Verb.UPDATE, ref, {}, after, "x"))
        assert caught.value.code == "bad-policy"


async def test_a_role_waits_for_its_cluster(access):
    with pytest.raises(Blocked) as caught:
        await put(access, role_wanted("orchard", "builder", "east", "default", "apple"))
    assert caught.value.by == "cluster/east"


async def test_a_login_waits_for_the_reviewers_token(root, access):
    with pytest.raises(Blocked) as caught:
        await put(access, mount_wanted("east"))
    assert caught.value.by == f"secret/east.{REVIEWER}"
    await store_reviewer(root, "east")
    with pytest.raises(Retry):
        await put(access, mount_wanted("east", version=2))
    assert await access.observe("cluster_east") == {}
    await put(access, mount_wanted("east"))
    assert await drifted(access, "cluster_east", mount_wanted("east")) == []


async def test_a_login_is_written_as_declared_and_shows_no_token(root, access):
    await store_reviewer(root, "east", "canary-token")
    await put(access, mount_wanted("east"))
    config = await root.read("auth/east/config")
    assert config["kubernetes_host"] == "https://east.example:6443"
    assert config["kubernetes_ca_cert"] == CA
    assert (config["token_reviewer_jwt_set"], config["disable_local_ca_jwt"]) == (True, True)
    shown = json.dumps(await root.read("sys/auth")) + repr(await access.observe("cluster_east"))
    assert "canary-token" not in shown


async def test_a_rotated_reviewer_is_written(root, access):
    await add_mount(root, "acme", "east")
    assert await store_reviewer(root, "east", "second") == 2
    (ref,) = mount_wanted("east")
    assert await drifted(access, "cluster_east", mount_wanted("east", 2)) == [ref]
    await put(access, mount_wanted("east", 2))
    assert await drifted(access, "cluster_east", mount_wanted("east", 2)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"kubernetes_host": "https://evil.example", "kubernetes_ca_cert": CA, "disable_local_ca_jwt": True},
        {
            "kubernetes_host": "https://east.example:6443",
            "kubernetes_ca_cert": CA + CA,
            "disable_local_ca_jwt": True,
        },
    ],
)
async def test_a_login_turned_elsewhere_by_hand_is_turned_back(root, access, change):
    await add_mount(root, "acme", "east")
    await root.write("auth/east/config", change)
    (ref,) = mount_wanted("east")
    assert await drifted(access, "cluster_east", mount_wanted("east")) == [ref]
    await put(access, mount_wanted("east"))
    assert await drifted(access, "cluster_east", mount_wanted("east")) == []


async def test_a_mount_that_was_left_half_made_is_finished(root, access):
    await store_reviewer(root, "east")
    await root.write("sys/auth/east", {"type": "kubernetes", "description": "nautes:acme"})
    (ref,) = mount_wanted("east")
    assert await drifted(access, "cluster_east", mount_wanted("east")) == [ref]
    await put(access, mount_wanted("east"))
    assert await drifted(access, "cluster_east", mount_wanted("east")) == []


@pytest.mark.parametrize("description", ["", "somebody's", "nautes:other {}", "nautes:acme-two {}"])
async def test_a_login_of_somebody_else_is_never_taken_or_removed(root, access, description):
    await store_reviewer(root, "east")
    await root.write("sys/auth/east", {"type": "kubernetes", "description": description})
    ((ref, wanted),) = mount_wanted("east").items()
    with pytest.raises(Rejected) as caught:
        await put(access, {ref: wanted})
    assert caught.value.code == "auth-mount-not-ours"
    await access.apply(Action(Verb.DELETE, ref, wanted.spec, None, "no longer declared"))
    with pytest.raises(Blocked):
        await put(access, role_wanted("orchard", "builder", "east", "default", "apple"))
    assert "east/" in await root.read("sys/auth")
    assert await root.read("auth/east/config") is None


async def test_removing_a_login_removes_its_roles(root, access):
    await add_mount(root, "acme", "east")
    await put(access, role_wanted("orchard", "builder", "east", "default", "apple"))
    (ref,) = mount_wanted("east")
    await access.apply(Action(Verb.DELETE, ref, {}, None, "the cluster is gone"))
    assert await access.observe("product_orchard") == {}
    (role,) = role_wanted("orchard", "builder", "east", "default", "apple")
    await access.apply(Action(Verb.DELETE, role, {}, None, "no longer declared"))
