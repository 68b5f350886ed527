"""What the broker says on the bus, and what it reads there of others. Pure; references and versions only."""

from datetime import datetime
from typing import Final

from nautes_domain.effects import Cause, Record
from nautes_domain.events import Event, Fact

SERVICE: Final = "secret-broker"


class Offer(Event):
    """Data of `cluster.offered`: credentials in a single-use wrapping token."""

    cluster: str
    version: int
    wrapped: str


class Upload(Event):
    """Data of `kubeconfig.offered`: a person's kubeconfig, in field `kubeconfig` behind a single-use wrapping token."""

    cluster: str
    wrapped: str
    offered_at: datetime


class Provisioned(Event):
    """Data of `coderepo.provisioned`."""

    project_id: int
    group: str
    name: str


class RegisteredCluster(Record):
    """The part of the registrar's record (bucket `index`, key `cluster_<name>`) that the broker reads."""

    cluster: str
    version: int
    issued_at: datetime
    removed: bool = False


def cluster_key(cluster: str) -> str:
    """Return the key of the registrar's record."""
    return f"cluster_{cluster}"


def issued(scope: str, place: tuple[str, str], version: int, project_id: int, cause: Cause) -> Fact:
    """Return the fact that a secret has a (new) version; `place` is mount and path, `project_id` 0 for clusters."""
    mount, path = place
    data: dict[str, object] = {"mount": mount, "path": path, "version": version}
    if project_id:
        data["project_id"] = project_id
    return Fact(kind="secret", verb="issued", scope=scope, name=path, by=SERVICE, cause=cause, data=data)


def stored(scope: str, cluster: str, cause: Cause) -> Fact:
    """Return the fact that the kubeconfig of a cluster lies where the registrar looks for it."""
    return Fact(kind="kubeconfig", verb="stored", scope=scope, name=cluster, by=SERVICE, cause=cause)


def requested(scope: str, cluster: str, version: int, cause: Cause) -> Fact:
    """Return the fact that an offer could not be opened: the registrar is asked for another."""
    return Fact(
        kind="cluster",
        verb="requested",
        scope=scope,
        name=cluster,
        by=SERVICE,
        cause=cause,
        data={"cluster": cluster, "version": version},
    )
