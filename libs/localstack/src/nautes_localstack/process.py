"""One child process: started in a group of its own, ended with its starter, stopped by its group."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

PR_SET_PDEATHSIG: Final = 1
"""prctl(2)."""


def die_with_parent(how: signal.Signals = signal.SIGKILL, parent: int = 0) -> Callable[[], None]:
    """Return what a new child calls before it becomes another program, so that it cannot outlive us.

    `parent` is for a process that says this of itself: the number of its starter.

    Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere nothing happens, and the next start finds what was
    left behind by the processes written down. The child must be started by a thread that lives as long as
    its process.
    """
    if sys.platform != "linux":
        return lambda: None
    # Loaded before the fork: between fork and exec as little as possible may happen.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    expected = parent or os.getpid()

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, int(how), 0, 0, 0)
        if os.getppid() != expected:
            # The parent ended before the call: nobody would tell us.
            os._exit(1)

    return arrange


async def start(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> asyncio.subprocess.Process:
    """Start a program with its output appended to `log`. Raises OSError if it cannot be started."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(environment),
            process_group=0,
            preexec_fn=die_with_parent(),
        )
    finally:
        os.close(descriptor)


async def stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """SIGTERM to the group, SIGKILL after `grace` seconds to what is left of it."""
    if process.returncode is None:
        signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace)
        except TimeoutError:
            signal_group(process.pid, signal.SIGKILL)
            await process.wait()
    # The leader may have left children of its own.
    signal_group(process.pid, signal.SIGKILL)


def signal_group(group: int, how: signal.Signals) -> None:
    """Signal every process of a group; an empty group is no error."""
    try:
        os.killpg(group, how)
    except (ProcessLookupError, PermissionError):
        return


def created(pid: int) -> float:
    """Return when a process started, in seconds since 1970; 0 when there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def is_same(pid: int, since: float) -> bool:
    """Say whether that very process still runs: numbers are used again, start times are not. Zombies do not run."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - since) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def resident(pid: int) -> int:
    """Return the bytes of memory of a process and its children; 0 when there is none."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total
