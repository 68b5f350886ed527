"""The real `ssh` and `git` with one key and nothing of the user's configuration."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.forge import WorkingCopy, git_environment


@dataclass(frozen=True)
class KeyFile:
    """A private key in a file, and its public half as OpenSSH writes it."""

    path: Path
    public: str


def needs_ssh() -> None:
    """Skip the test where OpenSSH's client is not installed."""
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh: install Debian's openssh-client")


def new_key(folder: Path, name: str) -> KeyFile:
    """Make an ed25519 key."""
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True, text=True
    )
    return KeyFile(path, path.with_suffix(".pub").read_text().strip())


def stored_key(folder: Path, private: str) -> KeyFile:
    """Put a private key into a file as ssh wants it."""
    path = folder / "stored-key"
    path.write_text(private)
    path.chmod(0o600)
    done = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], check=True, capture_output=True, text=True)
    return KeyFile(path, done.stdout.strip())


@dataclass(frozen=True)
class SshClient:
    """Somebody with a key (or none) who verifies the host."""

    known_hosts: Path
    key: Path | None = None
    extra: tuple[str, ...] = field(default=())

    @property
    def options(self) -> list[str]:
        """Return the options of ssh."""
        identity = ("-i", str(self.key)) if self.key else ()
        return [
            *("-F", os.devnull, *identity, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"),
            *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", f"GlobalKnownHostsFile={os.devnull}"),
            *self.extra,
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """Return git's environment."""
        return {**git_environment(""), "GIT_SSH_COMMAND": " ".join(["ssh", *self.options])}

    def clone(self, url: str, path: Path) -> WorkingCopy:
        """Clone; RuntimeError with what git said if that is refused."""
        path.parent.mkdir(parents=True, exist_ok=True)
        WorkingCopy(path.parent, self.environment).git("clone", "--quiet", url, str(path))
        return WorkingCopy(path, self.environment)

    def run(self, port: int, *command: str, user: str = "git") -> subprocess.CompletedProcess[str]:
        """Run ssh itself."""
        return subprocess.run(
            ["ssh", *self.options, "-p", str(port), f"{user}@127.0.0.1", *command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
