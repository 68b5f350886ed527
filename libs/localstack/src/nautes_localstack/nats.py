"""The configuration of nats-server as text: pure functions of settings. Nothing is started here.

The file is written as JSON, which the server's own configuration language includes ("NATS Server
configuration", nats.io), so that no value can escape from its place.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_PAYLOAD: Final = 1024 * 1024
"""Bytes of one message; deliveries are bounded far below by the gateway."""


@dataclass(frozen=True)
class NatsUser:
    """One client of the bus and the subjects it may use (`subject queue` for a queue group); an empty list means none."""

    name: str
    publish: Sequence[str] = (">",)
    subscribe: Sequence[str] = (">",)
    replies: bool = False
    """Whether it may answer what it is asked, wherever the answer is to go: once, within two minutes."""


@dataclass(frozen=True)
class NatsConfig:
    """What the server is told: addresses are loopback, `monitor_port` 0 means no monitoring, bytes for sizes."""

    port: int
    store: Path
    host: str = "127.0.0.1"
    monitor_port: int = 0
    server_name: str = "nautes-local"
    max_file_store: int = 8 * 1024**3
    sync_always: bool = False
    account: str = ""
    """The account that the users and their streams live in; empty: the server's own default one."""


def render(
    config: NatsConfig, users: Sequence[NatsUser] = (), passwords: Mapping[str, str] | None = None
) -> str:
    """Return the configuration file; without users the server asks for no password.

    Raises KeyError when a user has no password.
    """
    jetstream: dict[str, Any] = {"store_dir": str(config.store), "max_file_store": config.max_file_store}
    if config.sync_always:
        # The default acknowledges before the disk has it (nats-server issue 7564).
        jetstream["sync_interval"] = "always"
    document: dict[str, Any] = {
        "server_name": config.server_name,
        "host": config.host,
        "port": config.port,
        "max_payload": MAX_PAYLOAD,
        "jetstream": jetstream,
    }
    if config.monitor_port:
        document["http"] = f"{config.host}:{config.monitor_port}"
    known = [_user(user, (passwords or {})[user.name]) for user in users]
    if config.account:
        document["accounts"] = {config.account: {"jetstream": "enabled", "users": known}}
    elif known:
        document["authorization"] = {"users": known}
    return json.dumps(document, indent=2) + "\n"


def _user(user: NatsUser, password: str) -> dict[str, Any]:
    permissions: dict[str, Any] = {
        "publish": _subjects(user.publish),
        "subscribe": _subjects(user.subscribe),
    }
    if user.replies:
        permissions["allow_responses"] = {"max": 1, "expires": "2m"}
    return {"user": user.name, "password": password, "permissions": permissions}


def _subjects(subjects: Sequence[str]) -> dict[str, list[str]]:
    # An empty allow list would mean "everything" to the server, so nothing is said as a denial of all.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}
