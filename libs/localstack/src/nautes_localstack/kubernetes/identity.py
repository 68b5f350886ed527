"""What a server keeps of itself from start to start: its authority, its certificate, the key of its tokens."""

import base64
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from nautes_localstack.kubernetes import tokens


@dataclass(frozen=True)
class Identity:
    """Files below the state directory; what is secret is readable by its owner alone."""

    directory: Path

    @property
    def authority(self) -> Path:
        """Certificate of the authority that clients trust."""
        return self.directory / "ca.pem"

    @property
    def certificate(self) -> Path:
        """Certificate and key of the server."""
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        """Key of the tokens."""
        return self.directory / "accounts.key"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator."""
        return self.directory / "kubeconfig.yaml"


def prepare(directory: Path, host: str) -> Identity:
    """Return the identity kept in a directory; make what is missing."""
    identity = Identity(directory)
    directory.mkdir(parents=True, exist_ok=True)
    if not (identity.authority.exists() and identity.certificate.exists()):
        _make_certificates(identity, host)
    if not identity.key.exists():
        write_private(identity.key, tokens.new_key())
    return identity


def _make_certificates(identity: Identity, host: str) -> None:
    # Needed once in the life of a state directory.
    import trustme  # noqa: PLC0415

    authority = trustme.CA(organization_name="nautes local", organization_unit_name="kubernetes")
    names = dict.fromkeys((host, "127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default.svc"))
    certificate = authority.issue_cert(*names)
    write_private(identity.certificate, certificate.private_key_and_cert_chain_pem.bytes())
    # Written last: it says that both are there.
    write_private(identity.authority, authority.cert_pem.bytes())


def write_kubeconfig(identity: Identity, name: str, server: str, token: str) -> None:
    """Write the kubeconfig with which one is the administrator."""
    data = base64.b64encode(identity.authority.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": data}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "users": [{"name": "admin", "user": {"token": token}}],
    }
    write_private(identity.kubeconfig, yaml.safe_dump(config, sort_keys=False).encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read, at once and as a whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
