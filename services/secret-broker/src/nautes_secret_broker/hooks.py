"""Secrets of hooks as a reconcile target: made once, replaced when they are old, removed with their repository."""

import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from nautes_domain import names
from nautes_domain.capabilities import SecretStore, StoredSecret
from nautes_domain.plan import Action, Observed, Ref, Spec
from nautes_secret_broker import rotation
from nautes_secret_broker.desired import HOOK_KIND, HOOK_SYSTEM, hook_ref
from nautes_secret_broker.repositories import scope_of
from nautes_secret_broker.rotation import Ages

MOUNT: Final = "hook"
FOLDER: Final = "hook/metadata/gitlab"
"""Where the names of the stored secrets are listed (KV version 2, "List secrets")."""


class Listing(Protocol):
    """What lists names in the secret store."""

    async def names(self, path: str) -> list[str]:
        """Return the names under an API path, none if it does not exist."""
        ...


class HookSecrets:
    """Target of system `vault-secrets`, kind `HookSecret`: mount `hook`, one secret per hook id."""

    system: str = HOOK_SYSTEM
    kinds: Sequence[str] = (HOOK_KIND,)

    def __init__(
        self, tenant: str, store: SecretStore, listing: Listing, ages: Ages, now: Callable[[], datetime]
    ) -> None:
        self._tenant = tenant
        self._store = store
        self._listing = listing
        self._ages = ages
        self._now = now

    async def stored(self, scope: str) -> Mapping[str, StoredSecret]:
        """Return the secrets of a scope's hooks by hook id."""
        found: dict[str, StoredSecret] = {}
        for hook in await self._listing.names(FOLDER):
            group, _, name = hook.partition(".")
            if not names.is_label(group) or scope_of(self._tenant, group, name) != scope:
                continue
            secret = await self._store.read(MOUNT, names.hook_secret_path(hook))
            if secret is not None:
                found[hook] = secret
        return found

    async def observe(self, scope: str) -> Observed:
        """Return, for each hook, its project and what its secrets need."""
        return {hook_ref(hook): self._spec(secret) for hook, secret in (await self.stored(scope)).items()}

    async def apply(self, action: Action) -> None:
        """Write new secrets, or destroy all versions. Raises Retry when somebody else wrote meanwhile."""
        path = names.hook_secret_path(action.ref.name)
        if action.after is None:
            await self._store.remove(MOUNT, path)
            return
        new = rotation.fresh(
            int(action.after["project_id"]),
            randomness.token_bytes(rotation.BYTES),
            randomness.token_bytes(rotation.BYTES),
        )
        before = await self._store.read(MOUNT, path)
        if before is None:
            await self._store.write(MOUNT, path, new, expected=0)
            return
        seen = self._spec(before)
        if seen == action.after:
            return
        values = rotation.successor(before.values, str(seen["state"]), new)
        await self._store.write(MOUNT, path, values, expected=before.version)

    def _spec(self, secret: StoredSecret) -> Spec:
        project_id = secret.values.get("project_id", "")
        return {
            "project_id": int(project_id) if project_id.isdecimal() else 0,
            "state": rotation.state(secret.values, secret.written_at, self._now(), self._ages),
        }


def project_ids(stored: Mapping[str, StoredSecret]) -> Mapping[str, int]:
    """Return the project ids by hook id that stored secrets name."""
    ids = {hook: secret.values.get("project_id", "") for hook, secret in stored.items()}
    return {hook: int(text) for hook, text in ids.items() if text.isdecimal()}


def issued(ref: Ref) -> tuple[str, str]:
    """Return mount and path of the secret behind a Ref."""
    return MOUNT, names.hook_secret_path(ref.name)
