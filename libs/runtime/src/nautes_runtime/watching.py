"""Durables and streams that somebody deleted are made again, and who asks is told whether all are there."""

import asyncio
from collections.abc import Sequence
from typing import Final

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from structlog.typing import FilteringBoundLogger

from nautes_runtime.bus import UNAVAILABLE
from nautes_runtime.metrics import Metrics
from nautes_runtime.streams import Consumer, ensure, provision, stream_configs

PERIOD: Final = 1.0
"""Seconds. FastStream's pull loop does not notice that its durable is gone; we do."""


STREAMS_EVERY: Final = 10
"""Looks at the durables per look at all streams."""


class Watchdog:
    """Looks at every durable each second; a missing one is made again, behind what was acknowledged."""

    def __init__(
        self,
        js: JetStreamContext,
        tenant: str,
        consumers: Sequence[Consumer],
        log: FilteringBoundLogger,
        metrics: Metrics,
        *,
        replicas: int = 1,
    ) -> None:
        self._js = js
        self._tenant = tenant
        self._consumers = consumers
        self._replicas = replicas
        self._log = log
        self._metrics = metrics
        self._floors: dict[tuple[str, str], int] = {}
        self._looks = 0
        self.problem = "not looked yet"
        """What is wrong, empty if every durable is there."""

    def floor(self, stream: str, durable: str) -> int:
        """Return the stream sequence up to which everything was acknowledged when last looked, 0 if unknown."""
        return self._floors.get((stream, durable), 0)

    async def run(self) -> None:
        """Look and mend until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Look at every durable once; make what is missing."""
        problem = ""
        try:
            if self._looks % STREAMS_EVERY == 0:
                await self._check_streams()
        except UNAVAILABLE as error:
            problem = f"streams: {error or type(error).__name__}"
        self._looks += 1
        for consumer in self._consumers:
            try:
                await self._check(consumer)
            except UNAVAILABLE as error:
                problem = f"{consumer.stream}/{consumer.durable}: {error or type(error).__name__}"
        self.problem = problem

    async def _check_streams(self) -> None:
        """Make the streams and buckets that are missing, also those that we only publish to."""
        there = {info.config.name for info in await self._js.streams_info()}
        gone = [config.name for config in stream_configs(self._tenant) if config.name not in there]
        if gone:
            self._log.warning("streams are gone, making them again", streams=gone)
            await provision(self._js, self._tenant, replicas=self._replicas)

    async def _check(self, consumer: Consumer) -> None:
        try:
            info = await self._js.consumer_info(consumer.stream, consumer.durable)
        except NotFoundError:
            self._log.warning(
                "durable is gone, making it again", stream=consumer.stream, durable=consumer.durable
            )
            await self._restore(consumer)
            return
        self._metrics.lag(consumer, info)
        if info.ack_floor is not None:
            self._floors[consumer.key] = info.ack_floor.stream_seq

    async def _restore(self, consumer: Consumer) -> None:
        try:
            await self._js.stream_info(consumer.stream)
        except NotFoundError:
            # A new stream counts from one again: what we knew of the old one says nothing.
            self._floors = {key: seq for key, seq in self._floors.items() if key[0] != consumer.stream}
            await provision(self._js, self._tenant, replicas=self._replicas)
        await ensure(self._js, consumer, after=self.floor(*consumer.key))
