"""What a delivery does not say and the code host knows: changed paths, the head commit's message, our own name."""

from collections.abc import Awaitable, Callable
from typing import Final

from nautes_domain.capabilities import CodeHost
from nautes_domain.catalog import ProductCatalog, TenantCatalog
from nautes_domain.events import Delivery, DeliveryKind, asks_to_skip
from nautes_domain.failures import Failure, Rejected
from nautes_domain.triggers import (
    NOT_SAID,
    Facts,
    asks_for_dashboards,
    dashboards,
    incomparable,
    watches_paths,
)

NOT_ASKED: Final = Facts().unknown


class FactFinder:
    """Finds out about deliveries. What cannot be known about paths is said and lets the delivery pass."""

    def __init__(self, code_host: CodeHost, tenant: Callable[[], Awaitable[TenantCatalog]]) -> None:
        self._code_host = code_host
        self._tenant = tenant

    async def facts(self, delivery: Delivery, catalog: ProductCatalog, repository: str) -> Facts:
        """Return the facts about a delivery that somebody may ask for. Raises Retry when nothing answers."""
        changed, unknown = None, NOT_ASKED
        if not delivery.deletes and watches_paths(delivery, catalog, repository):
            changed, unknown = await self._changed(delivery)
        return Facts(
            changed=changed,
            unknown=unknown,
            own_account=await self.own_account(),
            dashboards=dashboards(await self._tenant()) if asks_for_dashboards(catalog) else {},
            message_skips=await self._message_skips(delivery),
        )

    async def own_account(self) -> str:
        """Return the platform's own user name on the code host."""
        return await self._code_host.account()

    async def _changed(self, delivery: Delivery) -> tuple[tuple[str, ...] | None, str]:
        """Return the changed paths, or None and why they are not known."""
        why = incomparable(delivery)
        if why:
            return None, why
        try:
            changed = await self._compare(delivery)
        except Failure as failure:
            return None, f"the code host did not compare: {failure.why}"
        return changed, "" if changed is not None else NOT_SAID

    async def _compare(self, delivery: Delivery) -> tuple[str, ...] | None:
        """Compare a push with what was there before it, a merge request as a whole with its target."""
        host, project = self._code_host, delivery.project_id
        if delivery.kind is DeliveryKind.PUSH:
            return await host.changed_paths(project, delivery.before, delivery.after)
        target = await host.head(project, delivery.target_branch)
        if target is None:
            return None
        return await host.changed_paths(project, target, delivery.after, since_fork=True)

    async def _message_skips(self, delivery: Delivery) -> bool:
        """Read the message of a head commit that the payload does not list: that of a branch without new commits."""
        if delivery.kind is not DeliveryKind.PUSH or delivery.message_skips is not None:
            return False
        if not delivery.checkout_sha:
            return False
        try:
            return asks_to_skip(await self._code_host.message(delivery.project_id, delivery.checkout_sha))
        except Rejected:  # the commit is gone already: what it would have asked for does not matter
            return False
