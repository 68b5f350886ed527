"""Which runs were started once: what an event asks for is not done again when its run was deleted meanwhile.

The name of a run derives from what it answers, and while the run stands on its cluster, that is memory enough. It
may go before a delivery comes again: the queue keeps so many runs, people delete some, a namespace is made anew.
"""

from typing import Protocol

from nautes_domain.snapshot import StartedRun


class Names(Protocol):
    """A bucket that forgets later than deliveries may come again; see `nautes_runtime.streams.STARTED_TTL`."""

    async def get(self, key: str) -> StartedRun | None:
        """Return the record, or None."""
        ...

    async def put(self, key: str, record: StartedRun) -> int:
        """Store the record; return its revision."""
        ...


class StartedRuns:
    """Remembers runs by name. Written when a run was created, and again before the queue deletes one.

    So nobody who is killed in between leaves a run that is gone and not remembered.
    """

    def __init__(self, names: Names) -> None:
        self._names = names

    async def knows(self, name: str) -> bool:
        """Say whether a run of this name was started."""
        return await self._names.get(name) is not None

    async def remember(self, name: str, started: StartedRun) -> None:
        """Remember a run that is there."""
        await self._names.put(name, started)
