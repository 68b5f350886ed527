"""Where the laptop stack keeps what it keeps, and the settings that it chose once. Folders are private."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import BaseModel, ConfigDict

from nautes_localstack import ports

CLUSTERS: Final = ("management", "build-east", "run-east")
"""One Kubernetes API each: management, pipelines, deployments."""

MANAGEMENT: Final = "management"

SERVICES: Final = ("webhook-gateway", "reconciler", "cluster-registrar", "secret-broker", "api-server")

ENDPOINTS: Final = (
    "nats",
    "nats-monitor",
    "openbao",
    "openbao-cluster",
    "forge",
    "forge-ssh",
    *(f"kubernetes-{cluster}" for cluster in CLUSTERS),
    *(f"{service}-health" for service in SERVICES),
    "webhook-gateway",
    "api-server",
)
"""Everything that listens, by name."""

HOST: Final = "127.0.0.1"


def default_state(name: str = "local") -> Path:
    """Return the folder of a stack by its name, in the user's state folder (XDG or the platform's like)."""
    return Path(platformdirs.user_state_dir("nautes", appauthor=False)) / name


@dataclass(frozen=True)
class Layout:
    """The files below one state folder. Properties name them; only `prepare` touches the disk."""

    root: Path

    @property
    def description(self) -> Path:
        """What runs: no secrets in it."""
        return self.root / "stack.json"

    @property
    def chosen(self) -> Path:
        """What was chosen once: ports and the tenant."""
        return self.root / "chosen.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "lock"

    @property
    def hold(self) -> Path:
        """A file with a part's name in this folder keeps the part from being restarted."""
        return self.root / "hold"

    @property
    def logs(self) -> Path:
        """One file per part."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Passwords, AppRole secret ids, the seal key."""
        return self.root / "secrets"

    @property
    def config(self) -> Path:
        """The servers' configuration files; they hold passwords."""
        return self.root / "config"

    @property
    def traces(self) -> Path:
        """One file of spans per service, if the stack was started with traces."""
        return self.root / "traces"

    def log(self, part: str) -> Path:
        """Return the log of one part."""
        return self.logs / f"{part}.log"

    def data(self, part: str) -> Path:
        """Return the folder in which one part keeps its data."""
        return self.root / "data" / part

    @property
    def known_hosts(self) -> Path:
        """What the forge's SSH server is verified with; the forge writes it when it starts."""
        return self.data("forge") / "ssh_known_hosts"

    def kubeconfig(self, cluster: str) -> Path:
        """Return the kubeconfig with the administrator's token of one cluster."""
        return self.data(f"kubernetes-{cluster}") / "kubeconfig.yaml"

    def nats_password(self, user: str) -> Path:
        """Return the file with one NATS user's password."""
        return self.secrets / f"nats-{user}"

    def role_id(self, role: str) -> str:
        """Return the AppRole role id of one service; it is a name, not a secret."""
        return f"nautes-{role}"

    def secret_id(self, role: str) -> Path:
        """Return the file with one AppRole secret id."""
        return self.secrets / f"vault-{role}"

    def token(self, user: str) -> Path:
        """Return the file with one user's token on the code host or one cluster."""
        return self.secrets / f"token-{user}"

    @property
    def seal_key(self) -> Path:
        """The key with which OpenBao opens itself."""
        return self.secrets / "openbao-seal.key"

    @property
    def vault_opened(self) -> Path:
        """Exists once the operator has logged in to OpenBao: its storage is whole from then on."""
        return self.root / "data" / "openbao-opened"

    def prepare(self) -> None:
        """Make the folders, readable by nobody else."""
        for folder in (self.root, self.logs, self.secrets, self.config, self.hold, self.root / "data"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)


class Chosen(BaseModel):
    """What a stack keeps over restarts, so that its addresses stay true."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    ports: dict[str, int]

    def url(self, endpoint: str, scheme: str = "http", *, user: str = "") -> str:
        """Return the address of an endpoint without a trailing slash."""
        host = f"{user}@{HOST}" if user else HOST
        return f"{scheme}://{host}:{self.ports[endpoint]}"


def chosen(layout: Layout, tenant: str) -> Chosen:
    """Return what was chosen before, or choose now. Ports of endpoints new since then are added.

    Raises ValueError when the state belongs to another tenant.
    """
    known = Chosen.model_validate_json(layout.chosen.read_bytes()) if layout.chosen.exists() else None
    if known and tenant and known.tenant != tenant:
        raise ValueError(
            f"this stack belongs to tenant {known.tenant}, not to {tenant}: use another name or reset it"
        )
    kept = dict(known.ports) if known else {}
    missing = [name for name in ENDPOINTS if name not in kept]
    kept.update(zip(missing, ports.choose(len(missing), frozenset(kept.values())), strict=True))
    result = Chosen(tenant=known.tenant if known else tenant or "acme", ports=kept)
    if result != known:
        write_private(layout.chosen, result.model_dump_json(indent=2) + "\n")
    return result


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file at once with content that only its owner can read."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    draft.replace(path)


def secret(path: Path) -> str:
    """Return the secret in a file, made of 32 random bytes the first time."""
    if not path.exists():
        write_private(path, secrets.token_hex(32) + "\n")
    return path.read_text().strip()
