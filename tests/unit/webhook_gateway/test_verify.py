"""Signature and token: the published vectors, rotation, and the inputs that broke other receivers."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_webhook_gateway import verify

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
BODY = b'{"object_kind":"push"}'
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sign(secret: str, message_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, b".".join((message_id, timestamp, body)), hashlib.sha256).digest()
    return b"v1," + base64.b64encode(mac)


def call(
    secret: str = SECRET, *, at: datetime = NOW, body: bytes = BODY, token: bytes = b""
) -> verify.Credentials:
    timestamp = str(int(at.timestamp())).encode()
    return verify.Credentials(token, sign(secret, b"id-1", timestamp, body), b"id-1", timestamp)


def test_standard_webhooks_vector() -> None:
    keys = verify.keys((), ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
    credentials = verify.Credentials(
        signature=b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        message_id=b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=b"1614265330",
    )
    sent = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    assert verify.signature_matches(keys, credentials, body, sent)
    assert not verify.signature_matches(keys, credentials, body + b" ", sent)


def test_gitlab_style_key_id_and_time() -> None:
    """A key of 32 bytes, a UUID as id, the body signed as bytes."""
    message_id, timestamp = b"f5e5f430-f57b-4e6e-9fac-d9128cd7232f", b"1767225600"
    keys = verify.keys((), (SECRET,))
    assert keys.signing == (b"0123456789abcdef0123456789abcdef",)
    signature = sign(SECRET, message_id, timestamp, BODY)
    credentials = verify.Credentials(signature=signature, message_id=message_id, timestamp=timestamp)
    assert verify.signature_matches(keys, credentials, BODY, datetime.fromtimestamp(1767225600, UTC))


def test_previous_secrets_count_in_rotation() -> None:
    keys = verify.keys(("new", "old"), (OTHER, SECRET))
    assert verify.signature_matches(keys, call(SECRET), BODY, NOW)
    assert verify.signature_matches(keys, call(OTHER), BODY, NOW)
    assert verify.token_matches(keys, verify.Credentials(token=b"new"))
    assert verify.token_matches(keys, verify.Credentials(token=b"old"))
    assert not verify.token_matches(keys, verify.Credentials(token=b"older"))


def test_the_signature_header_alone_selects_the_signature() -> None:
    both = verify.keys(("token",), (SECRET,))
    unsigned = verify.Credentials(token=b"token", message_id=b"id-1", timestamp=b"1767225600")
    assert not verify.is_signed(both, unsigned)
    assert verify.is_signed(both, call())
    assert not verify.is_signed(verify.keys(("token",), ()), call())


@pytest.mark.parametrize(
    ("offset", "fresh"), [(0, True), (299, True), (301, False), (-299, True), (-301, False)]
)
def test_freshness(offset: int, *, fresh: bool) -> None:
    keys = verify.keys((), (SECRET,))
    at = NOW + timedelta(seconds=offset)
    assert verify.signature_matches(keys, call(at=at), BODY, NOW) is fresh


@pytest.mark.parametrize(
    "timestamp",
    [
        b"",
        b"-1",
        b"1.5",
        b"NaN",
        b"9223372036854775808",
        "١٧٦٧٢٢٥٦٠٠".encode(),
        b"1767225600 ",
        b"0x10",
        b"1e9",
    ],
)
def test_odd_timestamps_do_not_pass(timestamp: bytes) -> None:
    keys = verify.keys((), (SECRET,))
    signature = sign(SECRET, b"id-1", timestamp, BODY)
    credentials = verify.Credentials(signature=signature, message_id=b"id-1", timestamp=timestamp)
    assert not verify.signature_matches(keys, credentials, BODY, NOW)


@pytest.mark.parametrize(
    "header",
    [
        b"v1",
        b"v1,",
        b"v1,!!!",
        b"no comma",
        b",",
        b"v1a,%s",
        b"v2,%s",
        b"\t",
        b"v1,\xff\xfe",
        b"x" * 5000 + b" %s",
        b" ".join([b"v1,AAAA"] * 8) + b" %s",
    ],
)
def test_odd_signatures_do_not_pass(header: bytes) -> None:
    right = call()
    value = header.replace(b"%s", right.signature.removeprefix(b"v1,"))
    credentials = verify.Credentials(b"token", value, right.message_id, right.timestamp)
    assert not verify.signature_matches(verify.keys(("token",), (SECRET,)), credentials, BODY, NOW)


def test_one_right_signature_among_several_passes() -> None:
    right = call()
    header = b"v1a,abc\tv1,AAAA " + right.signature + b" " + right.signature
    credentials = verify.Credentials(b"", header, right.message_id, right.timestamp)
    assert verify.signature_matches(verify.keys((), (SECRET,)), credentials, BODY, NOW)


def test_a_signature_without_an_id_does_not_pass() -> None:
    timestamp = str(int(NOW.timestamp())).encode()
    credentials = verify.Credentials(b"", sign(SECRET, b"", timestamp, BODY), b"", timestamp)
    assert not verify.signature_matches(verify.keys((), (SECRET,)), credentials, BODY, NOW)


def test_stored_secrets_are_stripped_and_unpadded_keys_are_read() -> None:
    keys = verify.keys(("token\n", "  "), (SECRET.rstrip("=") + "\n", ""))
    assert verify.token_matches(keys, verify.Credentials(token=b"token"))
    assert keys.signing == verify.keys((), (SECRET,)).signing
    assert len(keys.tokens) == 1


def test_an_empty_secret_authenticates_nobody() -> None:
    nothing = verify.keys(("", " \n"), ("whsec_", ""))
    assert nothing == verify.Keys()
    assert not verify.token_matches(nothing, verify.Credentials())
    assert not verify.token_matches(verify.unknowable_keys(), verify.Credentials())


def test_a_broken_signing_token_is_named_without_its_value() -> None:
    with pytest.raises(ValueError, match="not whsec_ and base64") as caught:
        verify.keys((), ("whsec_ünsafe-value",))
    assert "nsafe" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [b"x-gitlab-token", b"webhook-signature", b"webhook-id", b"webhook-timestamp"]
)
def test_repeated_headers_are_ambiguous(name: bytes) -> None:
    assert verify.credentials([(name, b"a"), (b"host", b"b"), (name, b"a")]) is None


def test_secrets_are_not_in_any_repr() -> None:
    keys = verify.keys(("canary-token",), (SECRET,))
    shown = repr(keys) + repr(verify.Credentials(token=b"canary-token", signature=b"canary-signature"))
    assert "canary" not in shown
    assert "0123456789abcdef" not in shown


headers = st.dictionaries(
    st.sampled_from([b"x-gitlab-token", b"webhook-signature", b"webhook-id", b"webhook-timestamp"]),
    st.binary(max_size=200) | st.sampled_from([b"v1,AAAA", b"v1,", b"1767225600", "tökén".encode()]),
)


@given(headers=headers, body=st.binary(max_size=100))
def test_no_headers_break_the_check_or_pass_it(headers: dict[bytes, bytes], body: bytes) -> None:
    keys = verify.keys(("the-token-nobody-guesses",), (SECRET,))
    credentials = verify.credentials(headers.items())
    assert credentials is not None
    assert not verify.token_matches(keys, credentials)
    assert not verify.signature_matches(keys, credentials, body, NOW)
