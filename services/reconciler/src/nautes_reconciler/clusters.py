"""The clusters that we may work on: connected with the credentials that the secret broker keeps for us."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import PipelineEngine, SecretStore, StoredSecret
from nautes_domain.failures import Blocked
from nautes_domain.manifests import Component
from nautes_domain.plan import Action, Observed
from nautes_domain.reconcile import Target

ACCOUNT: Final = "nautes-reconciler"
"""Our own ServiceAccount on every cluster; the registrar makes it."""
MOUNT: Final = "cluster"
BELIEVED: Final = 5.0
"""Seconds for which a connection is used without asking whether its credentials were renewed. Those that a
rotation replaces stay good for far longer."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One connected cluster."""

    version: int
    """Version of the credentials that it was connected with."""
    pipelines: Component | None
    """What serves pipelines there, as it was declared when it was connected."""
    targets: tuple[Target, ...]
    """What is written there: the spaces of products, then what hooks find in them."""
    engine: PipelineEngine
    close: Callable[[], Awaitable[None]]


Connect = Callable[[str, StoredSecret, Component | None], Cluster]


class Unregistered:
    """Stands for a cluster that declarations need and that is not registered yet."""

    kinds: Sequence[str] = ()

    def __init__(self, cluster: str) -> None:
        self.system = f"kubernetes/{cluster}"
        self._cluster = cluster

    async def observe(self, scope: str) -> Observed:
        """Raise Blocked: registration will wake the scope."""
        raise Blocked(
            "its credentials are not there yet",
            by=f"cluster/{self._cluster}",
            what=f"Cluster/{self._cluster} for {scope}",
            code="cluster-not-registered",
        )

    async def apply(self, action: Action) -> None:
        """Raise Blocked as well; nothing is planned without having been observed."""
        await self.observe(str(action.ref))


class Clusters:
    """Connects on first use, and again when the credentials were renewed or another engine was declared."""

    def __init__(
        self,
        secrets: SecretStore,
        connect: Connect,
        pipelines_on: Callable[[str], Awaitable[Component | None]],
        clock: Callable[[], float],
    ) -> None:
        self._secrets = secrets
        self._connect = connect
        self._pipelines_on = pipelines_on
        self._clock = clock
        self._connected: dict[str, Cluster] = {}
        self._looked: dict[str, float] = {}

    async def get(self, name: str) -> Cluster | None:
        """Return a cluster, None while there are no credentials for it."""
        secret = await self._secrets.read(MOUNT, names.cluster_account_path(name, ACCOUNT))
        if secret is None:
            return None
        declared = await self._pipelines_on(name)
        self._looked[name] = self._clock()
        known = self._connected.get(name)
        if known is None or (known.version, known.pipelines) != (secret.version, declared):
            self._connected[name] = self._connect(name, secret, declared)
            if known is not None:
                await known.close()
        return self._connected[name]

    async def targets(self, name: str) -> tuple[Target, ...]:
        """Return the reconcile targets of a cluster, namespaces first; one that blocks while it is not registered."""
        cluster = await self.get(name)
        return (Unregistered(name),) if cluster is None else cluster.targets

    async def engine(self, name: str) -> PipelineEngine:
        """Return the pipeline engine of a cluster. Raises Blocked while it is not registered."""
        cluster = await self._believed(name) or await self.get(name)
        if cluster is None:
            raise Blocked("its credentials are not there yet", by=f"cluster/{name}", what=f"Cluster/{name}")
        return cluster.engine

    async def _believed(self, name: str) -> Cluster | None:
        """Return a connection whose credentials were looked at a moment ago: runs are started by the second."""
        known = self._connected.get(name)
        if known is None or self._clock() - self._looked[name] > BELIEVED:
            return None
        return known if known.pipelines == await self._pipelines_on(name) else None

    async def close(self) -> None:
        """Close all connections."""
        for cluster in self._connected.values():
            await cluster.close()
