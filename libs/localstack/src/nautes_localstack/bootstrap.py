"""What is set up once the servers answer: roles in OpenBao, users on the forge, kubeconfigs and namespaces of clusters.

Every step looks first or may be repeated, so it is done at each start: a stack of an older version gets what
is new. Calls are those of the public APIs (OpenBao "AppRole", "KV v2", "Policies"; GitLab "Users API").
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from nautes_localstack import openbao, rights
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.layout import CLUSTERS, MANAGEMENT, SERVICES, Chosen, Layout, secret, write_private
from nautes_localstack.openbao import Request
from nautes_localstack.parts import CLUSTER_SETUP, FORGE_SETUP, VAULT_SETUP

ARGO_CD: Final = "argocd"
"""Its namespace on the management cluster."""

PATIENCE: Final = 30.0
"""Seconds during which a refusal may still mean "not ready yet"."""

TOKEN_LIFE: Final = timedelta(days=364)
"""GitLab issues no access token for longer than a year."""


class SetupError(Exception):
    """A step of the set-up was refused. The message names the call and the answer's status, never a secret."""


def steps(layout: Layout, chosen: Chosen) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the set-ups by name; each may be awaited again and again."""
    return {
        VAULT_SETUP: lambda: _patiently(lambda: set_up_vault(layout, chosen)),
        FORGE_SETUP: lambda: _patiently(lambda: set_up_forge(layout, chosen)),
        CLUSTER_SETUP: lambda: _patiently(lambda: set_up_clusters(layout, chosen)),
    }


async def set_up_vault(layout: Layout, chosen: Chosen) -> None:
    """Write the policy and the AppRole of each service."""
    async with _client(chosen.url("openbao") + "/v1/") as client:
        await _log_in(client, layout)
        layout.vault_opened.touch()
        for name in SERVICES:
            await _post(client, openbao.policy_request(name, rights.VAULT[name]))
            *role, secret_id = openbao.role_requests(
                name, layout.role_id(name), secret(layout.secret_id(name))
            )
            for request in role:
                await _post(client, request)
            if not await _has_secret_id(client, name, secret(layout.secret_id(name))):
                await _post(client, secret_id)


async def set_up_clusters(layout: Layout, chosen: Chosen) -> None:
    """Make what an installation of Argo CD brings along, then hand the kubeconfigs over."""
    access = ClusterAccess.read(layout.kubeconfig(MANAGEMENT))
    headers = {"Authorization": f"Bearer {access.token}"}
    async with httpx.AsyncClient(
        base_url=access.server, timeout=10, trust_env=False, verify=access.trust(), headers=headers
    ) as client:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ARGO_CD}}
        answer = await client.post("/api/v1/namespaces", json=body)
        if answer.status_code != httpx.codes.CONFLICT:
            _answered(answer)
        await trust_code_host(client, layout.known_hosts.read_text())
    await store_kubeconfigs(layout, chosen)


async def trust_code_host(client: httpx.AsyncClient, line: str) -> None:
    """Give Argo CD the line that it verifies an SSH server with, unless it has it (Argo CD, "Private Repositories").

    `client` talks to the management cluster. Raises SetupError.
    """
    path, name, key = (
        f"/api/v1/namespaces/{ARGO_CD}/configmaps",
        "argocd-ssh-known-hosts-cm",
        "ssh_known_hosts",
    )
    found = await client.get(f"{path}/{name}")
    if found.status_code == httpx.codes.NOT_FOUND:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: line}}
        _answered(await client.post(path, json=body))
        return
    known = _answered(found).json().get("data", {}).get(key, "")
    if line not in known:
        merge = {"Content-Type": "application/merge-patch+json"}
        change = {"data": {key: f"{known.rstrip()}\n{line}".lstrip()}}
        _answered(await client.patch(f"{path}/{name}", headers=merge, json=change))


async def store_kubeconfigs(layout: Layout, chosen: Chosen) -> None:
    """Put each cluster's kubeconfig where an upload by a person would put it, unless it is there already."""
    async with _client(chosen.url("openbao") + "/v1/") as client:
        await _log_in(client, layout)
        for cluster in CLUSTERS:
            path = f"cluster/data/kubernetes/{cluster}/default/admin"
            values = {"kubeconfig": layout.kubeconfig(cluster).read_text()}
            answer = await client.get(path)
            if answer.status_code == httpx.codes.OK and answer.json()["data"]["data"] == values:
                continue
            await _post(client, Request(path, {"data": values}))


async def set_up_forge(layout: Layout, chosen: Chosen) -> None:
    """Make the users of services and developer, each with a token in a file. A token that works is kept."""
    async with _client(chosen.url("forge") + "/api/v4/") as client:
        for username, admin in rights.GITLAB_BOTS.items():
            file = layout.token(username)
            if file.exists() and await _token_works(client, secret(file)):
                continue
            client.headers["PRIVATE-TOKEN"] = secret(layout.token("root"))
            user_id = await _user_id(client, username, admin=admin)
            write_private(file, await _new_token(client, user_id) + "\n")


async def _user_id(client: httpx.AsyncClient, username: str, *, admin: bool) -> int:
    found = _answered(await client.get("users", params={"username": username})).json()
    if found:
        return int(found[0]["id"])
    body = {
        "username": username,
        "name": username,
        "email": f"{username}@nautes.localhost",
        "admin": admin,
        "force_random_password": True,
        "skip_confirmation": True,
    }
    return int(_answered(await client.post("users", json=body)).json()["id"])


async def _new_token(client: httpx.AsyncClient, user_id: int) -> str:
    expires = (datetime.now(UTC) + TOKEN_LIFE).date().isoformat()
    body = {
        "name": "nautes-local",
        "scopes": ["api", "read_repository", "write_repository"],
        "expires_at": expires,
    }
    answer = _answered(await client.post(f"users/{user_id}/personal_access_tokens", json=body))
    return str(answer.json()["token"])


async def _token_works(client: httpx.AsyncClient, token: str) -> bool:
    answer = await client.get("user", headers={"PRIVATE-TOKEN": token})
    return answer.status_code == httpx.codes.OK


async def _log_in(client: httpx.AsyncClient, layout: Layout) -> None:
    operator = rights.OPERATOR
    body = {"role_id": layout.role_id(operator), "secret_id": secret(layout.secret_id(operator))}
    answer = _answered(await client.post("auth/approle/login", json=body))
    client.headers["X-Vault-Token"] = answer.json()["auth"]["client_token"]


async def _has_secret_id(client: httpx.AsyncClient, role: str, secret_id: str) -> bool:
    # An unknown secret id is answered with 204 and no body.
    answer = await client.post(f"auth/approle/role/{role}/secret-id/lookup", json={"secret_id": secret_id})
    return answer.status_code == httpx.codes.OK


async def _post(client: httpx.AsyncClient, request: Request) -> Any:
    return _answered(await client.post(request.path, json=dict(request.data)))


def _answered(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    request = answer.request
    raise SetupError(f"{request.method} {request.url.path} was answered with {answer.status_code}")


def _client(base: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base, timeout=10, trust_env=False)


async def _patiently(step: Callable[[], Awaitable[None]]) -> None:
    # An OpenBao that is active still runs its first calls, and a new mount upgrades itself: both answer 4xx.
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        try:
            return await step()
        except (SetupError, httpx.HTTPError, OSError) as error:
            if loop.time() > deadline:
                raise SetupError(str(error) or type(error).__name__) from error
            await asyncio.sleep(0.1)
