"""Takes in kubeconfigs that people send to the API: unwrapped once, stored where the registrar looks, and told."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import SecretStore
from nautes_domain.events import Fact
from nautes_domain.failures import Rejected
from nautes_domain.plan import Action, Budget, Observed, State, Wanted
from nautes_domain.reconcile import reconcile
from nautes_runtime.bus import Bus
from nautes_secret_broker import facts
from nautes_secret_broker.accounts import MOUNT, OFFERED_AT, SYSTEM, UPLOAD, offered_at, upload_ref
from nautes_secret_broker.facts import SERVICE, Upload
from nautes_secret_broker.offers import Clock, Hold, recorder

FIELD: Final = "kubeconfig"
"""Field of the secret that the registrar reads."""
REMEMBERED: Final = 64
"""Kubeconfigs that are kept while the secret store cannot take them: their tokens are used up."""


def upload_state(cluster: str, offered_at: datetime) -> State:
    """Return the kubeconfig that was sent at a time."""
    because = f"a kubeconfig of {cluster} was sent to the API"
    return {upload_ref(cluster): Wanted({OFFERED_AT: offered_at.isoformat()}, because, f"Cluster/{cluster}")}


class UploadedKubeconfig:
    """Target of one kubeconfig that was sent. One that was sent later counts as it, and is never overwritten."""

    system: str = SYSTEM
    kinds: Sequence[str] = (UPLOAD,)

    def __init__(self, store: SecretStore, upload: Upload, opened: dict[str, Mapping[str, str]]) -> None:
        self._store = store
        self._upload = upload
        self._opened = opened
        self._path = names.cluster_admin_path(upload.cluster)

    async def observe(self, scope: str) -> Observed:  # noqa: ARG002 - one cluster only
        """Return when the stored one was sent, at most the time of this one."""
        secret = await self._store.read(MOUNT, self._path)
        if secret is None:
            return {}
        sent = offered_at(secret)
        time = "" if sent is None else min(sent, self._upload.offered_at).isoformat()
        return {upload_ref(self._upload.cluster): {OFFERED_AT: time}}

    async def apply(self, action: Action) -> None:
        """Store it. Raises Rejected (`wrapping-token`) if it cannot be opened, Retry if it cannot be stored yet."""
        if action.after is None:
            return
        token = self._upload.wrapped
        if token not in self._opened:
            self._opened[token] = _kubeconfig(await self._store.unwrap(token))
            while len(self._opened) > REMEMBERED:
                self._opened.pop(next(iter(self._opened)))
        fields = {**self._opened[token], OFFERED_AT: self._upload.offered_at.isoformat()}
        await self._store.write(MOUNT, self._path, fields)
        del self._opened[token]


class Uploads:
    """Handles `kubeconfig.offered`."""

    def __init__(
        self, store: SecretStore, bus: Bus, hold: Hold, *, now: Callable[[], datetime], clock: Clock
    ) -> None:
        self._store = store
        self._bus = bus
        self._hold = hold
        self._now = now
        self._clock = clock
        self._opened: dict[str, Mapping[str, str]] = {}

    async def take(self, fact: Fact) -> None:
        """Store a kubeconfig, once, and say so. A redelivered one finds it stored.

        Raises Retry while the secret store is away, and Rejected if it cannot be opened any more: nobody but the
        person who sent it has it.
        """
        upload = Upload.model_validate(dict(fact.data))
        scope = names.scope("cluster", upload.cluster)
        async with self._hold(f"{SERVICE}.{scope}"):
            report = await reconcile(
                scope,
                upload_state(upload.cluster, upload.offered_at),
                (UploadedKubeconfig(self._store, upload, self._opened),),
                budget=Budget(),
                record=recorder(self._bus, scope, fact.cause, self._now),
                clock=self._clock,
            )
        failure = report.failure
        if isinstance(failure, Rejected) and failure.code == "wrapping-token":
            raise _lost(upload.cluster)
        if failure is not None:
            raise failure
        await self._bus.state(facts.stored(scope, upload.cluster, fact.cause))


def _kubeconfig(values: Mapping[str, str]) -> Mapping[str, str]:
    text = values.get(FIELD, "")
    if not text:
        raise Rejected(
            f"the offer has no field {FIELD!r}",
            who="platform team",
            next_step="run the same version of API server and broker",
            code="bad-offer",
        )
    return {FIELD: text}


def _lost(cluster: str) -> Rejected:
    return Rejected(
        "the kubeconfig was not taken in in time, or its token was used already",
        what=f"Cluster/{cluster}",
        who="whoever sent it",
        next_step="send it again: nautes apply -f",
        code="wrapping-token",
    )
