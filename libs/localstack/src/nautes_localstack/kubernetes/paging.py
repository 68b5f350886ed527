"""Pages of lists: the token with which one goes on. Pure (Kubernetes API concepts, "Retrieving large results sets in chunks")."""

import base64
import binascii
import json
from dataclasses import dataclass

from nautes_localstack.kubernetes.errors import bad_request


@dataclass(frozen=True, slots=True)
class Continue:
    """Where the next page begins, and the resourceVersion at which the list is read (-1: the present one)."""

    version: int
    start: str

    def encode(self) -> str:
        """Return the token."""
        found = {"v": "meta.k8s.io/v1", "rv": self.version, "start": f"{self.start}\0"}
        data = json.dumps(found, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(token: str) -> Continue:
    """Return what a token says; raise ApiError (400) if it is none."""
    try:
        padded = token + "=" * (-len(token) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return Continue(int(found["rv"]), str(found["start"]).removesuffix("\0"))
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad_request(f"invalid continue token: continue key is not valid: {_wrong(token)}") from None


def _wrong(token: str) -> str:
    # The place that Go's decoder names: the first of the last, incomplete group of four.
    return f"illegal base64 data at input byte {len(token) // 4 * 4}"


def key_of(namespace: str, name: str, *, everywhere: bool) -> str:
    """Return the sort key of an object within a list of its namespace or of all."""
    return f"{namespace}/{name}" if everywhere and namespace else f"/{name}"
