"""A TLS server whose answers are written down by the test: what no well-behaved API server sends, in any order."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager

from aiohttp import web


class Scripted:
    """A server that answers every request with what `reply` returns, and remembers the requests."""

    def __init__(self, url, ca_pem):
        self.url, self.ca_pem = url, ca_pem
        self.requests = []
        self.reply = lambda request: web.json_response({})  # noqa: ARG005

    async def handle(self, request):
        body = await request.read()
        self.requests.append((request, json.loads(body) if body else None))
        answer = self.reply(request)
        return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def serving(authority, *, client_certificates=False):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if client_certificates:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    server = Scripted("", authority.cert_pem.bytes().decode())
    app.router.add_route("*", "/{path:.*}", server.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
