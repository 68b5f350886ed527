"""A bucket as it is now, in memory: for readers who are asked often and need every record at once."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Generic, TypeVar

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy
from nats.js.kv import KV_MARKER_REASON, KV_OP
from pydantic import BaseModel, ValidationError

from nautes_runtime import ephemeral
from nautes_runtime.bus import UNAVAILABLE
from nautes_runtime.ephemeral import PAUSE

T = TypeVar("T", bound=BaseModel)


class Mirror(Generic[T]):
    """Follows a bucket: one consumer of its own that is made anew, from the beginning, when anything is missing.

    While the bus is away, records stay as they were and `problem` says so. Records that do not parse are left out:
    who wrote them is asked to mend them by whoever reads them one by one (`records.Bucket`).
    """

    def __init__(self, js: JetStreamContext, bucket: str, model: type[T]) -> None:
        self.bucket = bucket
        self._js = js
        self._model = model
        self._records: dict[str, T] = {}
        self._news = asyncio.Condition()
        self.problem = "not read yet"
        """What is wrong; empty once all records are here."""
        self.changes = 0
        """Counts up with every change that was seen."""

    @property
    def records(self) -> Mapping[str, T]:
        """The latest record under each key. A live view: what is read later may be newer."""
        return MappingProxyType(self._records)

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 - waiting is what it does
        """Wait until `changes` is beyond `since`, at most `timeout` seconds; return what it is then."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self.changes > since)
        except TimeoutError:
            pass
        return self.changes

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except UNAVAILABLE as error:
                self.problem = f"bucket {self.bucket}: {error or type(error).__name__}"
                await asyncio.sleep(PAUSE)

    async def _follow(self) -> None:
        """Read everything, then what is new. Ends when a message was missed."""
        stream, subject = f"KV_{self.bucket}", f"$KV.{self.bucket}.>"
        fresh, loading = dict[str, T](), True
        batches = ephemeral.followed(self._js, stream, subject, DeliverPolicy.LAST_PER_SUBJECT)
        async with aclosing(batches):
            async for messages, left in batches:
                for message in messages:
                    self._take(message, fresh if loading else self._records)
                if loading and not left:
                    loading = await self._replace(fresh)
                elif messages and not loading:
                    await self._tell()

    async def _replace(self, fresh: dict[str, T]) -> bool:
        """Take the records that were read as those which there are; return that nothing is loading any more."""
        self._records.clear()
        self._records.update(fresh)
        self.problem = ""
        await self._tell()
        return False

    async def _tell(self) -> None:
        async with self._news:
            self.changes += 1
            self._news.notify_all()

    def _take(self, message: Msg, into: dict[str, T]) -> None:
        key = message.subject.removeprefix(f"$KV.{self.bucket}.")
        header = message.headers or {}
        into.pop(key, None)
        if KV_OP in header or KV_MARKER_REASON in header:
            return
        try:
            into[key] = self._model.model_validate_json(message.data)
        except ValidationError:
            return
