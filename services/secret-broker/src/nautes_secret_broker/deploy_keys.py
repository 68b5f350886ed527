"""Read keys of repositories as a reconcile target: the private half in the secret store, the public one on the code host."""

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from nautes_domain import names
from nautes_domain.capabilities import SecretStore, StoredSecret
from nautes_domain.plan import Action, Observed, Ref, Spec
from nautes_secret_broker.desired import KEY_KIND, KEY_SYSTEM, READONLY, key_ref
from nautes_secret_broker.repositories import Repository

MOUNT: Final = "git"
TITLE: Final = "nautes-readonly"


class HostedKey(Protocol):
    """A deploy key as the code host knows it."""

    @property
    def id(self) -> int:
        """Number on the code host."""
        ...

    @property
    def title(self) -> str:
        """Name that people see."""
        ...

    @property
    def public_key(self) -> str:
        """OpenSSH text."""
        ...

    @property
    def can_push(self) -> bool:
        """Whether it may write."""
        ...


class KeyHost(Protocol):
    """Where public keys go: the deploy keys of a code host."""

    async def list(self, project_id: int) -> Sequence[HostedKey]:
        """Return all deploy keys of a project."""
        ...

    async def ensure(self, project_id: int, title: str, public_key: str, can_push: bool) -> int:  # noqa: FBT001
        """Make this the project's only key of this title; return its id."""
        ...

    async def remove_titled(self, project_id: int, title: str) -> int:
        """Remove all keys of a title."""
        ...


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 key pair in OpenSSH format. The repr does not show the private half."""

    private: str = field(repr=False)
    public: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as `ssh-keygen -l` shows it."""
        return fingerprint(self.public)


def generate() -> KeyPair:
    """Return a new key pair."""
    return _pair(Ed25519PrivateKey.generate())


def restored(private: str) -> KeyPair | None:
    """Return the pair of a stored private key, None if it is no ed25519 key."""
    try:
        key = load_ssh_private_key(private.encode(), password=None)
    except (ValueError, TypeError, binascii.Error):
        return None
    if not isinstance(key, Ed25519PrivateKey):
        return None
    # The text is kept: OpenSSH's format holds a random number, so it differs each time it is written.
    return KeyPair(private, _public(key))


def fingerprint(public_key: str) -> str:
    """Return the SHA-256 fingerprint of an OpenSSH public key, empty for what is none."""
    try:
        body = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


Known = Callable[[str], Awaitable[Iterable[Repository]]]
"""Gives every repository that a scope has or had."""


class DeployKeys:
    """Target of system `gitlab-keys`, kind `DeployKey`, one per repository."""

    system: str = KEY_SYSTEM
    kinds: Sequence[str] = (KEY_KIND,)

    def __init__(self, store: SecretStore, host: KeyHost, known: Known) -> None:
        self._store = store
        self._host = host
        self._known = known

    async def observe(self, scope: str) -> Observed:
        """Return, for each key of ours, where it is known."""
        found: dict[Ref, Spec] = {}
        for repository in await self._known(scope):
            project_id = repository.project_id
            stored = await self._store.read(MOUNT, names.deploy_key_path(project_id, READONLY))
            hosted = [key for key in await self._host.list(project_id) if key.title == TITLE]
            if stored is not None or hosted:
                found[key_ref(project_id)] = seen(project_id, stored, hosted)
        return found

    async def apply(self, action: Action) -> None:
        """Make both halves agree, or remove both. The key stops working before its private half is destroyed."""
        spec = action.before if action.after is None else action.after
        if spec is None:
            return
        project_id = int(spec["project_id"])
        path = names.deploy_key_path(project_id, READONLY)
        if action.after is None:
            await self._host.remove_titled(project_id, TITLE)
            await self._store.remove(MOUNT, path)
            return
        stored = await self._store.read(MOUNT, path)
        kept = restored(stored.values.get("deploykey", "")) if stored else None
        pair = kept or generate()
        # The public half comes first: a crash in between leaves a key that nobody holds, and it is replaced.
        key_id = await self._host.ensure(project_id, TITLE, pair.public, can_push=False)
        values = {"deploykey": pair.private, "fingerprint": pair.fingerprint, "id": str(key_id)}
        if stored is None or dict(stored.values) != values:
            await self._store.write(MOUNT, path, values, expected=stored.version if stored else 0)


def seen(project_id: int, stored: StoredSecret | None, hosted: Sequence[HostedKey]) -> Spec:
    """Return what can be compared of a key: is it in both places, and is it the only one. Pure."""
    mine = {} if stored is None else stored.values
    matching = [
        key
        for key in hosted
        if fingerprint(key.public_key) == mine.get("fingerprint")
        and str(key.id) == mine.get("id")
        and not key.can_push
    ]
    return {
        "project_id": project_id,
        "stored": bool(mine.get("deploykey")),
        "on_code_host": bool(matching),
        "alone": len(hosted) == 1,
    }


def issued(ref: Ref) -> tuple[str, str]:
    """Return mount and path of the secret behind a Ref."""
    return MOUNT, names.deploy_key_path(int(ref.scope.removeprefix("repo-")), READONLY)


def _pair(key: Ed25519PrivateKey) -> KeyPair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return KeyPair(private, _public(key))


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
