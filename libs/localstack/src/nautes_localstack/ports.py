"""Choosing loopback ports that stay ours: below the range that the kernel lends to outgoing connections."""

import random
import socket
from typing import Final

RANGE: Final = range(20000, 32000)
"""Linux lends 32768-60999 and macOS 49152-65535 to outgoing connections; a server that comes back after a
restart would find a port from there taken."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a close do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose(count: int, taken: frozenset[int] = frozenset()) -> list[int]:
    """Return `count` different free ports outside `taken`; raise OSError when the range has no more."""
    chosen: list[int] = []
    for port in random.SystemRandom().sample(RANGE, len(RANGE)):
        if len(chosen) == count:
            break
        if port not in taken and is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise OSError(f"no {count} free ports between {RANGE.start} and {RANGE.stop}")
    return chosen
