"""The etcd under the real clusters, and how a cluster is put back to an earlier state within it.

A cluster takes seconds to start and its namespaces take five to go away; for a test that wants an empty one it is
enough that etcd holds again what it held. The API server and all controllers see that as ordinary changes.
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from support.processes import Process

_OWN = ("leases/", "masterleases/", "events/", "apiserver")
"""What the servers keep for themselves: it goes on changing and is nobody's business."""


@dataclass(frozen=True)
class Kept:
    """What was under a prefix at some time: key -> value, both in base64 as etcd gives them."""

    prefix: str
    entries: Mapping[str, str]


@dataclass
class Etcd:
    """A running etcd, spoken to by its JSON gateway (etcd, "Why gRPC gateway")."""

    url: str
    process: Process
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, verify=False))

    @property
    def healthy(self) -> bool:
        """Whether it answers that it is."""
        try:
            return self._http.get(f"{self.url}/health").json().get("health") == "true"
        except httpx.TransportError:
            return False

    def keep(self, prefix: str, *, quiet: float = 3.0) -> Kept:
        """Return everything under a prefix once nothing has changed for `quiet` seconds.

        A definition that is put back to a state from before it was established starts its storage anew.
        """
        kept = self._range(prefix)
        while True:
            time.sleep(quiet)
            before, kept = kept, self._range(prefix)
            if before == kept:
                return Kept(prefix, kept)

    def restore(self, kept: Kept) -> int:
        """Delete what was added, put back what was changed or deleted; return how many keys that were."""
        now = self._range(kept.prefix)
        changes: list[dict[str, Any]] = [
            {"requestDeleteRange": {"key": key}} for key in now.keys() - kept.entries.keys()
        ]
        changes += [
            {"requestPut": {"key": key, "value": value}}
            for key, value in kept.entries.items()
            if now.get(key) != value
        ]
        for start in range(0, len(changes), 100):  # etcd takes 128 operations in a transaction.
            self._call("txn", {"success": changes[start : start + 100]})
        return len(changes)

    def _range(self, prefix: str) -> dict[str, str]:
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = self._call("range", {"key": _encoded(prefix), "range_end": _encoded(end)}).get("kvs", [])
        own = tuple(f"{prefix}{one}".encode() for one in _OWN)
        return {
            one["key"]: one.get("value", "")
            for one in found
            if not base64.b64decode(one["key"]).startswith(own)
        }

    def _call(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"{self.url}/v3/kv/{what}", json=body)
        answer.raise_for_status()
        return dict(answer.json())

    def stop(self) -> None:
        """Stop it."""
        self._http.close()
        self.process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()
