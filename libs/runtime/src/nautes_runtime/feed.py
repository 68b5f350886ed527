"""A stream as it goes on, for readers in memory: each message once, in order, after a break from where it was."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy

from nautes_runtime import ephemeral
from nautes_runtime.bus import UNAVAILABLE
from nautes_runtime.ephemeral import PAUSE


class Feed:
    """Hands the messages of a stream to a function: all that are kept and then the new ones, or the new ones only.

    Should the stream be made anew, it is read from its beginning: what is handed over may come again then.
    """

    def __init__(
        self,
        js: JetStreamContext,
        stream: str,
        subject: str,
        take: Callable[[Msg], None],
        *,
        from_start: bool,
    ) -> None:
        self._js = js
        self._stream = stream
        self._subject = subject
        self._take = take
        self._next = 1 if from_start else 0
        """Sequence of the message that is read next; 0 as long as that is the first new one."""
        self.problem = "not read yet"
        """What is wrong; empty once everything that is kept was read."""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except UNAVAILABLE as error:
                self.problem = f"stream {self._stream}: {error or type(error).__name__}"
                await asyncio.sleep(PAUSE)

    async def _follow(self) -> None:
        """Read what is there, then what is new. Ends when a message was missed."""
        newest = (await self._js.stream_info(self._stream)).state.last_seq
        if not self._next:
            self._next = newest + 1
        elif self._next > newest + 1:  # it was made anew, and counts from one again
            self._next = 1
        batches = ephemeral.followed(
            self._js,
            self._stream,
            self._subject,
            DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._next,
        )
        async with aclosing(batches):
            async for messages, left in batches:
                for message in messages:
                    with suppress(ValueError):  # what does not parse is left out
                        self._take(message)
                    self._next = message.metadata.sequence.stream + 1
                if not left:
                    self.problem = ""
