"""Takes in what the registrar offers: unwraps once, stores per account, says so; asks again where that cannot be."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import SecretStore
from nautes_domain.effects import Cause, effect_of
from nautes_domain.events import Fact
from nautes_domain.failures import Rejected
from nautes_domain.plan import Budget
from nautes_domain.reconcile import Outcome, Recorder, Report, reconcile
from nautes_runtime.bus import Bus
from nautes_secret_broker import facts
from nautes_secret_broker.accounts import (
    ACCOUNTS,
    MOUNT,
    OfferedAccounts,
    account_state,
)
from nautes_secret_broker.facts import SERVICE, Offer

OFFER_LASTS: Final = timedelta(minutes=10)
"""The registrar's wrapping tokens last this long; an offer that was not taken in by then never will be."""

Hold = Callable[[str], AbstractAsyncContextManager[int]]
Clock = Callable[[], float]


class Offers:
    """Handles `cluster.offered`."""

    def __init__(
        self, store: SecretStore, bus: Bus, hold: Hold, *, now: Callable[[], datetime], clock: Clock
    ) -> None:
        self._store = store
        self._bus = bus
        self._hold = hold
        self._now = now
        self._clock = clock

    async def take(self, fact: Fact) -> None:
        """Store an offer's credentials, once. A redelivered or outdated offer finds them stored and only says so.

        Raises Retry while the secret store is away. An offer that was opened by somebody who did not store it
        is asked for again by the fact `cluster.requested`.
        """
        offer = Offer.model_validate(dict(fact.data))
        scope = names.scope("cluster", offer.cluster)
        async with self._hold(f"{SERVICE}.{scope}"):
            report = await self._store_offer(offer, scope, fact.cause)
        failure = report.failure
        if isinstance(failure, Rejected) and failure.code == "wrapping-token":
            await self._bus.state(facts.requested(scope, offer.cluster, offer.version, fact.cause))
            return
        if failure is not None:
            raise failure
        await self._announce(offer.cluster, scope, fact.cause)

    async def _store_offer(self, offer: Offer, scope: str, cause: Cause) -> Report:
        opened: dict[str, str] = {}

        async def values() -> Mapping[str, str]:
            if not opened:
                opened.update(_complete(await self._store.unwrap(offer.wrapped)))
            return opened

        return await reconcile(
            scope,
            account_state(offer.cluster, offer.version),
            (OfferedAccounts(self._store, offer.cluster, offer.version, values),),
            budget=Budget(),
            record=recorder(self._bus, scope, cause, self._now),
            clock=self._clock,
        )

    async def _announce(self, cluster: str, scope: str, cause: Cause) -> None:
        for account in ACCOUNTS:
            path = names.cluster_account_path(cluster, account)
            secret = await self._store.read(MOUNT, path)
            if secret is not None:
                await self._bus.state(facts.issued(scope, (MOUNT, path), secret.version, 0, cause))


def recorder(bus: Bus, scope: str, cause: Cause, now: Callable[[], datetime]) -> Recorder:
    """Return what records each action of one scope."""

    async def record(outcome: Outcome) -> None:
        await bus.effect(
            effect_of(outcome, tenant=bus.tenant, service=SERVICE, scope=scope, cause=cause, at=now())
        )

    return record


def _complete(values: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values of an offer; Rejected if one is missing, naming fields and no value."""
    missing = sorted({"server", "ca", *ACCOUNTS.values()} - values.keys())
    if missing:
        raise Rejected(
            f"the offer lacks {', '.join(missing)}",
            who="platform team",
            next_step="run the same version of registrar and broker",
            code="bad-offer",
        )
    return values
