"""What Vault's and OpenBao's answers mean to us: Retry or Rejected. Pure; no text of ours holds a value."""

from typing import Final

import requests
from hvac import exceptions as answers

from nautes_domain.failures import Failure, Rejected, Retry

UNAVAILABLE: Final = "vault-unavailable"
DENIED: Final = "vault-denied"
REFUSED: Final = "vault-refused"


class Refused(Rejected):
    """Vault understood the request and said no. Callers may look at why before they give up."""

    def __init__(self, why: str, *, what: str, missing: bool, answer: str) -> None:
        super().__init__(why, what=what, who="platform team", code=REFUSED)
        self.missing = missing
        """Whether the path or its mount does not exist (404)."""
        self.answer = answer
        """Vault's own words. Do not show them when the request held a secret."""


def failure_of(error: Exception, *, what: str, secret: bool = False) -> Failure:
    """Return our failure for an error of the client library.

    Sealed, standby, over a quota and not reachable are all Retry. An expired token and a missing
    permission answer alike (403): the session logs in again before it comes here. With `secret` the
    answer's text is not part of the message.
    """
    if isinstance(error, answers.Forbidden | answers.Unauthorized):
        return Rejected(
            "Vault denied it",
            what=what,
            who="platform team",
            next_step="check the policy of this service's AppRole",
            code=DENIED,
        )
    if isinstance(error, answers.InvalidRequest | answers.InvalidPath | answers.UnsupportedOperation):
        answer = ", ".join(str(line) for line in error.errors or ())[:300]
        missing = isinstance(error, answers.InvalidPath)
        shown = "" if secret or not answer else f": {answer}"
        return Refused(f"Vault refused it{shown}", what=what, missing=missing, answer=answer)
    if isinstance(error, answers.VaultError | requests.RequestException):
        return Retry(f"Vault does not answer ({type(error).__name__})", what=what, code=UNAVAILABLE)
    raise error
