"""A process of git at one end, an SSH channel at the other: chunks are passed on as they are taken, none are kept."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import asyncssh

from nautes_localstack.forge.git.commands import GIT

Reader: TypeAlias = "asyncssh.SSHReader[bytes]"
Writer: TypeAlias = "asyncssh.SSHWriter[bytes]"

CHUNK: Final = 64 * 1024
WINDOW: Final = 256 * 1024
"""Bytes that a client may send ahead of what git has read: the most that is held of a stream."""

_ENDS: Final = (
    asyncssh.Error,
    asyncssh.BreakReceived,
    asyncssh.SignalReceived,
    asyncssh.TerminalSizeChanged,
)
"""What a channel raises instead of giving or taking data."""


@dataclass(frozen=True, slots=True)
class Streams:
    """An SSH channel; `moved` is called whenever something passed."""

    stdin: Reader
    stdout: Writer
    stderr: Writer
    moved: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One of git's services on one repository."""

    service: str
    repository: Path
    environment: Mapping[str, str]

    async def start(
        self, more: Mapping[str, str] | None = None, inherited: Sequence[int] = ()
    ) -> asyncio.subprocess.Process:
        """Start it with further variables and open descriptors."""
        return await asyncio.create_subprocess_exec(
            *(GIT, self.service, str(self.repository)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.environment, **(more or {})},
            pass_fds=inherited,
        )


async def transfer(child: asyncio.subprocess.Process, streams: Streams, *, to_the_end: bool = False) -> int:
    """Pass everything on until git has ended; return its exit code.

    When the client leaves, git is ended; with `to_the_end` it may finish what it has the whole of, since refs
    that move must be told of.
    """
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise RuntimeError("a process without pipes")

    def left() -> None:
        if not to_the_end and child.returncode is None:
            child.kill()

    feeding = asyncio.create_task(_feed(streams, child.stdin))
    try:
        await asyncio.gather(
            _drain(child.stdout, streams.stdout, streams.moved, left),
            _drain(child.stderr, streams.stderr, streams.moved, left),
        )
        return await child.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(streams: Streams, sink: asyncio.StreamWriter) -> None:
    """Pass on what the client sends; its end, its loss and its signals all are the end of input."""
    try:
        with contextlib.suppress(OSError, *_ENDS):
            while chunk := await streams.stdin.read(CHUNK):
                streams.moved()
                sink.write(chunk)
                await sink.drain()
    finally:
        sink.close()


async def _drain(
    source: asyncio.StreamReader,
    sink: Writer,
    moved: Callable[[], None],
    left: Callable[[], None],
) -> None:
    """Pass on what git says; when nobody listens any more, `left` is called and the rest is dropped."""
    listening = True
    while chunk := await source.read(CHUNK):
        if not listening:
            continue
        try:
            sink.write(chunk)
            await sink.drain()
            moved()
        except (OSError, *_ENDS):
            listening = False
            left()
