"""What each hook's calls are checked with: read from the secret store, kept a short while.

A hook's secrets are kept 30 s (1 s for a call that does not verify with them), the absence of a hook 5 s. While the store cannot be reached, what was known
serves for up to an hour after it was last read: rotation keeps the previous secret valid longer than that.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from nautes_domain import names
from nautes_domain.capabilities import SecretStore
from nautes_domain.failures import Failure, Rejected, Retry
from nautes_webhook_gateway import verify

MOUNT: Final = "hook"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class HookSecrets:
    """The keys of one hook and the one project that it may speak of."""

    keys: verify.Keys = field(repr=False)
    project_id: int


class HookSource(Protocol):
    """Where a hook's secrets come from."""

    async def read(self, hook: str) -> HookSecrets | None:
        """Return the secrets, None for an unknown hook. Raises Retry or Rejected."""
        ...


class StoredHooks:
    """Hook secrets in the secret store: mount `hook`, path `names.hook_secret_path`."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    async def read(self, hook: str) -> HookSecrets | None:
        """Return a hook's secrets, None if there are none. Raises Retry or Rejected."""
        stored = await self._store.read(MOUNT, names.hook_secret_path(hook))
        return None if stored is None else hook_secrets(hook, stored.values)


def hook_secrets(hook: str, values: Mapping[str, str]) -> HookSecrets:
    """Return the secrets in the stored fields `token`, `signing_token`, their `previous_…` and `project_id`.

    Raises Rejected (code `hook-secret`) if the fields cannot protect a hook: no key, or no project.
    """
    try:
        keys = verify.keys(
            (values.get("token", ""), values.get("previous_token", "")),
            (values.get("signing_token", ""), values.get("previous_signing_token", "")),
        )
        project_id = int(values.get("project_id", ""))
    except ValueError:
        raise Rejected("its fields are not well-formed", what=f"hook/{hook}", code="hook-secret") from None
    if project_id < 1 or not (keys.tokens or keys.signing):
        raise Rejected("it has no key or no project", what=f"hook/{hook}", code="hook-secret")
    return HookSecrets(keys=keys, project_id=project_id)


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long, and how much, is remembered."""

    found: timedelta = timedelta(seconds=30)
    absent: timedelta = timedelta(seconds=5)
    renew: timedelta = timedelta(seconds=1)
    """How old what is known must be to be read again for a call that does not verify."""
    stale: timedelta = timedelta(hours=1)
    """How long after the last successful read a hook is still served while the store cannot be reached."""
    patience: timedelta = timedelta(seconds=1)
    """How long a call waits for a read when what was known would do."""
    waiting: timedelta = timedelta(seconds=5)
    """How long a call waits when nothing is known; the code host gives up after ten."""
    hooks: int = 4096
    """Bound of each of the two memories: floods of unknown hooks never push out known ones."""
    reads: int = 64
    """Reads in flight or waiting; beyond it a hook that is not remembered is answered Retry."""


@dataclass(frozen=True, slots=True)
class _Known:
    secrets: HookSecrets
    read_at: float
    due: float
    """When it is read again at the earliest."""
    renewable: float
    """The same for calls that do not verify."""


class HookCache:
    """Hook secrets by hook id, with the reads of one hook shared by all who wait for it."""

    def __init__(
        self, source: HookSource, clock: Callable[[], float], policy: CachePolicy | None = None
    ) -> None:
        self._source = source
        self._clock = clock
        """Monotonic seconds."""
        self._policy = policy or CachePolicy()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._reads: dict[str, asyncio.Task[HookSecrets | None]] = {}

    async def lookup(self, hook: str, *, renew: bool = False) -> HookSecrets | None:
        """Return the secrets of a hook, None if there is no such hook.

        With `renew`, what is older than a second is read again: a call that does not verify may be signed with
        a secret that was rotated a moment ago. Raises Retry where nobody can tell.
        """
        now = self._clock()
        known = self._known.get(hook)
        if known is not None:
            if now < (known.renewable if renew else known.due):
                return known.secrets
        elif now < self._absent.get(hook, float("-inf")):
            return None
        serves = known is not None and now - known.read_at <= self._policy.stale.total_seconds()
        patience = self._policy.patience if serves else self._policy.waiting
        reading = self._reading(hook)
        # `wait` leaves the read alone when the time is over or the caller is gone.
        await asyncio.wait({reading}, timeout=patience.total_seconds())
        if reading.done():
            return reading.result()
        if known is not None and serves:
            return known.secrets
        raise _unavailable(hook)

    def _reading(self, hook: str) -> asyncio.Task[HookSecrets | None]:
        task = self._reads.get(hook)
        if task is None:
            if len(self._reads) >= self._policy.reads:
                raise Retry("too many hooks are looked up at once", code="secrets-busy")
            task = asyncio.create_task(self._read(hook))
            self._reads[hook] = task
            task.add_done_callback(lambda done: self._done(hook, done))
        return task

    def _done(self, hook: str, task: asyncio.Task[HookSecrets | None]) -> None:
        self._reads.pop(hook, None)
        if not task.cancelled():
            task.exception()

    async def _read(self, hook: str) -> HookSecrets | None:
        try:
            secrets = await self._source.read(hook)
        except Failure as failure:
            return self._stale(hook, failure)
        now, policy = self._clock(), self._policy
        if secrets is None:
            self._known.pop(hook, None)
            _remember(self._absent, hook, now + policy.absent.total_seconds(), policy.hooks)
        else:
            self._absent.pop(hook, None)
            due, renewable = now + policy.found.total_seconds(), now + policy.renew.total_seconds()
            _remember(self._known, hook, _Known(secrets, now, due, renewable), policy.hooks)
        return secrets

    def _stale(self, hook: str, failure: Failure) -> HookSecrets:
        """Return what was known a while ago; it is tried again after the absent time."""
        known, now = self._known.get(hook), self._clock()
        if known is None or now - known.read_at > self._policy.stale.total_seconds():
            raise _unavailable(hook) from failure
        due = now + self._policy.absent.total_seconds()
        _remember(self._known, hook, _Known(known.secrets, known.read_at, due, due), self._policy.hooks)
        return known.secrets


def _unavailable(hook: str) -> Retry:
    return Retry("the hook's secrets cannot be read", what=f"hook/{hook}", code="secrets-unavailable")


def _remember(memory: OrderedDict[str, _T], key: str, value: _T, bound: int) -> None:
    """Put a value at the young end, and let the oldest go."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > bound:
        memory.popitem(last=False)
