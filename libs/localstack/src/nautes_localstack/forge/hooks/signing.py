"""Headers of a hook call and its signature. Pure.

Sources: GitLab "Webhooks", sections "Delivery headers" and "Signing tokens"; Standard Webhooks specification 1.0.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "whsec_"
KEY_BYTES: Final = 32
"""Length of the key in a signing token that GitLab accepts."""

EVENT_NAMES: Final = {
    "push_hooks": "Push Hook",
    "tag_push_hooks": "Tag Push Hook",
    "merge_request_hooks": "Merge Request Hook",
    "note_hooks": "Note Hook",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of one hook: who is called about what, with which ids."""

    trigger: str
    """A key of EVENT_NAMES."""
    idempotency_key: str
    """The same when the event is sent again."""
    event_uuid: str
    webhook_uuid: str
    """New for each attempt."""
    timestamp: int
    """Seconds since 1970."""
    instance: str
    version: str
    token: str = field(default="", repr=False)
    signing_token: str = field(default="", repr=False)


def key_of(signing_token: str) -> bytes:
    """Return the key in a `whsec_` token; ValueError if there is none."""
    if not signing_token.startswith(PREFIX):
        raise ValueError(f"a signing token starts with {PREFIX}")
    try:
        return base64.b64decode(signing_token.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a signing token is base64") from None


def is_signing_token(text: str) -> bool:
    """Say whether GitLab would accept a signing token: 32 bytes in base64 behind `whsec_`."""
    try:
        return len(key_of(text)) == KEY_BYTES
    except ValueError:
        return False


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(attempt: Attempt, body: bytes) -> dict[str, str]:
    """Return all headers of a call. `webhook-id` and `webhook-timestamp` are there without a signing token too."""
    result = {
        "Content-Type": "application/json",
        "User-Agent": f"GitLab/{attempt.version}",
        "Idempotency-Key": attempt.idempotency_key,
        "X-Gitlab-Event": EVENT_NAMES[attempt.trigger],
        "X-Gitlab-Webhook-UUID": attempt.webhook_uuid,
        "X-Gitlab-Instance": attempt.instance,
        "X-Gitlab-Event-UUID": attempt.event_uuid,
        "webhook-id": attempt.idempotency_key,
        "webhook-timestamp": str(attempt.timestamp),
    }
    if attempt.token:
        result["X-Gitlab-Token"] = attempt.token.replace("\r", "").replace("\n", "")
    if attempt.signing_token:
        result["webhook-signature"] = signature(
            key_of(attempt.signing_token), attempt.idempotency_key, attempt.timestamp, body
        )
    return result


def redacted(sent: dict[str, str]) -> dict[str, str]:
    """Return headers as they are shown afterwards: without the token."""
    return {name: "[REDACTED]" if name == "X-Gitlab-Token" else value for name, value in sent.items()}
