"""Mints tokens on a cluster and offers them, wrapped, as a reconcile target. No token outlives this object."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from nautes_cluster_registrar import records
from nautes_cluster_registrar.offer import KIND, SYSTEM, WRAPPED_FOR, offer_ref
from nautes_cluster_registrar.records import ClusterRecord, cluster_key
from nautes_domain import names
from nautes_domain.capabilities import SecretStore
from nautes_domain.effects import Cause
from nautes_domain.plan import Action, Observed
from nautes_runtime.bus import Bus
from nautes_runtime.records import Bucket

DEPLOYER: Final = "nautes-deployer"
ACCOUNTS: Final[Mapping[str, str]] = {
    "nautes-reconciler": "reconciler_token",
    "nautes-token-reviewer": "reviewer_token",
    DEPLOYER: "deployer_token",
}
"""Our accounts, and the field of an offer that holds the token of each."""
NAMESPACE: Final = "nautes-system"


class Token(Protocol):
    """A minted token."""

    @property
    def value(self) -> str:
        """The token itself."""
        ...

    @property
    def expires_at(self) -> datetime:
        """When it ends; a cluster may grant less than was asked for."""
        ...


class ClusterApi(Protocol):
    """What minting needs of a cluster, connected with the uploaded kubeconfig."""

    server: str
    ca_pem: str

    async def token_request(
        self, namespace: str, account: str, audiences: tuple[str, ...] = (), seconds: int = 3600
    ) -> Token:
        """Mint a token (Kubernetes API, "TokenRequest")."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What minting needs besides the cluster."""

    store: SecretStore
    index: Bucket[ClusterRecord]
    bus: Bus
    now: Callable[[], datetime]
    lifetime: timedelta


@dataclass(slots=True)
class Minting:
    """Target of system `cluster-tokens`, kind `Offer`, for one cluster in one reconcile."""

    desk: Desk
    api: ClusterApi
    cluster: str
    record: ClusterRecord | None
    cause: Cause
    system: str = SYSTEM
    kinds: Sequence[str] = (KIND,)
    _deployer: str = field(default="", repr=False)

    async def observe(self, scope: str) -> Observed:  # noqa: ARG002 - one cluster only
        """Return the version of the present offer."""
        record = self.record
        return {} if record is None else {offer_ref(self.cluster): {"version": record.version}}

    async def apply(self, action: Action) -> None:
        """Mint, wrap, say so, remember. A crash in between leaves tokens that end by themselves."""
        if action.after is None:
            return
        version, issued_at = int(action.after["version"]), self.desk.now()
        tokens = {account: await self._mint(account) for account in ACCOUNTS}
        values = {"server": self.api.server, "ca": self.api.ca_pem}
        values |= {field_name: tokens[account].value for account, field_name in ACCOUNTS.items()}
        wrapped = await self.desk.store.wrap(values, WRAPPED_FOR)
        await self.desk.bus.state(records.offered(self.cluster, version, wrapped, self.cause))
        record = ClusterRecord(
            cluster=self.cluster,
            server=self.api.server,
            ca_digest=names.digest(self.api.ca_pem),
            version=version,
            issued_at=issued_at,
            expires_at=min(token.expires_at for token in tokens.values()),
            registered=self.record.registered if self.record else 0,
        )
        await self.desk.index.put(cluster_key(self.cluster), record)
        self.record = record
        self._deployer = tokens[DEPLOYER].value

    async def deployer_token(self) -> str:
        """Return the deployer's token: that of this reconcile's offer, or one more when there was none."""
        if not self._deployer:
            self._deployer = (await self._mint(DEPLOYER)).value
        return self._deployer

    async def _mint(self, account: str) -> Token:
        seconds = round(self.desk.lifetime.total_seconds())
        return await self.api.token_request(NAMESPACE, account, (), seconds)
