"""Profile `full`: a real GitLab and k3s in the places of the forge and the local Kubernetes APIs."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import httpx
import yaml

from nautes_localstack.bootstrap import TOKEN_LIFE, SetupError
from nautes_localstack.layout import Layout, secret, write_private

PATIENCE: Final = 1800.0
"""Seconds; GitLab migrates its database on its first start."""


async def gitlab_root_token(layout: Layout, url: str) -> None:
    """Give GitLab's first administrator a token in the file that the forge's has, and let hooks go to containers.

    Calls: GitLab "OAuth 2.0", resource owner password credentials; "Users API", personal access tokens;
    "Application settings API".
    """
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        await _answers(client)
        known = layout.token("root")
        if known.exists():
            client.headers["PRIVATE-TOKEN"] = secret(known)
            if (await client.get("/api/v4/user")).status_code == httpx.codes.OK:
                return
            del client.headers["PRIVATE-TOKEN"]
        password = secret(layout.secrets / "gitlab-root-password")
        login = {"grant_type": "password", "username": "root", "password": password}
        granted = await client.post("/oauth/token", json=login)
        _expect(granted, "the login of root")
        client.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"
        settings = {"allow_local_requests_from_web_hooks_and_services": True}
        _expect(await client.put("/api/v4/application/settings", json=settings), "hooks to containers")
        expires = (datetime.now(UTC) + TOKEN_LIFE).date().isoformat()
        wanted = {"name": "nautes-local", "scopes": ["api", "sudo"], "expires_at": expires}
        token = await client.post("/api/v4/users/1/personal_access_tokens", json=wanted)
        _expect(token, "the token of root")
        write_private(known, f"{token.json()['token']}\n")


def k3s_kubeconfig(text: str) -> str:
    """Return k3s's kubeconfig with the server's name in this network instead of its loopback address."""
    document = yaml.safe_load(text)
    document["clusters"][0]["cluster"]["server"] = "https://k3s:6443"
    return str(yaml.safe_dump(document))


async def _answers(client: httpx.AsyncClient) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        try:
            if (await client.get("/-/readiness")).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        if loop.time() > deadline:
            raise SetupError(f"GitLab is not ready after {PATIENCE:.0f} s")
        await asyncio.sleep(5)


def _expect(answer: httpx.Response, what: str) -> None:
    if not answer.is_success:
        raise SetupError(f"{what}: GitLab answered {answer.status_code}")
