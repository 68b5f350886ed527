"""What GitLab's answers become."""

from datetime import timedelta

import pytest
import requests
from gitlab.exceptions import GitlabAuthenticationError, GitlabHttpError, GitlabParsingError, RedirectError

from nautes_adapters.gitlab.errors import Refused, Throttled, failure_of, is_taken, retry_after
from nautes_domain.failures import Rejected, Retry


def answered(status, message="no"):
    return GitlabHttpError(message, status, b"")


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectTimeout("https://gitlab.example/?private_token=canary"),
        requests.ReadTimeout(),
        requests.ConnectionError(),
        requests.exceptions.ChunkedEncodingError(),
        GitlabParsingError("html"),
        answered(500),
        answered(502),
        answered(408),
        Throttled(None),
    ],
)
def test_what_may_pass_by_itself_is_retried(error):
    failure = failure_of(error, what="gitlab/projects/1")
    assert isinstance(failure, Retry)
    assert failure.code == "gitlab-unavailable"
    assert "canary" not in str(failure)


def test_the_wait_that_gitlab_asks_for_is_honoured():
    failure = failure_of(Throttled(timedelta(seconds=42)), what="x")
    assert isinstance(failure, Retry)
    assert failure.after == timedelta(seconds=42)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("30", 30),
        (" 7 ", 7),
        ("999999999999999999999", 3600),
        (None, None),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds(header, wait):
    assert retry_after(header) == (None if wait is None else timedelta(seconds=wait))


@pytest.mark.parametrize("error", [GitlabAuthenticationError("401", 401), answered(403)])
def test_a_refused_token_is_for_the_platform_team(error):
    failure = failure_of(error, what="x")
    assert isinstance(failure, Rejected)
    assert (failure.code, failure.who) == ("gitlab-denied", "platform team")


@pytest.mark.parametrize("error", [RedirectError("elsewhere"), requests.TooManyRedirects()])
def test_a_redirect_is_refused(error):
    failure = failure_of(error, what="x")
    assert isinstance(failure, Rejected)
    assert failure.code == "gitlab-redirect"


def test_an_answer_to_a_request_with_secrets_is_not_quoted():
    shown = failure_of(answered(422, "url canary is blocked"), what="x")
    hidden = failure_of(answered(422, "url canary is blocked"), what="x", secret=True)
    assert "canary" in str(shown)
    assert "canary" not in str(hidden)


@pytest.mark.parametrize(
    ("status", "message", "taken"),
    [
        (400, {"path": ["has already been taken"]}, True),
        (400, 'Failed to save group {:path=>["has already been taken"]}', True),
        (409, "conflict", True),
        (400, {"path": ["can contain only letters"]}, False),
        (404, "404 Not Found", False),
    ],
)
def test_what_exists_already_is_told_from_what_is_wrong(status, message, taken):
    failure = failure_of(answered(status, message), what="x")
    assert isinstance(failure, Refused)
    assert is_taken(failure) is taken


def test_an_error_that_is_nobodys_answer_is_not_hidden():
    with pytest.raises(KeyError):
        failure_of(KeyError("bug"), what="x")
