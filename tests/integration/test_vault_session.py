"""Logging in to a real OpenBao: as an AppRole, again after expiry, and what happens when it is away."""

from datetime import timedelta

import pytest

from nautes_adapters.vault import VaultSecretStore, VaultSession, policy_spec
from nautes_adapters.vault.rules import rendered
from nautes_domain.failures import Rejected, Retry
from support.openbao import start_openbao
from support.vault_cases import vault_session

PATH = "gitlab/repo-7/default/readonly"


@pytest.fixture(scope="module")
def openbao(tmp_path_factory):
    with start_openbao(tmp_path_factory.mktemp("session")) as server:
        yield server


@pytest.fixture
async def root(openbao):
    async with vault_session(openbao) as session:
        yield session


async def app_role(root, name, rules):
    """Make an AppRole with a policy; return its role id and a secret id."""
    await root.write(f"sys/policies/acl/{name}", {"policy": rendered(policy_spec(rules))})
    await root.write(f"auth/approle/role/{name}", {"token_policies": [name], "token_ttl": "1h"})
    role_id = (await root.read(f"auth/approle/role/{name}/role-id"))["role_id"]
    return role_id, (await root.write(f"auth/approle/role/{name}/secret-id", {}))["secret_id"]


def login(role_id, secret_id):
    return lambda: ("auth/approle/login", {"role_id": role_id, "secret_id": secret_id})


@pytest.fixture
async def reader(openbao, root):
    role_id, secret_id = await app_role(root, "reader", {f"git/data/{PATH}": ["read"]})
    session = VaultSession(openbao.address, login(role_id, secret_id))
    yield session
    await session.close()


async def revoke_all(root):
    """End every token that the AppRole login issued."""
    await root.write("sys/leases/revoke-prefix/auth/approle/login", {})


async def test_an_app_role_reads_what_its_policy_grants(root, reader):
    await VaultSecretStore(root).write("git", PATH, {"deploykey": "k"})
    found = await VaultSecretStore(reader).read("git", PATH)
    assert found is not None
    assert found.values["deploykey"] == "k"


async def test_what_the_policy_does_not_grant_is_rejected(reader):
    store = VaultSecretStore(reader)
    for attempt in (
        store.read("git", "gitlab/repo-8/default/readonly"),
        store.write("git", PATH, {"a": "b"}),
    ):
        with pytest.raises(Rejected) as caught:
            await attempt
        assert caught.value.code == "vault-denied"


async def test_a_revoked_token_is_replaced_without_anyone_noticing(root, reader):
    await VaultSecretStore(root).write("git", PATH, {"deploykey": "before"})
    store = VaultSecretStore(reader)
    assert (await store.read("git", PATH)).values["deploykey"] == "before"
    await revoke_all(root)
    assert (await store.read("git", PATH)).values["deploykey"] == "before"


async def test_a_wrong_secret_id_is_rejected_and_not_shown(openbao, root):
    role_id, _ = await app_role(root, "wrong", {f"git/data/{PATH}": ["read"]})
    session = VaultSession(openbao.address, login(role_id, "canary-secret-id"))
    with pytest.raises(Rejected) as caught:
        await session.read("sys/auth")
    assert caught.value.code == "vault-denied"
    assert "canary" not in str(caught.value)
    await session.close()


async def test_a_token_without_an_app_role_does_not_try_to_log_in(openbao):
    session = VaultSession.with_token(openbao.address, "s.invented")
    with pytest.raises(Rejected) as caught:
        await session.read("sys/auth")
    assert caught.value.code == "vault-denied"
    await session.close()


async def test_a_wrapping_token_survives_the_session_that_made_it(root, reader):
    token = await VaultSecretStore(root).wrap({"kubeconfig": "x"}, timedelta(seconds=30))
    assert await VaultSecretStore(reader).unwrap(token) == {"kubeconfig": "x"}


async def test_an_expired_wrapping_token_is_rejected(root):
    token = await VaultSecretStore(root).wrap({"kubeconfig": "x"}, timedelta(seconds=30))
    await root.write("sys/wrapping/rewrap", {"token": token})
    with pytest.raises(Rejected) as caught:
        await VaultSecretStore(root).unwrap(token)
    assert caught.value.code == "wrapping-token"


async def test_a_mount_that_does_not_exist_is_rejected(root):
    with pytest.raises(Rejected) as caught:
        await VaultSecretStore(root).write("nowhere", PATH, {"a": "canary"})
    assert caught.value.code == "vault-refused"
    assert "canary" not in str(caught.value)


async def test_sealed_and_dead_servers_are_retried(tmp_path):
    with start_openbao(tmp_path) as server:
        session = VaultSession.with_token(server.address, server.root_token)
        assert await session.read("sys/auth") is not None
        await session.write("sys/seal", {})
        with pytest.raises(Retry) as sealed:
            await session.read("sys/auth")
        server.kill()
        with pytest.raises(Retry) as dead:
            await session.read("sys/auth")
        assert {sealed.value.code, dead.value.code} == {"vault-unavailable"}
        await session.close()
