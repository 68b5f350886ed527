"""Services log in to a real OpenBao as the accounts of their pods, which a Kubernetes API vouches for."""

import pytest

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.vault import VaultSecretStore, VaultSession
from nautes_domain.failures import Rejected
from nautes_runtime.settings import VaultSettings
from support.kubernetes import start_kubernetes
from support.openbao import start_openbao
from support.vault_cases import vault_session

NAMESPACE = "nautes"
MOUNT = "nautes.services"
AUDIENCE = "vault"


@pytest.fixture
def cluster(tmp_path):
    with start_kubernetes(tmp_path) as server:
        yield server


@pytest.fixture
async def accounts(cluster):
    """A client of the cluster, with a namespace and the accounts of two services and of the reviewer."""
    client = KubernetesClient.from_kubeconfig(cluster.kubeconfig)
    await client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for name in ("reconciler", "secret-broker", "reviewer"):
        metadata = {"name": name, "namespace": NAMESPACE}
        await client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await client.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "reviewer"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "reviewer", "namespace": NAMESPACE}],
        }
    )
    yield client
    await client.close()


@pytest.fixture
async def openbao(tmp_path, cluster, accounts):
    """A secret store with the login of the installation instructions, and a secret for the reconciler."""
    reviewer = await accounts.token_request(NAMESPACE, "reviewer")
    with start_openbao(tmp_path) as server:
        async with vault_session(server) as root:
            await root.write(f"sys/auth/{MOUNT}", {"type": "kubernetes"})
            await root.write(
                f"auth/{MOUNT}/config",
                {
                    "kubernetes_host": cluster.url,
                    "kubernetes_ca_cert": cluster.ca_file.read_text(),
                    "token_reviewer_jwt": reviewer.value,
                },
            )
            policy = 'path "git/data/a" { capabilities = ["read"] }'
            await root.write("sys/policies/acl/reconciler", {"policy": policy})
            await root.write(
                f"auth/{MOUNT}/role/reconciler",
                {
                    "bound_service_account_names": ["reconciler"],
                    "bound_service_account_namespaces": [NAMESPACE],
                    "audience": AUDIENCE,
                    "token_policies": ["reconciler"],
                },
            )
            await VaultSecretStore(root).write("git", "a", {"key": "value"})
        yield server


@pytest.fixture
def session_of(tmp_path, openbao, accounts):
    """Give a session as a service's settings make it, with a fresh token of an account."""
    sessions = []

    async def make(account, audience=AUDIENCE):
        token = await accounts.token_request(NAMESPACE, account, (audience,))
        file = tmp_path / "vault-token"
        file.write_text(token.value)
        login = {"role": "reconciler", "token_file": file}
        vault = VaultSettings(address=openbao.address, kubernetes=login)
        sessions.append(VaultSession(vault.address, vault.login(), verify=vault.verify))
        return sessions[-1], file

    return make


async def test_a_service_reads_as_the_account_of_its_pod(session_of):
    session, _ = await session_of("reconciler")
    assert (await VaultSecretStore(session).read("git", "a")).values == {"key": "value"}
    await session.close()


@pytest.mark.parametrize(("account", "audience"), [("secret-broker", AUDIENCE), ("reconciler", "other")])
async def test_another_account_or_audience_is_denied(session_of, account, audience):
    session, file = await session_of(account, audience)
    with pytest.raises(Rejected) as refused:
        await VaultSecretStore(session).read("git", "a")
    assert refused.value.code == "vault-denied"
    assert file.read_text() not in str(refused.value)
    await session.close()


async def test_a_login_that_expired_is_renewed_with_the_newest_token(session_of, openbao, accounts):
    session, file = await session_of("reconciler")
    store = VaultSecretStore(session)
    assert await store.read("git", "a") is not None
    file.write_text((await accounts.token_request(NAMESPACE, "reconciler", (AUDIENCE,))).value)
    async with vault_session(openbao) as root:
        await root.write(f"sys/leases/revoke-prefix/auth/{MOUNT}/login", {})
    assert await store.read("git", "a") is not None
    await session.close()
