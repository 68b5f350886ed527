"""What GitLab's answers mean to us: Retry, Blocked or Rejected. Pure; no text of ours holds a token."""

from datetime import timedelta
from typing import Final

import requests
from gitlab.exceptions import GitlabError, GitlabParsingError, RedirectError

from nautes_domain.failures import Failure, Rejected, Retry

UNAVAILABLE: Final = "gitlab-unavailable"
DENIED: Final = "gitlab-denied"
REFUSED: Final = "gitlab-refused"
LONGEST_WAIT: Final = timedelta(hours=1)


class Throttled(Exception):
    """GitLab asks us to come back later: 429, or 503 with `Retry-After`."""

    def __init__(self, after: timedelta | None) -> None:
        super().__init__("throttled")
        self.after = after


class Refused(Rejected):
    """GitLab understood the request and said no. Callers may look at why before they give up."""

    def __init__(self, why: str, *, what: str, status: int, answer: str) -> None:
        super().__init__(why, what=what, who="platform team", code=REFUSED)
        self.status = status
        """HTTP status, 0 if there was none."""
        self.answer = answer
        """GitLab's own words, empty when the request held a secret."""


class Denied(Rejected):
    """GitLab does not know the token (401), or does not let it do this (403)."""

    def __init__(self, *, what: str, status: int) -> None:
        super().__init__(
            f"GitLab refused our token ({status})",
            what=what,
            who="platform team",
            next_step="check the token's scopes, expiry and role in GitLab",
            code=DENIED,
        )
        self.status = status


def retry_after(header: str | None) -> timedelta | None:
    """Return the wait that a `Retry-After` header asks for in seconds, at most an hour; None if it says nothing."""
    if header is None or not header.strip().isdigit():
        return None
    return min(timedelta(seconds=min(int(header), 10**6)), LONGEST_WAIT)


def failure_of(error: Exception, *, what: str, secret: bool = False) -> Failure:
    """Return our failure for an error of the client library.

    `what` names the object. With `secret` the answer's text is left out, because a server may quote
    what it was sent.
    """
    if isinstance(error, Throttled):
        return Retry("GitLab asked for fewer requests", after=error.after, what=what, code=UNAVAILABLE)
    if isinstance(error, RedirectError | requests.TooManyRedirects):
        return Rejected(
            "GitLab redirects this request; we do not take our token elsewhere",
            what=what,
            who="platform team",
            next_step="set the GitLab URL to the address that GitLab itself uses",
            code="gitlab-redirect",
        )
    if isinstance(error, requests.RequestException):
        return Retry(f"GitLab did not answer ({type(error).__name__})", what=what, code=UNAVAILABLE)
    if isinstance(error, GitlabParsingError):
        return Retry("GitLab's answer is not JSON", what=what, code=UNAVAILABLE)
    if isinstance(error, GitlabError):
        return _answered(error, what=what, secret=secret)
    raise error


def _answered(error: GitlabError, *, what: str, secret: bool) -> Failure:
    status = error.response_code or 0
    if status >= 500 or status in (408, 429):
        return Retry(f"GitLab answered {status}", what=what, code=UNAVAILABLE)
    if status in (401, 403):
        return Denied(what=what, status=status)
    answer = "" if secret else str(error.error_message)[:300]
    why = f"GitLab answered {status}: {answer}" if answer else f"GitLab answered {status}"
    return Refused(why, what=what, status=status, answer=answer)


def is_taken(refused: Refused) -> bool:
    """Say whether a create failed because the object exists (400 or 409, GitLab's validation messages)."""
    return refused.status == 409 or "has already been taken" in refused.answer
