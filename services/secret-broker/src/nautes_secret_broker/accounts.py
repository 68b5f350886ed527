"""Credentials of our own accounts on clusters as a reconcile target: stored from an offer, removed with the cluster."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import SecretStore, StoredSecret
from nautes_domain.failures import Retry
from nautes_domain.plan import Action, Observed, Ref, Spec, State, Wanted

SYSTEM: Final = "vault-clusters"
KIND: Final = "ClusterAccount"
MOUNT: Final = "cluster"
FOLDER: Final = "cluster/metadata/kubernetes"
"""Where the names of clusters with stored credentials are listed."""

REVIEWER: Final = "nautes-token-reviewer"
ACCOUNTS: Final[Mapping[str, str]] = {
    "nautes-reconciler": "reconciler_token",
    "nautes-deployer": "deployer_token",
    REVIEWER: "reviewer_token",
}
"""Our accounts, and the field of an offer that holds the token of each. The reviewer is stored last."""

UPLOAD: Final = "Kubeconfig"
OFFERED_AT: Final = "offered_at"
"""Field beside a kubeconfig that was sent to the API: when. One that an administrator stored by hand has none."""
OFFER: Final = "offer"
"""Field beside the credentials: the version of the offer that they came with."""

Values = Callable[[], Awaitable[Mapping[str, str]]]


def account_ref(cluster: str, account: str) -> Ref:
    """Return the address of one account's credentials."""
    return Ref(SYSTEM, KIND, account, cluster)


def upload_ref(cluster: str) -> Ref:
    """Return the address of the kubeconfig that people gave for a cluster."""
    return Ref(SYSTEM, UPLOAD, "admin", cluster)


def account_state(cluster: str, version: int) -> State:
    """Return the credentials that an offer brings."""
    because = f"{cluster} was offered with version {version}"
    return {
        account_ref(cluster, account): Wanted({"version": version}, because, f"Cluster/{cluster}")
        for account in ACCOUNTS
    }


def stored_version(values: Mapping[str, str]) -> int:
    """Return the version of the offer that stored credentials came with, 0 where it is not known."""
    text = values.get(OFFER, "")
    return int(text) if text.isdecimal() else 0


def offered_at(secret: StoredSecret) -> datetime | None:
    """Return when a stored kubeconfig was sent to the API, None if it did not come that way."""
    try:
        return datetime.fromisoformat(secret.values.get(OFFERED_AT, ""))
    except ValueError:
        return None


class OfferedAccounts:
    """Takes an offer in. What a newer offer brought counts as done, so it is never overwritten by an older one."""

    system: str = SYSTEM
    kinds: Sequence[str] = (KIND,)

    def __init__(self, store: SecretStore, cluster: str, version: int, values: Values) -> None:
        self._store = store
        self._cluster = cluster
        self._version = version
        self._values = values

    async def observe(self, scope: str) -> Observed:  # noqa: ARG002 - one cluster only
        """Return the version of each account, at most that of this offer."""
        found: dict[Ref, Spec] = {}
        for account in ACCOUNTS:
            secret = await self._store.read(MOUNT, names.cluster_account_path(self._cluster, account))
            if secret is not None:
                version = min(stored_version(secret.values), self._version)
                found[account_ref(self._cluster, account)] = {"version": version}
        return found

    async def apply(self, action: Action) -> None:
        """Store one account's credentials. Raises Rejected (`wrapping-token`) when the offer was opened before."""
        if action.after is None:
            return
        values = await self._values()
        account = action.ref.name
        path = names.cluster_account_path(self._cluster, account)
        fields = {
            "server": values["server"],
            "ca": values["ca"],
            "token": values[ACCOUNTS[account]],
            OFFER: str(self._version),
        }
        await self._store.write(MOUNT, path, fields)


class RemovedAccounts:
    """Removes what is stored of a cluster that is no longer declared, the uploaded kubeconfig included.

    A kubeconfig that was uploaded and waits for its declaration stays: one that was sent to the API after the
    declarations were told of (`told`), and one that was stored by hand while there are no accounts of ours. So that
    an interrupted removal is not taken for the latter, the kubeconfig goes before the accounts.
    """

    system: str = SYSTEM
    kinds: Sequence[str] = (KIND, UPLOAD)

    def __init__(self, store: SecretStore, cluster: str, told: datetime | None = None) -> None:
        self._store = store
        self._told = told
        self._upload = upload_ref(cluster)
        self._paths = {
            self._upload: names.cluster_admin_path(cluster),
            **{
                account_ref(cluster, account): names.cluster_account_path(cluster, account)
                for account in ACCOUNTS
            },
        }

    async def observe(self, scope: str) -> Observed:  # noqa: ARG002 - one cluster only
        """Return what is there and is to go."""
        found: dict[Ref, StoredSecret] = {}
        for ref, path in self._paths.items():
            secret = await self._store.read(MOUNT, path)
            if secret is not None:
                found[ref] = secret
        upload = found.get(self._upload)
        by_hand_alone = upload is not None and len(found) == 1 and offered_at(upload) is None
        if upload is not None and (by_hand_alone or self._is_newer(upload)):
            del found[self._upload]
        return {ref: {"version": stored_version(secret.values)} for ref, secret in found.items()}

    async def apply(self, action: Action) -> None:
        """Destroy all versions. Raises Retry for an account while the kubeconfig could not be removed."""
        if action.ref != self._upload:
            upload = await self._store.read(MOUNT, self._paths[self._upload])
            if upload is not None and not self._is_newer(upload):
                raise Retry(
                    "the uploaded kubeconfig goes first", what=str(action.ref), code="kubeconfig-first"
                )
        await self._store.remove(MOUNT, self._paths[action.ref])

    def _is_newer(self, upload: StoredSecret) -> bool:
        """Say whether a kubeconfig was sent after these declarations: it belongs to later ones."""
        sent = offered_at(upload)
        return sent is not None and (self._told is None or self._told <= sent)
