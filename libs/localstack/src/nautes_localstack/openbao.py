"""The configuration of OpenBao as text: pure functions of settings. Nothing is started here.

Raft storage (or memory, for tests), a static seal whose key is a file, and the `initialize` stanza:
the server initialises and unseals itself ("Self-Initialization" and "static seal", openbao.org), and
nobody ever handles a root token. The file is JSON.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MOUNTS: Final = ("git", "hook", "cluster")
"""The key-value mounts (version 2) of the platform."""

SEAL_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class Request:
    """One API call: `path` below `/v1/`, `data` its JSON body; every call is an update (POST)."""

    path: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class OpenBaoConfig:
    """What the server is told. `data` is the folder of the raft storage; None keeps everything in memory."""

    port: int
    cluster_port: int
    seal_key: Path
    data: Path | None
    host: str = "127.0.0.1"
    initialize: Sequence[Request] = ()


def render(config: OpenBaoConfig) -> str:
    """Return the configuration file. It holds whatever secrets `initialize` holds: write it with mode 0600."""
    document: dict[str, Any] = {
        "ui": False,
        "api_addr": f"http://{config.host}:{config.port}",
        "cluster_addr": f"http://{config.host}:{config.cluster_port}",
        "listener": [
            {
                "tcp": {
                    "address": f"{config.host}:{config.port}",
                    "cluster_address": f"{config.host}:{config.cluster_port}",
                    "tls_disable": True,
                }
            }
        ],
        "storage": _storage(config.data),
        "seal": [{"static": {"current_key_id": "local-1", "current_key": f"file://{config.seal_key}"}}],
    }
    if config.initialize:
        document["initialize"] = [{"local": {"request": _numbered(config.initialize)}}]
    return json.dumps(document, indent=2) + "\n"


def mount_requests() -> list[Request]:
    """Return the calls that make the platform's mounts and the AppRole login; each only once per server."""
    return [
        *(Request(f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}}) for mount in MOUNTS),
        Request("sys/auth/approle", {"type": "approle"}),
    ]


def token_request(token: str, policies: Sequence[str]) -> Request:
    """Return the call that makes an orphan token with a chosen value, so that it outlives the initial root."""
    return Request("auth/token/create", {"id": token, "policies": list(policies), "no_parent": True})


def policy_request(name: str, rules: Mapping[str, Sequence[str]]) -> Request:
    """Return the call that writes one policy; `rules` maps paths to capabilities. The policy itself is JSON."""
    document = {"path": {path: {"capabilities": list(verbs)} for path, verbs in rules.items()}}
    return Request(f"sys/policies/acl/{name}", {"policy": json.dumps(document)})


def role_requests(role: str, role_id: str, secret_id: str, *, ttl: str = "1h") -> list[Request]:
    """Return the calls that make an AppRole with the policy of its own name and chosen ids.

    Registering a secret id that the role has is refused with 400; everything else may be repeated.
    """
    return [
        Request(
            f"auth/approle/role/{role}", {"token_policies": [role], "token_ttl": ttl, "token_max_ttl": "24h"}
        ),
        Request(f"auth/approle/role/{role}/role-id", {"role_id": role_id}),
        Request(f"auth/approle/role/{role}/custom-secret-id", {"secret_id": secret_id}),
    ]


def _storage(data: Path | None) -> dict[str, Any]:
    if data is None:
        return {"inmem": {}}
    # The multiplier 1 takes raft's shortest election, a few seconds instead of ten on the first start.
    return {"raft": {"path": str(data), "node_id": "local", "performance_multiplier": "1"}}


def _numbered(requests: Sequence[Request]) -> list[dict[str, Any]]:
    return [
        {f"step-{index:03}": {"operation": "update", "path": request.path, "data": dict(request.data)}}
        for index, request in enumerate(requests)
    ]
