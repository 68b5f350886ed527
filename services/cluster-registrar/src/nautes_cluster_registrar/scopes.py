"""A scope to what has to be done for it: each declared cluster is prepared, offered and registered; others go."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from nautes_cluster_registrar import records
from nautes_cluster_registrar.admission import check_server
from nautes_cluster_registrar.connections import Closing, Connections
from nautes_cluster_registrar.minting import ClusterApi, Desk, Minting
from nautes_cluster_registrar.offer import due, next_version, offer_state
from nautes_cluster_registrar.records import SERVICE, ClusterRecord, cluster_key
from nautes_domain import names
from nautes_domain.catalog import TenantCatalog
from nautes_domain.effects import Cause
from nautes_domain.events import Fact, Work
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Budget, State, merged
from nautes_domain.reconcile import Report, Target
from nautes_domain.snapshot import TENANT_KEY, Snapshot, tenant_catalog
from nautes_runtime.records import Bucket
from nautes_runtime.scopes import Assignment


class Connected(ClusterApi, Closing, Protocol):
    """A connection to a cluster."""


Client = TypeVar("Client", bound=Connected)


@dataclass(frozen=True, slots=True)
class Tools(Generic[Client]):
    """What is made of a connection: targets and the objects in them. Concrete tools are named in `app` only."""

    bootstrap: Callable[[str, str], State]
    """Cluster and scope to the objects that a cluster gets first."""
    objects: Callable[[Client, str], Target]
    """The target for these objects."""
    registration: Callable[[str, str, str, int], State]
    """Cluster, server, digest of its authority, version of the token: its registration with Argo CD."""
    registrations: Callable[[Client | None, Callable[[], Awaitable[str]]], Target]
    """The target for registrations; it asks for the token when it writes one."""


class Scopes(Generic[Client]):
    """Says what each scope needs."""

    def __init__(
        self, desired: Bucket[Snapshot], connections: Connections[Client], tools: Tools[Client], desk: Desk
    ) -> None:
        self._desired = desired
        self._connections = connections
        self._tools = tools
        self._desk = desk

    async def assign(self, scope: str, cause: Cause) -> Assignment:
        """Return what is to be done for a scope. Products are none of our business."""
        kind, name = names.split_scope(scope)
        if kind == "tenant":
            return Assignment({}, (), finished=self._spread)
        snapshot = await self._desired.get(TENANT_KEY)
        if kind != "cluster":
            declared = tenant_catalog(snapshot).products if snapshot else ()
            return Assignment({}, (), gone=name not in declared)
        if snapshot is None:
            raise Blocked("the tenant's declarations were not read yet", by=f"snapshot/{TENANT_KEY}")
        tenant = tenant_catalog(snapshot)
        if name in workers(tenant):
            return await self._registered(scope, name, snapshot, tenant, cause)
        return await self._removed(name, snapshot, tenant)

    async def all(self) -> Sequence[str]:
        """Return the scopes of all clusters that are declared or of which we keep a record."""
        snapshot = await self._desired.get(TENANT_KEY)
        declared = workers(tenant_catalog(snapshot)) if snapshot else ()
        kept = [key.removeprefix("cluster_") for key in await self._desk.index.keys("cluster_")]
        return [names.scope("cluster", name) for name in sorted({*declared, *kept})]

    async def requested(self, fact: Fact) -> None:
        """Note that an offer could not be taken in, unless a newer one was made since."""
        key = cluster_key(fact.name)
        entry = await self._desk.index.entry(key)
        if entry is None:
            return
        record, revision = entry
        if record.version <= int(fact.data.get("version", 0)) and not record.void:
            await self._desk.index.update(key, record.model_copy(update={"void": True}), revision)

    async def _spread(self, report: Report, cause: Cause) -> None:  # noqa: ARG002 - nothing is written for the tenant
        for scope in await self.all():
            work = Work(scope=scope, because="the tenant's declarations changed", cause=cause)
            await self._desk.bus.request(SERVICE, work)

    async def _registered(
        self, scope: str, cluster: str, snapshot: Snapshot, tenant: TenantCatalog, cause: Cause
    ) -> Assignment:
        client = await self._connections.to(cluster)
        check_server(cluster, tenant.clusters[cluster].manifest.spec.api_server, client.server)
        record = await self._desk.index.get(cluster_key(cluster))
        now, ca_digest = self._desk.now(), names.digest(client.ca_pem)
        why = due(record, now, client.server, ca_digest)
        version = record.version if record and not why else next_version(record, now)
        minting = Minting(self._desk, client, cluster, record, cause)
        tools = self._tools
        state = merged(
            (
                tools.bootstrap(cluster, scope),
                offer_state(cluster, version, why),
                tools.registration(cluster, client.server, ca_digest, version),
            )
        )
        return Assignment(
            desired=state,
            targets=(
                tools.objects(client, cluster),
                minting,
                tools.registrations(client, minting.deployer_token),
            ),
            budget=cluster_budget(snapshot, tenant),
            commit=snapshot.commit,
            finished=partial(self._say_registered, cluster),
        )

    async def _say_registered(self, cluster: str, report: Report, cause: Cause) -> None:
        """Say once per version that the cluster can be used."""
        entry = await self._desk.index.entry(cluster_key(cluster))
        if report.failure is not None or entry is None or entry[0].registered == entry[0].version:
            return
        record, revision = entry
        await self._desk.bus.state(records.registered(record, cause))
        told = record.model_copy(update={"registered": record.version})
        await self._desk.index.update(cluster_key(cluster), told, revision)

    async def _removed(self, cluster: str, snapshot: Snapshot, tenant: TenantCatalog) -> Assignment:
        """Return the removal of everything of ours; where the kubeconfig is gone or of no use, what is on the cluster stays."""
        try:
            client = await self._connections.find(cluster)
        except Rejected:  # nobody mends the kubeconfig of a cluster that was given up
            client = None
        tools = self._tools
        targets: list[Target] = [tools.registrations(None, _no_token)]
        if client is not None:
            targets.append(tools.objects(client, cluster))
        return Assignment(
            desired={},
            targets=targets,
            budget=cluster_budget(snapshot, tenant),
            commit=snapshot.commit,
            finished=partial(self._say_removed, cluster),
            gone=True,
        )

    async def _say_removed(self, cluster: str, report: Report, cause: Cause) -> None:
        """Say that the cluster is gone, then forget it. The broker waits until the record says so."""
        record: ClusterRecord | None = await self._desk.index.get(cluster_key(cluster))
        if report.failure is not None or (record is None and not report.written):
            return
        key = cluster_key(cluster)
        if record is not None:
            await self._desk.index.put(key, record.model_copy(update={"removed": True}))
        await self._desk.bus.state(records.deregistered(cluster, cause))
        await self._desk.index.delete(key)
        await self._connections.forget(cluster)


async def _no_token() -> str:
    """Return nothing: a registration that is removed needs no token."""
    return ""


def workers(tenant: TenantCatalog) -> frozenset[str]:
    """Return the clusters on which runtimes stand."""
    return frozenset(name for name, one in tenant.clusters.items() if one.manifest.spec.usage == "worker")


def cluster_budget(snapshot: Snapshot, tenant: TenantCatalog) -> Budget:
    """Return how much may go with a cluster: all of it, since one manifest stands for one cluster.

    A tenant without any cluster is taken for a mistake unless the commit confirms it (security rule 12).
    """
    return Budget(everything=snapshot.deletions_allowed or bool(tenant.clusters))
