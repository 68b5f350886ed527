"""What runs on the laptop, as data: `stack.json`. Names, processes, addresses and paths; never a secret."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartDescription(_Model):
    """One supervised process; `health_url` answers 200 when the part works.

    `created` is its start in seconds since 1970, which tells it from a later process with the same number.
    """

    pid: int
    created: float
    port: int
    url: str
    health_url: str
    log: Path
    kubeconfig: Path | None = None
    restarts: int = 0


class ClusterDescription(_Model):
    """A Kubernetes API; the kubeconfig holds its address, CA and the administrator's token."""

    url: str
    kubeconfig: Path


class StackDescription(_Model):
    """The whole stack. `parts` has every process by name, `services` those of them that are ours."""

    name: str
    state: Path
    tenant: str
    supervisor: int
    """Process number of the supervisor."""
    ready: bool
    """Whether every part has answered at least once."""
    started: datetime
    gitlab_url: str
    gitlab_ssh_url: str
    """Where deploy keys clone and push; user `git`."""
    gitlab_known_hosts: Path
    """File with the line by which SSH clients verify the code host."""
    gateway_url: str
    api_url: str
    nats_url: str
    nats_monitor_url: str
    vault_address: str
    clusters: dict[str, ClusterDescription]
    tokens: dict[str, Path]
    """Files with tokens on the code host by user: `dev` for people, `nautes-…` for the services."""
    vault_secret_ids: dict[str, Path]
    """Files with AppRole secret ids by role; the role id is `nautes-<role>`. Role `operator` may do everything."""
    nats_passwords: dict[str, Path]
    """Files with NATS passwords by user; `operator` may do everything."""
    parts: dict[str, PartDescription]

    @property
    def services(self) -> dict[str, PartDescription]:
        """The five services among the parts (those that run)."""
        infrastructure = {"nats", "openbao", "forge"}
        return {
            name: part
            for name, part in self.parts.items()
            if name not in infrastructure and not name.startswith("kubernetes-")
        }


class Progress(_Model):
    """One thing that happened to a part or a set-up step while the stack runs."""

    part: str
    """`stack` for the whole."""
    state: Literal["starting", "ready", "crashed", "failed", "stopped"]
    seconds: float = 0.0
    """Since the start of the stack."""
    message: str = ""


class PartStatus(_Model):
    """One part as it is now. `rss` in bytes, children included; `uptime` in seconds."""

    name: str
    pid: int
    running: bool
    healthy: bool
    port: int
    url: str
    rss: int
    uptime: float
    restarts: int
    log: Path


class StackStatus(_Model):
    """The stack as it is now."""

    name: str
    state: Path
    tenant: str
    supervisor: int
    healthy: bool
    parts: list[PartStatus]
