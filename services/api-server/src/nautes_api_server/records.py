"""The read model, as far as the API shows it: a port over the streams and buckets."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from nautes_domain.effects import Decision, Effect, Status
from nautes_domain.events import Delivery
from nautes_domain.snapshot import IndexedProject


class Records(Protocol):
    """What happened, and how things stand."""

    def effects(self, *, cause: str | None = None, since: datetime | None = None) -> AsyncIterator[Effect]:
        """Yield effect records in the order in which they were stored."""
        ...

    def decisions(
        self, *, cause: str | None = None, since: datetime | None = None
    ) -> AsyncIterator[Decision]:
        """Yield decision records in the order in which they were stored."""
        ...

    def deliveries(
        self, *, cause: str | None = None, since: datetime | None = None
    ) -> AsyncIterator[Delivery]:
        """Yield deliveries."""
        ...

    def statuses(self) -> AsyncIterator[Status]:
        """Yield the newest status of every scope."""
        ...

    async def projects(self) -> list[IndexedProject]:
        """Return every project that the platform knows."""
        ...
