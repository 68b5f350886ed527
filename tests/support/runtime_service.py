"""A service as a process of its own, for tests that kill it. What it handles is appended to a file.

Run as `python runtime_service.py FILE`, with the environment of a service. The name of a fact says what its
handler does: `crash-…` ends the process, `slow-…` takes its time, anything else is simply noted.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from nautes_domain.events import Fact
from nautes_domain.failures import Rejected
from nautes_runtime.context import ServiceContext
from nautes_runtime.service import run
from nautes_runtime.settings import ServiceSettings

Send = Callable[[dict[str, object]], Awaitable[None]]
NOTES = Path(sys.argv[1])


def note(line: str) -> None:
    with NOTES.open("a") as file:
        file.write(line + "\n")


async def handle(fact: Fact) -> None:
    note(f"began {fact.name}")
    if fact.name.startswith("crash"):
        os._exit(9)
    if fact.name.startswith("slow"):
        await asyncio.sleep(1.5)
    if fact.name.startswith("poison"):
        raise Rejected("no", code="no")
    note(f"done {fact.name}")


async def page(_scope: object, _receive: object, send: Send) -> None:
    note("began request")
    await asyncio.sleep(1.0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def build(context: ServiceContext) -> None:
    context.subscribe(
        "FACTS",
        "svc",
        context.subjects.fact("thing"),
        handle,
        model=Fact,
        ack_wait=2.0,
        max_ack_pending=8,
        concurrency=4,
        max_deliver=3,
    )
    _, port = context.serve_http(page, "127.0.0.1", 0)
    note(f"http {port}")


if __name__ == "__main__":
    run("svc", ServiceSettings(), build)
