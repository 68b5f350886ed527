"""What is kept of each cluster in bucket `index`, and what is said of it on the bus. Values only, no credentials."""

from datetime import datetime
from typing import Final

from nautes_domain import names
from nautes_domain.effects import Cause, Record
from nautes_domain.events import Fact

SERVICE: Final = "cluster-registrar"


class ClusterRecord(Record):
    """The present offer of one cluster: key `cluster_<name>`."""

    cluster: str
    server: str
    """Address of its API server."""
    ca_digest: str
    version: int
    """Version of the offer; grows with time, also over the loss of this record."""
    issued_at: datetime
    expires_at: datetime
    """When the first of its tokens ends."""
    registered: int = 0
    """Version with which the registration went through."""
    void: bool = False
    """The offer could not be taken in: another is due."""
    removed: bool = False
    """Nothing of ours is left on the cluster or in Argo CD."""


def cluster_key(cluster: str) -> str:
    """Return the key of a cluster's record."""
    return f"cluster_{names.label(cluster)}"


def offered(cluster: str, version: int, wrapped: str, cause: Cause) -> Fact:
    """Return the fact that credentials lie ready in a single-use wrapping token."""
    return _fact("offered", cluster, cause, {"cluster": cluster, "version": version, "wrapped": wrapped})


def registered(record: ClusterRecord, cause: Cause) -> Fact:
    """Return the fact that a cluster can be used."""
    data = {"cluster": record.cluster, "version": record.version, "server": record.server}
    return _fact("registered", record.cluster, cause, data)


def deregistered(cluster: str, cause: Cause) -> Fact:
    """Return the fact that a cluster was given up and nothing of ours is left there."""
    return _fact("deregistered", cluster, cause, {"cluster": cluster})


def _fact(verb: str, cluster: str, cause: Cause, data: dict[str, object]) -> Fact:
    scope = names.scope("cluster", cluster)
    return Fact(kind="cluster", verb=verb, scope=scope, name=cluster, by=SERVICE, cause=cause, data=data)
