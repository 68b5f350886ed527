"""The key by which clients know this forge again: made once, kept beside the state."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncssh

from nautes_localstack.forge.hooks.payloads import SSH_PORT

NAME: Final = "ssh_host_ed25519_key"
KNOWN_HOSTS: Final = "ssh_known_hosts"


@dataclass(frozen=True, slots=True)
class HostKey:
    """The forge's ed25519 key."""

    private: asyncssh.SSHKey = field(repr=False)

    def known_host(self, host: str, port: int) -> str:
        """Return the line that clients verify the forge with (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""
        place = host if port == SSH_PORT else f"[{host}]:{port}"
        kind, body = self.private.export_public_key("openssh").decode("ascii").split()[:2]
        return f"{place} {kind} {body}\n"

    def publish(self, state: Path, host: str, port: int) -> None:
        """Write that line to `ssh_known_hosts` in the state folder: what clients on this machine verify us with."""
        (state / KNOWN_HOSTS).write_text(self.known_host(host, port))


def kept_key(state: Path) -> HostKey:
    """Return the key in the state folder, made the first time."""
    path = state / NAME
    if not path.exists():
        draft = path.with_name(f".{NAME}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh"))
        draft.replace(path)
    return HostKey(asyncssh.read_private_key(path))
