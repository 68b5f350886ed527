"""Calling hooks: in order per hook, within ten seconds, once. What was sent and answered is kept for a while."""

import asyncio
import json
import ssl
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import httpx

from nautes_localstack.forge.hooks import backoff, signing
from nautes_localstack.forge.hooks.backoff import Health
from nautes_localstack.forge.hosting import VERSION, Host
from nautes_localstack.forge.lanes import Lanes
from nautes_localstack.forge.records import Hook, HookEvent

TIMEOUT: Final = 10.0
"""Seconds for the whole call, GitLab's default `webhook_timeout`."""
KEPT_EVENTS: Final = 200
"""Attempts remembered per hook; GitLab keeps those of seven days."""
BODY_LIMIT: Final = 8 * 1024
HEADERS_LIMIT: Final = 50
HEADER_LIMIT: Final = 1024
RESEND_LIMIT: Final = 5
RESEND_WINDOW: Final = 60.0
PAYLOAD_LIMIT: Final = 25 * 1024 * 1024
"""A larger payload is not sent."""


class Deliveries:
    """Sends events to hooks in the background. There are no retries; a hook that keeps failing is disabled."""

    def __init__(self, host: Host, lanes: Lanes) -> None:
        self._host = host
        self._lanes = lanes
        self._resent: dict[tuple[int, int], list[float]] = {}
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def announce(self, hook: Hook, trigger: str, payload: dict[str, Any], event_uuid: str) -> None:
        """Send an event to a hook after those that wait for it already. Returns at once."""
        key = str(uuid.uuid4())

        async def send() -> None:
            current = self._host.store.hooks.get(hook.id)
            if current is not None and self._status(current) == "executable":
                await self.send(current, trigger, payload, key, event_uuid)

        self._lanes.submit(("hook", hook.id), send)

    async def send(
        self, hook: Hook, trigger: str, payload: dict[str, Any], key: str, event_uuid: str
    ) -> HookEvent:
        """Call a hook now, whether disabled or not; keep what happened and return it."""
        attempt = signing.Attempt(
            trigger,
            key,
            event_uuid,
            str(uuid.uuid4()),
            int(self._host.now().timestamp()),
            self._host.url,
            VERSION,
            hook.token,
            hook.signing_token,
        )
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        headers = signing.headers(attempt, body)
        started = time.monotonic()
        answer = await self._post(hook, headers, body)
        event = HookEvent(
            id=self._host.store.hook_events.next_id(),
            hook_id=hook.id,
            trigger=trigger,
            url=hook.url,
            idempotency_key=key,
            request_headers=signing.redacted(headers),
            request_data=payload,
            response_headers=answer.headers,
            response_body=answer.body,
            response_status=answer.status,
            execution_duration=round(time.monotonic() - started, 6),
            created_at=self._host.now(),
        )
        self._record(event, successful=answer.status.isdigit() and backoff.is_success(int(answer.status)))
        return event

    def may_resend(self, project_id: int, user_id: int) -> bool:
        """Count a request to send again; False above five in a minute, per project and user."""
        now = time.monotonic()
        recent = [at for at in self._resent.get((project_id, user_id), ()) if at > now - RESEND_WINDOW]
        self._resent[project_id, user_id] = recent
        if len(recent) >= RESEND_LIMIT:
            return False
        recent.append(now)
        return True

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    def _status(self, hook: Hook) -> str:
        return backoff.alert_status(Health(hook.recent_failures, hook.disabled_until), self._host.now())

    def _record(self, event: HookEvent, *, successful: bool) -> None:
        store = self._host.store
        hook = store.hooks.get(event.hook_id)
        if hook is None:
            return
        before = Health(hook.recent_failures, hook.disabled_until)
        health = backoff.after_success() if successful else backoff.after_failure(before, self._host.now())
        with store.together():
            store.hook_events.put(event)
            store.hooks.change(
                hook, recent_failures=health.recent_failures, disabled_until=health.disabled_until
            )
            for old in store.hook_events.where(lambda one: one.hook_id == hook.id)[:-KEPT_EVENTS]:
                store.hook_events.delete(old.id)

    async def _post(self, hook: Hook, headers: Mapping[str, str], body: bytes) -> "_Answer":
        if len(body) > PAYLOAD_LIMIT:
            return _Answer()
        try:
            async with asyncio.timeout(TIMEOUT):
                client = self._client(verify=hook.enable_ssl_verification)
                async with client.stream("POST", hook.url, headers=headers, content=body) as response:
                    return await _answer(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ssl.SSLError):
            return _Answer()

    def _client(self, *, verify: bool) -> httpx.AsyncClient:
        if verify not in self._clients:
            self._clients[verify] = httpx.AsyncClient(verify=verify, trust_env=False, timeout=TIMEOUT)
        return self._clients[verify]


class _Answer:
    """What a hook answered, cut to what GitLab keeps; as it is when nothing came back."""

    def __init__(self, status: str = "internal error", body: str = "", **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers = headers


async def _answer(response: httpx.Response) -> _Answer:
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) >= BODY_LIMIT:
            break
    headers = {
        name.title(): value[:HEADER_LIMIT] for name, value in list(response.headers.items())[:HEADERS_LIMIT]
    }
    return _Answer(str(response.status_code), content[:BODY_LIMIT].decode(errors="replace"), **headers)
