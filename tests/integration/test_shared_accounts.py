"""Pods of several runtimes as one account, in a real OpenBao: what their logins read, and until when."""

from types import SimpleNamespace

import httpx
import pytest

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.vault import REVIEWER, VaultAccess, VaultSecretStore, VaultSession, reading
from nautes_domain import names
from nautes_domain.failures import Rejected
from nautes_domain.plan import plan
from nautes_secret_broker.desired import mount_state
from nautes_secret_broker.grants import AUDIENCE, TTL, grants
from support.examples import changed, orchard, tenant
from support.kubernetes import start_kubernetes
from support.openbao import start_openbao
from support.vault_cases import vault_session

CLUSTER, ACCOUNT = "build-east", "apple-builder"
FIRST, SECOND = "projects/apple-api/apple-ci.yaml", "projects/apple-api/second.yaml"
IDS = {"apple-api-src": 10, "apple-web-src": 11, "apple-deploy": 12}
OTHER = (
    changed()[FIRST].decode()
    .replace("name: apple-ci", "name: second").replace("namespace: apple-ci", "namespace: second")
    .replace("apple-api-src", "apple-deploy")
)  # fmt: skip
ORDER = ("AuthMount", "Policy", "Role")


@pytest.fixture
async def place(tmp_path):
    """A cluster with the account in three namespaces, and a secret store that knows it and every key."""
    with start_kubernetes(tmp_path, CLUSTER) as cluster, start_openbao(tmp_path) as openbao:
        client = KubernetesClient.from_kubeconfig(cluster.kubeconfig)
        for namespace in ("reviewing", "apple-ci", "second", "stranger"):
            await client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            for name in (ACCOUNT, "other"):
                metadata = {"name": name, "namespace": namespace}
                await client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        rbac = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reviewer"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "name": "other", "namespace": "reviewing"}],
        }  # fmt: skip
        await client.apply(binding)
        reviewer = await client.token_request("reviewing", "other")
        async with vault_session(openbao) as root:
            store = VaultSecretStore(root)
            for project in IDS.values():
                await store.write(
                    "git", names.deploy_key_path(project, "readonly"), {"deploykey": f"k{project}"}
                )
            path = names.cluster_account_path(CLUSTER, REVIEWER)
            values = {"server": cluster.url, "ca": cluster.ca_file.read_text(), "token": reviewer.value}
            await store.write("cluster", path, values)
            access = VaultAccess(root, "acme")
            scope = f"cluster_{CLUSTER}"
            for action in plan(mount_state(CLUSTER, await store.read("cluster", path)), {}, order=ORDER):
                await access.apply(action)
            assert await access.observe(scope)
            yield SimpleNamespace(client=client, openbao=openbao, access=access)
        await client.close()


async def declare(place, changes):
    """Make the rights those of a product with changes."""
    wanted = grants(orchard(changes), tenant(), IDS, lambda paths: reading("git", paths)).state
    state = {ref: one for ref, one in wanted.items() if ref.scope in {"", CLUSTER}}
    for action in plan(state, await place.access.observe("product_orchard"), order=ORDER):
        await place.access.apply(action)


async def login(place, namespace, account=ACCOUNT):
    """Return what a pod reads with: a session with what it is given in the role of the account, None if it is refused.

    The session does not log in again: it is the login that is looked at.
    """
    token = await place.client.token_request(namespace, account, (AUDIENCE,))
    body = {"role": names.dotted("orchard", ACCOUNT), "jwt": token.value}
    async with httpx.AsyncClient(base_url=place.openbao.address, trust_env=False) as client:
        answer = await client.post(f"/v1/auth/{CLUSTER}/login", json=body)
    if answer.status_code == httpx.codes.FORBIDDEN:
        return None
    given = answer.raise_for_status().json()["auth"]["client_token"]
    return VaultSession.with_token(place.openbao.address, given)


async def readable(session):
    """Return the projects whose keys a session reads."""
    found: set[int] = set()
    if session is None:
        return found
    for project in IDS.values():
        try:
            stored = await VaultSecretStore(session).read("git", names.deploy_key_path(project, "readonly"))
        except Rejected as refused:
            assert refused.code == "vault-denied"
        else:
            assert stored.values["deploykey"] == f"k{project}"
            found.add(project)
    return found


async def test_whoever_works_as_the_account_reads_what_its_runtimes_read_and_nobody_else_does(place):
    await declare(place, {SECOND: OTHER})
    for namespace, account, expected in (
        ("apple-ci", ACCOUNT, {10, 12}),
        ("second", ACCOUNT, {10, 12}),
        ("stranger", ACCOUNT, set()),
        ("apple-ci", "other", set()),
    ):
        session = await login(place, namespace, account)
        assert await readable(session) == expected, (namespace, account)
        assert (session is None) == (not expected)
        if session is not None:
            await session.close()


async def test_rights_end_with_the_runtime_that_they_came_with_even_of_logins_that_stand(place):
    await declare(place, {SECOND: OTHER})
    gone, stays = await login(place, "apple-ci"), await login(place, "second")
    assert await readable(gone) == await readable(stays) == {10, 12}

    await declare(place, {SECOND: OTHER, FIRST: None})
    assert await readable(stays) == {12}
    assert await login(place, "apple-ci") is None

    # A login of the runtime that is gone has what is left to the account, until its time is over.
    assert await readable(gone) == {12}
    async with vault_session(place.openbao) as root:
        role = await root.read(f"auth/{CLUSTER}/role/orchard.{ACCOUNT}")
    assert role["token_max_ttl"] == role["token_ttl"] == TTL

    await declare(place, {FIRST: None})
    assert await readable(stays) == await readable(gone) == set()
    for session in (gone, stays):
        await session.close()
