"""Headers and signatures of hook calls, against published vectors."""

import pytest

from nautes_localstack.forge.hooks import signing
from nautes_localstack.forge.hooks.signing import Attempt

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def attempt(token: str = "", signing_token: str = "", trigger: str = "push_hooks") -> Attempt:
    return Attempt(trigger, "key", "event", "hook", 1767225600, "http://forge", "19.0", token, signing_token)


def test_the_vector_of_standard_webhooks() -> None:
    key = signing.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signing.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_headers_without_secrets() -> None:
    assert signing.headers(attempt(), b"{}") == {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/19.0",
        "Idempotency-Key": "key",
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Webhook-UUID": "hook",
        "X-Gitlab-Instance": "http://forge",
        "X-Gitlab-Event-UUID": "event",
        "webhook-id": "key",
        "webhook-timestamp": "1767225600",
    }


def test_secrets_add_a_token_and_a_signature_over_the_body() -> None:
    one = signing.headers(attempt("hush\r\n", SECRET, "tag_push_hooks"), b"{}")
    other = signing.headers(attempt("hush", SECRET), b"{ }")
    assert one["X-Gitlab-Token"] == "hush"
    assert one["X-Gitlab-Event"] == "Tag Push Hook"
    assert one["webhook-signature"] == signing.signature(signing.key_of(SECRET), "key", 1767225600, b"{}")
    assert one["webhook-signature"] != other["webhook-signature"]


def test_what_is_kept_does_not_hold_the_token() -> None:
    sent = signing.headers(attempt("hush", SECRET), b"{}")
    assert signing.redacted(sent) == {**sent, "X-Gitlab-Token": "[REDACTED]"}
    assert "hush" not in repr(attempt("hush", "whsec_hush"))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (SECRET, True),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", False),
        (SECRET.removeprefix("whsec_"), False),
        ("whsec_not base64", False),
        ("", False),
    ],
)
def test_a_signing_token_holds_32_bytes(text: str, *, good: bool) -> None:
    assert signing.is_signing_token(text) is good
