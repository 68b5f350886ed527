"""Whether a hook call is genuine: Standard Webhooks signature, else secret token. Pure, and on bytes only.

Sources: GitLab documentation, "Webhooks", "Delivery headers" and "Signing tokens" (GitLab 19.0); Standard
Webhooks specification, "Signature scheme". `webhook-id` and `webhook-timestamp` are on every delivery of
GitLab 19, so only `webhook-signature` says that a delivery is signed. A signature that is present and can be
checked must be right: the token never makes up for a wrong one.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

TOLERANCE: Final = timedelta(minutes=5)
"""How far the signed time may lie from ours; a resend by GitLab is signed anew."""
MAX_SIGNATURES: Final = 8
MAX_SIGNATURE_BYTES: Final = 4096
MAX_ID_BYTES: Final = 255
_TIMESTAMP = re.compile(rb"[0-9]{1,12}\Z")
_KEY_PREFIX: Final = "whsec_"
_VERSION: Final = b"v1,"

Headers = Iterable[tuple[bytes, bytes]]
"""As in ASGI: lower-case names, raw values, repeated headers repeated."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a hook's calls may be signed or authenticated with: the current secret and, in rotation, the previous."""

    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    """SHA-256 of each token: equal lengths make the comparison constant in time."""
    signing: tuple[bytes, ...] = field(default=(), repr=False)
    """Raw HMAC keys."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers of one call that authenticate it. Empty where absent."""

    token: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)
    message_id: bytes = b""
    timestamp: bytes = b""


_FIELDS: Final = {
    b"x-gitlab-token": "token",
    b"webhook-signature": "signature",
    b"webhook-id": "message_id",
    b"webhook-timestamp": "timestamp",
}


def keys(tokens: Iterable[str], signing_tokens: Iterable[str]) -> Keys:
    """Return the keys made of stored texts; empty ones and surrounding white space count for nothing.

    Raises ValueError, without the value, for a signing token that is not base64.
    """
    stripped = (token.strip() for token in tokens)
    return Keys(
        tokens=tuple(_hashed(token.encode()) for token in stripped if token),
        signing=tuple(
            key for text in signing_tokens if (key := _signing_key(text.strip().removeprefix(_KEY_PREFIX)))
        ),
    )


def unknowable_keys() -> Keys:
    """Return keys that nobody has: an unknown hook is compared with them, to take as long as a known one."""
    return Keys(tokens=(secrets.token_bytes(32),), signing=(secrets.token_bytes(32),))


def credentials(headers: Headers) -> Credentials | None:
    """Return the credentials of a call; None if one of these headers comes twice and so is ambiguous."""
    found: dict[str, bytes] = {}
    for name, value in headers:
        slot = _FIELDS.get(name)
        if slot is None:
            continue
        if slot in found:
            return None
        found[slot] = value.strip()
    return Credentials(**found)


def is_signed(hook: Keys, call: Credentials) -> bool:
    """Say whether the signature decides, so that the body is needed; otherwise the token decides."""
    return bool(hook.signing) and bool(call.signature)


def token_matches(hook: Keys, call: Credentials) -> bool:
    """Say whether the token is one of the hook's. Compares with every one, in constant time."""
    presented = _hashed(call.token)
    matches = [hmac.compare_digest(presented, known) for known in hook.tokens]
    return any(matches) and bool(call.token)


def signature_matches(hook: Keys, call: Credentials, body: bytes | bytearray, now: datetime) -> bool:
    """Say whether one of the signatures is by one of the hook's keys over `id.timestamp.body`, and fresh."""
    if not call.message_id or len(call.message_id) > MAX_ID_BYTES or not _is_fresh(call.timestamp, now):
        return False
    presented = _signatures(call.signature)
    signed = b".".join((call.message_id, call.timestamp, b""))
    matches = []
    for key in hook.signing:
        state = hmac.new(key, signed, hashlib.sha256)
        state.update(body)
        expected = state.digest()
        matches += [hmac.compare_digest(expected, candidate) for candidate in presented]
    return any(matches)


def _hashed(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _signing_key(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signing token is not whsec_ and base64") from None


def _is_fresh(timestamp: bytes, now: datetime) -> bool:
    if _TIMESTAMP.match(timestamp) is None:
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()


def _signatures(header: bytes) -> list[bytes]:
    """Return the decoded v1 signatures; other versions and what is not base64 are left out."""
    if len(header) > MAX_SIGNATURE_BYTES:
        return []
    found = []
    for part in header.split()[:MAX_SIGNATURES]:
        if not part.startswith(_VERSION):
            continue
        try:
            found.append(base64.b64decode(part[len(_VERSION) :], validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
