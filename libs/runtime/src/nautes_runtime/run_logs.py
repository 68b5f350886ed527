"""Logs of runs between the service that asks for them and the one that reaches clusters: request and reply, part by part.

Nothing is stored on the way. A request opens a reading at one of the replicas (a queue group); the reader then asks
that replica for one part after the other, so that a slow reader is waited for, and one that went away is noticed.
Each answer is the reply to one request: more than that, the answering service may not say to anyone.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from nautes_domain.events import Subjects
from nautes_domain.failures import Failure, Rejected, Retry
from nautes_domain.run_logs import MOST_BYTES, LogChunk, LogLine, LogRequest
from nautes_runtime.bus import UNAVAILABLE
from nautes_runtime.ending import cancelled

QUEUE: Final = "logs"
"""One replica of those in this group answers."""
PATIENCE: Final = 10.0
"""Seconds until a reader is told that nothing new was written."""
IDLE: Final = 30.0
"""Seconds without a request after which a reader is taken for gone."""
LONGEST: Final = 3600.0
"""Seconds that one reading may take."""
MOST: Final = 64
"""Readings at once in one replica."""
AHEAD: Final = 64
"""Lines that wait for the reader; with the longest lines half a megabyte."""
PART: Final = 128 * 1024
"""Bytes of text in one part, and a last line beyond; far below the largest message."""
LEAVE: Final = b"leave"
"""Asks for no more."""

Source = Callable[[LogRequest], AsyncGenerator[LogLine, None]]


class LogServer:
    """Answers requests for logs; `run` it. The order of parts is that of the requests for them."""

    def __init__(
        self,
        client: Client,
        subjects: Subjects,
        source: Source,
        log: FilteringBoundLogger,
        *,
        patience: float = PATIENCE,
        idle: float = IDLE,
        most: int = MOST,
    ) -> None:
        self._client = client
        self._subjects = subjects
        self._source = source
        self._log = log
        self._patience = patience
        self._idle = idle
        self._most = most
        self._own = secrets.token_hex(8)
        self._readings: dict[str, _Reading] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until cancelled."""
        subjects = self._subjects
        opening = await self._client.subscribe(subjects.logs(), queue=QUEUE, cb=self._apart(self._open))
        parts = await self._client.subscribe(subjects.log_part(f"{self._own}.*"), cb=self._apart(self._part))
        try:
            await asyncio.Event().wait()
        finally:
            for subscription in (opening, parts):
                with suppress(*UNAVAILABLE):
                    await subscription.unsubscribe()
            await cancelled([*self._tasks, *(one.task for one in self._readings.values())])
            self._readings.clear()

    @property
    def readings(self) -> int:
        """How many are under way."""
        return len(self._readings)

    def _apart(self, answer: Callable[[Msg], Coroutine[Any, Any, None]]) -> Callable[[Msg], Any]:
        """Answer each message in a task of its own: the client waits for a callback before it takes the next."""

        async def begin(message: Msg) -> None:
            task = asyncio.create_task(answer(message), name="log part")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return begin

    async def _open(self, message: Msg) -> None:
        try:
            request = LogRequest.model_validate_json(message.data)
        except ValidationError:
            await _reply(
                message, LogChunk.failed(Rejected("the request is not understood", code="bad-request"))
            )
            return
        if len(self._readings) >= self._most:
            busy = Retry(f"{self._most} logs are being read already", code="logs-busy")
            await _reply(message, LogChunk.failed(busy))
            return
        stream = f"{self._own}.{secrets.token_hex(16)}"
        reading = _Reading(self._source(request), self._log)
        self._readings[stream] = reading
        reading.wait_for_reader(self._idle, lambda: self._forget(stream))
        await _reply(message, LogChunk(stream=stream))

    async def _part(self, message: Msg) -> None:
        stream = ".".join(message.subject.rsplit(".", 2)[1:])
        reading = self._readings.get(stream)
        if reading is None:
            over = Retry("it is not read any more; ask for it again", code="logs-over")
            await _reply(message, LogChunk.failed(over))
            return
        if message.data == LEAVE:
            self._forget(stream)
            return
        reading.reader_is_here()
        part = await reading.part(self._patience)
        reading.wait_for_reader(self._idle, lambda: self._forget(stream))
        if part.ended:
            self._forget(stream)
        await _reply(message, part)

    def _forget(self, stream: str) -> None:
        reading = self._readings.pop(stream, None)
        if reading is not None:
            reading.reader_is_here()
            reading.task.cancel()


class _Reading:
    """One log that is being read: a few lines ahead of who asks for them, no more."""

    def __init__(self, source: AsyncGenerator[LogLine, None], log: FilteringBoundLogger) -> None:
        self._source = source
        self._log = log
        self._lines: asyncio.Queue[LogLine] = asyncio.Queue(AHEAD)
        self._end = LogChunk(ended=True)
        self._timer: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self.task = asyncio.create_task(self._read(), name="reading of a log")

    def wait_for_reader(self, seconds: float, gone: Callable[[], None]) -> None:
        """Call `gone` unless somebody asks for a part within some seconds."""
        self.reader_is_here()
        self._timer = asyncio.get_running_loop().call_later(seconds, gone)

    def reader_is_here(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def part(self, patience: float) -> LogChunk:
        """Return what was read since the part before: at once, or once something is written or it ends."""
        async with self._turn:
            lines, size = [], 0
            first = await self._first(patience)
            while first is not None or not self._lines.empty():
                line = first or self._lines.get_nowait()
                first = None
                lines.append(line)
                size += len(line.text.encode())
                if size >= PART:
                    break
            over = self.task.done() and self._lines.empty()
            return (self._end if over else LogChunk()).model_copy(update={"lines": tuple(lines)})

    async def _first(self, patience: float) -> LogLine | None:
        if not self._lines.empty():
            return self._lines.get_nowait()
        getting = asyncio.create_task(self._lines.get(), name="log line")
        try:
            await asyncio.wait({getting, self.task}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()

    async def _read(self) -> None:
        size = 0
        try:
            async with asyncio.timeout(LONGEST), aclosing(self._source) as lines:
                async for line in lines:
                    size += len(line.text.encode())
                    if size > MOST_BYTES:
                        note = f"the rest is not shown: it is more than {MOST_BYTES // 2**20} MiB; see --tail"
                        self._end = LogChunk(ended=True, note=note)
                        return
                    await self._lines.put(line)
        except TimeoutError:
            self._end = LogChunk(ended=True, note="it is followed for an hour; follow it again to go on")
        except Failure as failure:
            self._end = LogChunk.failed(failure)
        except Exception as error:  # noqa: BLE001 - the reader is told, and others are read on
            # Its text may be what the run wrote: only where it came from is told.
            self._log.error("logs", error=type(error).__name__)
            self._end = LogChunk.failed(Retry("reading it broke off", code="logs-broke"))


class LogReader:
    """Asks for logs. What nobody takes is not read: whoever stops iterating ends the reading."""

    def __init__(self, client: Client, subjects: Subjects, *, timeout: float = 3 * PATIENCE) -> None:
        self._client = client
        self._subjects = subjects
        self._timeout = timeout

    async def read(self, request: LogRequest) -> AsyncGenerator[LogChunk, None]:
        """Yield the parts of a log, the last one `ended`. Raises Retry when nobody answers."""
        opened = await self._ask(self._subjects.logs(), request.model_dump_json().encode())
        if opened.ended:
            yield opened
            return
        subject, part = self._subjects.log_part(opened.stream), LogChunk()
        try:
            while not part.ended:
                part = await self._ask(subject, b"")
                yield part
        finally:
            if not part.ended:
                with suppress(*UNAVAILABLE):
                    await self._client.publish(subject, LEAVE)

    async def _ask(self, subject: str, data: bytes) -> LogChunk:
        try:
            answer = await self._client.request(subject, data, timeout=self._timeout)
        except NoRespondersError:
            raise Retry("no service that reaches clusters answers", code="logs-unavailable") from None
        except UNAVAILABLE as error:
            why = f"the bus did not answer: {str(error) or type(error).__name__}"
            raise Retry(why, code="bus-unavailable") from error
        return LogChunk.model_validate_json(answer.data)


async def _reply(message: Msg, part: LogChunk) -> None:
    with suppress(*UNAVAILABLE):  # who asked will notice by itself
        await message.respond(part.model_dump_json().encode())
