"""When new credentials are minted for a cluster. Pure."""

from datetime import datetime, timedelta
from typing import Final

from nautes_cluster_registrar.records import ClusterRecord
from nautes_domain.plan import Ref, State, Wanted

SYSTEM: Final = "cluster-tokens"
KIND: Final = "Offer"

WRAPPED_FOR: Final = timedelta(minutes=10)
"""How long an offer can be opened; the secret broker counts on it."""


def offer_ref(cluster: str) -> Ref:
    """Return the address of a cluster's offer."""
    return Ref(SYSTEM, KIND, cluster)


def due(record: ClusterRecord | None, now: datetime, server: str, ca_digest: str) -> str:
    """Return why a new offer is due, the empty text while the present one is good.

    Tokens are renewed when less than half of their life is left, so that a day of trouble is survived.
    """
    if record is None or record.removed:
        return "it has no credentials yet"
    if record.void:
        return "the offer before could not be taken in"
    if (record.server, record.ca_digest) != (server, ca_digest):
        return "its address or its authority changed"
    if record.expires_at - now < (record.expires_at - record.issued_at) / 2:
        return "less than half of its tokens' life is left"
    return ""


def next_version(record: ClusterRecord | None, now: datetime) -> int:
    """Return the version of a new offer: seconds since 1970, and always more than before.

    Versions must grow even when the record is lost, since the secret store remembers them.
    """
    return max(int(now.timestamp()), record.version + 1 if record else 0)


def offer_state(cluster: str, version: int, why: str) -> State:
    """Return the offer that should be there."""
    because = why or f"services and Argo CD work on {cluster}"
    return {offer_ref(cluster): Wanted({"version": version}, because, f"Cluster/{cluster}")}
