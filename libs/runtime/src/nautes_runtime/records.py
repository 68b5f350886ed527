"""Buckets: the latest record under a key, typed, with compare-and-set by revision."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KV_MARKER_REASON, KV_OP, KeyValue
from pydantic import BaseModel, ValidationError

from nautes_domain.failures import Rejected, Retry
from nautes_runtime.bus import UNAVAILABLE, unavailable
from nautes_runtime.reading import replay

T = TypeVar("T", bound=BaseModel)

KEY: Final = re.compile(r"[-_=a-zA-Z0-9]+(\.[-_=a-zA-Z0-9]+)*")
"""Keys that we use: words joined by dots. Anything else is encoded by the caller."""


def open_bucket(js: JetStreamContext, name: str) -> KeyValue:
    """Return a bucket without asking the server. Reads go to the leader, so that one reads what one wrote."""
    return KeyValue(name=name, stream=f"KV_{name}", pre=f"$KV.{name}.", js=js, direct=False)


@asynccontextmanager
async def answered(what: str) -> AsyncIterator[None]:
    """Turn what the client raises when the server is away into Retry(code "bus-unavailable")."""
    try:
        yield
    except (KeyNotFoundError, KeyWrongLastSequenceError):
        raise
    except UNAVAILABLE as error:
        raise unavailable(what, error) from error


class Bucket(Generic[T]):
    """One bucket of records of one model. Raises ValueError for a key that is none, Retry when the bus is away."""

    def __init__(self, js: JetStreamContext, name: str, model: type[T]) -> None:
        self.name = name
        self._js = js
        self._kv = open_bucket(js, name)
        self._model = model

    async def get(self, key: str) -> T | None:
        """Return the record, or None."""
        found = await self.entry(key)
        return found[0] if found else None

    async def entry(self, key: str) -> tuple[T, int] | None:
        """Return the record and its revision, or None. Rejected(code "record-unreadable") if it does not parse."""
        try:
            async with answered(self._what(key)):
                found = await self._kv.get(_checked(key))
        except KeyNotFoundError:
            return None
        return self._parse(key, found.value or b""), int(found.revision or 0)

    async def put(self, key: str, record: T) -> int:
        """Store the record whatever was there; return its revision."""
        async with answered(self._what(key)):
            return await self._kv.put(_checked(key), _encode(record))

    async def create(self, key: str, record: T) -> int:
        """Store the record if there is none; return its revision. Retry(code "conflict") if there is one."""
        try:
            async with answered(self._what(key)):
                return await self._kv.create(_checked(key), _encode(record))
        except KeyWrongLastSequenceError:
            raise self._conflict(key) from None

    async def update(self, key: str, record: T, revision: int) -> int:
        """Store the record if `revision` is the latest; return the new one. Retry(code "conflict") if not."""
        try:
            async with answered(self._what(key)):
                return await self._kv.update(_checked(key), _encode(record), last=revision)
        except KeyWrongLastSequenceError:
            raise self._conflict(key) from None

    async def delete(self, key: str) -> None:
        """Remove the record; removing what is not there is no error."""
        async with answered(self._what(key)):
            await self._kv.delete(_checked(key))

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted."""
        found: set[str] = set()
        async for key, _ in self._latest(prefix, headers_only=True):
            found.add(key)
        return sorted(found)

    async def items(self, prefix: str = "") -> list[tuple[str, T]]:
        """Return the keys that begin with `prefix` and their records, sorted by key."""
        found: dict[str, T] = {}
        async for key, data in self._latest(prefix, headers_only=False):
            found[key] = self._parse(key, data)
        return sorted(found.items(), key=lambda item: item[0])

    async def _latest(self, prefix: str, *, headers_only: bool) -> AsyncIterator[tuple[str, bytes]]:
        start = f"$KV.{self.name}."
        latest = replay(
            self._js,
            f"KV_{self.name}",
            f"{start}>",
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            headers_only=headers_only,
        )
        async for message in latest:
            key = message.subject.removeprefix(start)
            header = message.headers or {}
            if key.startswith(prefix) and KV_OP not in header and KV_MARKER_REASON not in header:
                yield key, message.data

    def _parse(self, key: str, data: bytes) -> T:
        try:
            return self._model.model_validate_json(data)
        except ValidationError as error:
            raise Rejected(
                f"it is not a {self._model.__name__}: {error.error_count()} fields do not fit",
                what=self._what(key),
                who="platform team",
                next_step="run the version that wrote it, or delete the record",
                code="record-unreadable",
            ) from None

    def _what(self, key: str) -> str:
        return f"record {self.name}/{key}"

    def _conflict(self, key: str) -> Retry:
        return Retry("somebody else changed it meanwhile", what=self._what(key), code="conflict")


def _checked(key: str) -> str:
    if not KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is not a key: words of letters, digits, '-', '_', '=' joined by dots")
    return key


def _encode(record: BaseModel) -> bytes:
    return record.model_dump_json().encode()
