"""Asking a part whether it works: one HTTP GET that must answer 200. TLS is verified with the part's own CA."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from nautes_localstack.kubeconfigs import ClusterAccess


@dataclass(frozen=True)
class Probe:
    """Where to ask. `kubeconfig` tells the CA of an https address; the part itself may write it later."""

    url: str
    kubeconfig: Path | None = None
    timeout: float = 2.0
    """Seconds."""


async def answers(probe: Probe) -> bool:
    """Say whether the part answers 200 now. Everything else, a refusal to connect included, is a no."""
    # Until something listens, this is all that asking costs.
    if not await _listens(httpx.URL(probe.url)):
        return False
    try:
        async with httpx.AsyncClient(timeout=probe.timeout, verify=_trust(probe), trust_env=False) as client:
            return (await client.get(probe.url)).status_code == httpx.codes.OK
    except (httpx.HTTPError, OSError, ValueError):
        return False


async def _listens(url: httpx.URL) -> bool:
    try:
        _reader, writer = await asyncio.open_connection(url.host, url.port)
    except OSError:
        return False
    writer.close()
    return True


def _trust(probe: Probe) -> ssl.SSLContext:
    if probe.kubeconfig is not None:
        return ClusterAccess.read(probe.kubeconfig).trust()
    # An empty context trusts nobody and costs nothing.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
