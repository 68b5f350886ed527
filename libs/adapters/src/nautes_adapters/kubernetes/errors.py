"""What a Kubernetes API server's answer means for us. Pure: status code and `Status` object in, failure out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from nautes_domain.failures import Blocked, Failure, Rejected, Retry

UNAVAILABLE: Final = "kubernetes-unavailable"
DENIED: Final = "kubernetes-denied"
CONFLICT: Final = "kubernetes-conflict"
EXPIRED: Final = "kubernetes-expired"

_MAX_WAIT = timedelta(minutes=5)


class AlreadyExists(Rejected):
    """An object of this name is there already. Raised by create alone."""


class NotFound(Rejected):
    """The object, or its place, does not exist. `get` gives None and `delete` False instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API server: HTTP status, JSON body and the header `Retry-After`."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    retry_after: str = ""


def failure_of(answer: Answer, what: str) -> Failure:
    """Return the failure that an answer with a status of 400 or more stands for.

    Kubernetes API conventions, "HTTP status codes" and "Response status kind".
    """
    message = str(answer.body.get("message") or f"the API server answered {answer.status}")[:1000]
    reason = str(answer.body.get("reason") or "")
    if answer.status in {409, 410} or _terminating(answer.body):
        return _conflict(answer, reason, message, what)
    if answer.status == 404:
        return _missing(answer.body, message, what)
    if answer.status == 401:
        # Our token ran out before its successor came; the next client will be made with the new one.
        return Retry(message, what=what, code="kubernetes-unauthorized")
    # Server-side apply of a field that a custom resource does not have answers 500, yet never gets better.
    lasting = "failed to create typed patch object" in message
    if answer.status == 429 or (answer.status >= 500 and not lasting):
        return Retry(message, after=_wait(answer), what=what, code=UNAVAILABLE)
    denied = answer.status == 403
    return Rejected(
        message,
        what=what,
        who="platform team" if denied else "",
        code=DENIED if denied else "kubernetes-invalid",
    )


def _terminating(body: Mapping[str, Any]) -> bool:
    """Say whether a write was refused since its namespace is on its way out (403 with this cause)."""
    causes = (body.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _conflict(answer: Answer, reason: str, message: str, what: str) -> Failure:
    if answer.status == 410:
        return Retry(message, after=timedelta(0), what=what, code=EXPIRED)
    if _terminating(answer.body):
        return Retry(message, what=what, code="kubernetes-terminating")
    if reason == "AlreadyExists":
        return AlreadyExists(message, what=what, code="kubernetes-exists")
    return Retry(message, what=what, code=CONFLICT)


def _missing(body: Mapping[str, Any], message: str, what: str) -> Failure:
    details = body.get("details") or {}
    if details.get("kind") == "namespaces" and not what.startswith("Namespace/"):
        place = f"namespace/{details.get('name', '')}"
        return Blocked(message, by=place, what=what, code="kubernetes-no-namespace")
    if not details.get("name"):
        # The path itself is unknown: the tool that brings this kind is not installed on the cluster.
        return Blocked(message, by=f"kind/{what.partition('/')[0]}", what=what, code="kubernetes-no-kind")
    return NotFound(message, what=what, code="kubernetes-missing")


def busy_for_a_moment(answer: Answer) -> bool:
    """Say whether nothing was done yet and asking again at once is what the server wants (as client-go does).

    Kubernetes answers 429 with one second while it opens the storage of a kind that was just defined.
    """
    return answer.status == 429 and answer.retry_after in {"0", "1"}


def _wait(answer: Answer) -> timedelta | None:
    if answer.retry_after.isdecimal():
        return min(timedelta(seconds=int(answer.retry_after[:6])), _MAX_WAIT)
    return None
