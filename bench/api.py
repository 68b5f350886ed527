"""What the API costs: a list of a thousand products from the read model, beside a bare route of the same framework.

    python -m bench.api [--products 1000] [--seconds 3] [--connections 1 16]

The list is the product's own router, over the read model in memory that a mirror keeps in production; who asks may see
every product. The bare route answers one short object. Both are served by uvicorn in processes of their own, one after
the other. Calls of the code host for a POST are counted by a test (tests/contract/api/test_writes.py).
"""

import argparse
import asyncio
import json
import statistics
import time
from typing import Any

from bench.frameworks import serving

TOKEN = "owner"


def listing(products: int) -> Any:
    """Return the API over that many products."""
    from nautes_domain.access import Level
    from support.api_server import TENANT, World

    world = World()
    text = world.files("tenant")["nautes/overlays/production/products/orchard.yaml"].decode()
    folder = "nautes/overlays/production/products"
    files = {f"{folder}/p{n}.yaml": text.replace("orchard", f"p{n}").encode() for n in range(products - 2)}
    world.declare("tenant", {**world.files("tenant"), **files})
    world.host.let_in(world.people[TOKEN], TENANT, Level.MAINTAINER)
    return world.app


async def asked(port: int, path: str, connections: int, seconds: float) -> list[float]:
    """Ask again and again on each connection; return how long each answer took, in seconds."""
    ends = time.perf_counter() + seconds
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    times: list[float] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        while time.perf_counter() < ends:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 20" not in head.partition(b"\r\n")[0]:
                raise RuntimeError(head.decode())
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(connections)))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    options = parser.parse_args()
    found: dict[str, dict[int, dict[str, float]]] = {}
    routes = {"bare": ("fastapi", "/bare"), "list": (f"api:{options.products}", "/api/v1/products")}
    for name, (kind, path) in routes.items():
        with serving(kind) as port:
            asyncio.run(asked(port, path, 1, 0.5))  # descriptions are made and manifests parsed once
            for connections in options.connections:
                times = asyncio.run(asked(port, path, connections, options.seconds))
                cut = statistics.quantiles(times, n=100)
                row = {
                    "rps": len(times) / options.seconds,
                    "p50_ms": 1000 * cut[49],
                    "p99_ms": 1000 * cut[98],
                }
                found.setdefault(name, {})[connections] = row
    for connections in options.connections:
        bare, listed = found["bare"][connections], found["list"][connections]
        ratio = {f"{key}_ratio": listed[key] / bare[key] for key in ("p50_ms", "p99_ms")}
        rows = {f"bare_{key}": value for key, value in bare.items()} | {
            f"list_{key}": value for key, value in listed.items()
        }
        print(
            json.dumps(
                {"products": options.products, "connections": connections}
                | {k: round(v, 3) for k, v in (rows | ratio).items()}
            )
        )


if __name__ == "__main__":
    main()
