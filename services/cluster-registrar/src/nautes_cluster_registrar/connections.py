"""Connections to clusters, one per uploaded kubeconfig, kept between reconciles."""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from nautes_cluster_registrar.admission import missing_kubeconfig
from nautes_domain import names
from nautes_domain.capabilities import SecretStore
from nautes_domain.failures import Rejected

MOUNT: Final = "cluster"
FIELD: Final = "kubeconfig"


class Closing(Protocol):
    """Something that holds connections."""

    async def close(self) -> None:
        """Close them."""
        ...


Client = TypeVar("Client", bound=Closing)


class Connections(Generic[Client]):
    """Connects with the kubeconfig that was uploaded, and again when another was."""

    def __init__(self, store: SecretStore, connect: Callable[[str], Client]) -> None:
        self._store = store
        self._connect = connect
        self._open: dict[str, tuple[int, Client]] = {}

    async def to(self, cluster: str) -> Client:
        """Return the connection to a cluster. Raises Blocked without a kubeconfig, Rejected if it is refused."""
        found = await self.find(cluster)
        if found is None:
            raise missing_kubeconfig(cluster)
        return found

    async def find(self, cluster: str) -> Client | None:
        """Return the connection to a cluster, None if no kubeconfig was uploaded."""
        secret = await self._store.read(MOUNT, names.cluster_admin_path(cluster))
        if secret is None:
            return None
        known = self._open.get(cluster)
        if known is None or known[0] != secret.version:
            text = secret.values.get(FIELD, "")
            if not text:
                raise Rejected(
                    f"the uploaded secret has no field {FIELD!r}",
                    what=f"Cluster/{cluster}",
                    who="whoever uploaded it",
                    next_step="upload the kubeconfig again",
                    code="kubeconfig",
                )
            await self.forget(cluster)
            self._open[cluster] = (secret.version, self._connect(text))
        return self._open[cluster][1]

    async def forget(self, cluster: str) -> None:
        """Close the connection to a cluster."""
        known = self._open.pop(cluster, None)
        if known is not None:
            await known[1].close()

    async def close(self) -> None:
        """Close all connections."""
        for cluster in list(self._open):
            await self.forget(cluster)
