"""The read model, as far as the API shows it: a port over the streams and buckets."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol

from nautes_domain.effects import Decision, Effect, Status
from nautes_domain.events import Delivery, Fact
from nautes_domain.run_logs import LogChunk, LogRequest
from nautes_domain.snapshot import IndexedProject, Snapshot


class Records(Protocol):
    """What happened, how things stand, and what is asked for."""

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

    def facts(self, kind: str) -> AsyncIterator[Fact]:
        """Yield what became true of a kind in the last thirty days, in the order in which it was stated."""
        ...

    async def ask(self, request: Delivery) -> bool:
        """Store what a person asks for, for the reconciler; False if it was stored before."""
        ...


class Logs(Protocol):
    """What runs wrote, from the service that reaches clusters."""

    def read(self, request: LogRequest) -> AsyncGenerator[LogChunk, None]:
        """Yield the parts of a log, the last one `ended`. Raises Retry when nobody answers."""
        ...


class News(Protocol):
    """The read model's newest state, in memory, and a way to wait for it to change."""

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The last good snapshot of every scope."""
        ...

    @property
    def statuses(self) -> Mapping[str, Status]:
        """The newest status by `<service>.<scope>`."""
        ...

    def version(self) -> int:
        """Return a number that grows with every change."""
        ...

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 - waiting is what it does
        """Wait until the version is beyond `since`, at most `timeout` seconds; return what it is then."""
        ...
