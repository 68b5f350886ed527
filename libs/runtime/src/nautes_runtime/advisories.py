"""The net under handlers that kill their process: what the server gave up on is put aside with its content."""

from typing import Final

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import BaseModel, ConfigDict
from structlog.typing import FilteringBoundLogger

from nautes_runtime.bus import UNAVAILABLE, Bus, unavailable
from nautes_runtime.dead import DeadMessage

DURABLE: Final = "dead-letter-relay"
"""One durable for all services: whoever is there relays."""


class Advisory(BaseModel):
    """`io.nats.jetstream.advisory.v1.max_deliver` (NATS JSON schemas): which message was given up on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stream: str
    consumer: str
    stream_seq: int
    deliveries: int


class AdvisoryRelay:
    """Puts the message that an advisory speaks of into `DEAD`, under the id that a handler would have used."""

    def __init__(self, js: JetStreamContext, bus: Bus, log: FilteringBoundLogger) -> None:
        self._js = js
        self._bus = bus
        self._log = log

    async def __call__(self, advisory: Advisory) -> None:
        """Relay one advisory. A message that is no longer stored was replaced by a newer one or has aged out."""
        try:
            found = await self._js.get_msg(advisory.stream, advisory.stream_seq)
        except NotFoundError:
            self._log.warning("given up on a message that is no longer stored", **advisory.model_dump())
            return
        except UNAVAILABLE as error:
            raise unavailable(f"stream {advisory.stream}", error) from error
        dead = DeadMessage(
            stream=advisory.stream,
            sequence=advisory.stream_seq,
            consumer=advisory.consumer,
            subject=found.subject or "",
            data=found.data or b"",
            reason=f"no handler came to an end in {advisory.deliveries} deliveries",
            code="max-deliveries",
            attempts=advisory.deliveries,
            headers=found.headers or {},
        )
        if await self._bus.dead(dead):
            self._log.error("dead letter", reason=dead.reason, code=dead.code, subject=dead.subject)
