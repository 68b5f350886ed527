"""A scope to what has to be done for it: the declared objects, and where they live."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from nautes_domain import names
from nautes_domain.capabilities import SecretStore
from nautes_domain.catalog import TenantCatalog
from nautes_domain.effects import Cause
from nautes_domain.events import Fact, Work
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Budget, Ref, Verb, merged
from nautes_domain.reconcile import Report, Target
from nautes_domain.snapshot import TENANT_KEY, IndexedProject, Snapshot, product_catalog, tenant_catalog
from nautes_runtime.bus import Bus
from nautes_runtime.records import Bucket
from nautes_runtime.scopes import Assignment
from nautes_secret_broker import accounts, deploy_keys, desired, facts, grants, hooks, repositories
from nautes_secret_broker.deploy_keys import DeployKeys, KeyHost
from nautes_secret_broker.facts import SERVICE, Provisioned, RegisteredCluster
from nautes_secret_broker.grants import Grants, ReadPolicy
from nautes_secret_broker.hooks import HookSecrets, Listing
from nautes_secret_broker.offers import OFFER_LASTS
from nautes_secret_broker.repositories import Repository


@dataclass(frozen=True, slots=True)
class Systems:
    """What the broker writes, and where it looks things up."""

    store: SecretStore
    listing: Listing
    hooks: HookSecrets
    key_host: KeyHost
    access: Target
    policy: ReadPolicy


@dataclass(frozen=True, slots=True)
class Records:
    """What others keep for the broker to read."""

    desired: Bucket[Snapshot]
    index: Bucket[IndexedProject]
    clusters: Bucket[RegisteredCluster]


class Scopes:
    """Says what each scope needs."""

    def __init__(
        self, tenant: str, systems: Systems, records: Records, bus: Bus, now: Callable[[], datetime]
    ) -> None:
        self._tenant = tenant
        self._systems = systems
        self._records = records
        self._bus = bus
        self._now = now
        self._keys = DeployKeys(systems.store, systems.key_host, self._repositories)

    async def assign(self, scope: str, cause: Cause) -> Assignment:
        """Return what is to be done for a scope. Raises Blocked while what it needs was not declared or issued."""
        kind, name = names.split_scope(scope)
        if kind == "tenant":
            return await self._of_tenant()
        if kind == "product":
            return await self._of_product(scope, name)
        if kind == "cluster":
            return await self._of_cluster(scope, name, cause)
        return Assignment(desired={}, targets=())

    async def all(self) -> Sequence[str]:
        """Return every scope that is declared or has something stored."""
        stored = await self._records.desired.keys("product_")
        snapshot = await self._records.desired.get(TENANT_KEY)
        declared = tenant_catalog(snapshot).products if snapshot else ()
        products = {*stored, *(names.scope("product", name) for name in declared)}
        return [TENANT_KEY, *sorted(products), *await self._cluster_scopes()]

    async def provisioned(self, fact: Fact) -> str:
        """Return the scope of a repository that is new on the code host; say again what it has already."""
        data = Provisioned.model_validate(dict(fact.data))
        repository = Repository(data.group, data.name, data.project_id)
        scope = repositories.scope_of(self._tenant, data.group, data.name)
        ref = desired.hook_ref(repository.hook)
        await self._say(scope, ref, data.project_id, fact.cause)
        return scope

    async def expects(self, cluster: str) -> bool:
        """Say whether credentials of a cluster are wanted: an offer may arrive after the cluster was given up."""
        snapshot = await self._records.desired.get(TENANT_KEY)
        return snapshot is not None and declared_worker(tenant_catalog(snapshot), cluster)

    async def _repositories(self, scope: str) -> Sequence[Repository]:
        return list((await self._known(scope)).values())

    async def _known(self, scope: str) -> Mapping[str, Repository]:
        index = [project for _, project in await self._records.index.items("project_")]
        stored = hooks.project_ids(await self._systems.hooks.stored(scope))
        return repositories.known(self._tenant, scope, index, stored)

    async def _of_tenant(self) -> Assignment:
        """Return the hook secrets of configuration repositories. Before the first declarations, nothing is removed."""
        snapshot = await self._records.desired.get(TENANT_KEY)
        known = await self._known(TENANT_KEY)
        wanted: Iterable[str] = known
        if snapshot is not None:
            wanted = repositories.tenant_hooks(self._tenant, tenant_catalog(snapshot))
        return Assignment(
            desired=desired.hook_state(known[hook] for hook in wanted if hook in known),
            targets=(self._systems.hooks,),
            budget=_budget(snapshot),
            commit=snapshot.commit if snapshot else "",
            finished=partial(self._tenant_finished, TENANT_KEY),
        )

    async def _tenant_finished(self, scope: str, report: Report, cause: Cause) -> None:
        await self._announce(scope, report, cause)
        for cluster in await self._cluster_scopes():
            await self._request(cluster, "the tenant's declarations changed", cause)

    async def _of_product(self, scope: str, product: str) -> Assignment:
        tenant_snapshot, tenant = await self._declared_tenant()
        targets = (self._systems.hooks, self._keys, self._systems.access)
        if product not in tenant.products:
            return Assignment(
                {}, targets, budget=_budget(tenant_snapshot), commit=tenant_snapshot.commit, gone=True
            )
        snapshot = await self._records.desired.get(scope)
        if snapshot is None:
            raise Blocked("its declarations were not read yet", by=f"snapshot/{scope}", what=scope)
        catalog = product_catalog(snapshot)
        known = await self._known(scope)
        mine = [known[hook] for hook in repositories.product_hooks(catalog) if hook in known]
        ids = {one.name: one.project_id for one in mine}
        granted = grants.grants(catalog, tenant, ids, self._systems.policy)
        state = merged((desired.hook_state(mine), desired.key_state(mine), granted.state))
        return Assignment(
            desired=state,
            targets=targets,
            budget=_budget(snapshot),
            commit=snapshot.commit,
            finished=partial(self._product_finished, scope, granted),
        )

    async def _product_finished(self, scope: str, granted: Grants, report: Report, cause: Cause) -> None:
        await self._announce(scope, report, cause)
        if granted.unknown:
            raise Blocked(
                f"{', '.join(granted.unknown)} is not on the code host yet",
                by=f"project/{granted.unknown[0]}",
                what=scope,
                code="no-such-project",
            )
        if granted.denied:
            raise Rejected(
                f"rights were withdrawn: {granted.denied[0]}",
                granted.denied,
                what=scope,
                who="the owners of what is used",
                next_step="restore the right, or change the runtime",
                code="not-allowed",
            )

    async def _of_cluster(self, scope: str, cluster: str, cause: Cause) -> Assignment:
        snapshot, tenant = await self._declared_tenant()
        store = self._systems.store
        record = await self._records.clusters.get(facts.cluster_key(cluster))
        if not declared_worker(tenant, cluster):
            if record is not None and not record.removed:
                raise Blocked("the cluster is being deregistered", by=f"cluster/{cluster}", what=scope)
            removed = accounts.RemovedAccounts(store, cluster, snapshot.cause.received_at)
            targets: Sequence[Target] = (self._systems.access, removed)
            return Assignment(
                {}, targets, budget=cluster_budget(snapshot, tenant), commit=snapshot.commit, gone=True
            )
        path = names.cluster_account_path(cluster, accounts.REVIEWER)
        reviewer = await store.read(accounts.MOUNT, path)
        version = accounts.stored_version(reviewer.values) if reviewer else 0
        if record is not None and record.version > version and self._now() > record.issued_at + OFFER_LASTS:
            # The offer was lost, or what was stored of it; its tokens would be renewed only hours later.
            await self._bus.state(facts.requested(scope, cluster, record.version, cause))
        if reviewer is None:
            raise Blocked("its credentials are not there yet", by=f"cluster/{cluster}", what=scope)
        return Assignment(
            desired=desired.mount_state(cluster, reviewer),
            targets=(self._systems.access,),
            budget=cluster_budget(snapshot, tenant),
            commit=snapshot.commit,
            finished=partial(self._cluster_finished, cluster),
        )

    async def _cluster_finished(self, cluster: str, report: Report, cause: Cause) -> None:
        """Wake the products which waited for the cluster's login."""
        made = any(one.failure is None and one.action.verb is Verb.CREATE for one in report.outcomes)
        if not made:
            return
        for key, snapshot in await self._records.desired.items("product_"):
            if cluster in grants.clusters_of(product_catalog(snapshot)):
                await self._request(key, f"accounts of {cluster} can log in now", cause)

    async def _declared_tenant(self) -> tuple[Snapshot, TenantCatalog]:
        snapshot = await self._records.desired.get(TENANT_KEY)
        if snapshot is None:
            raise Blocked("the tenant's declarations were not read yet", by=f"snapshot/{TENANT_KEY}")
        return snapshot, tenant_catalog(snapshot)

    async def _cluster_scopes(self) -> Sequence[str]:
        found = [one.rstrip("/") for one in await self._systems.listing.names(accounts.FOLDER)]
        return [names.scope("cluster", name) for name in sorted(found) if names.is_label(name)]

    async def _request(self, scope: str, because: str, cause: Cause) -> None:
        await self._bus.request(SERVICE, Work(scope=scope, because=because, cause=cause))

    async def _announce(self, scope: str, report: Report, cause: Cause) -> None:
        """Say which secrets were written."""
        for outcome in report.outcomes:
            action = outcome.action
            if outcome.failure is None and action.after is not None and action.ref.system in _PLACES:
                await self._say(scope, action.ref, int(action.after["project_id"]), cause)

    async def _say(self, scope: str, ref: Ref, project_id: int, cause: Cause) -> None:
        mount, path = _PLACES[ref.system](ref)
        secret = await self._systems.store.read(mount, path)
        if secret is not None:
            await self._bus.state(facts.issued(scope, (mount, path), secret.version, project_id, cause))


_PLACES: Mapping[str, Callable[[Ref], tuple[str, str]]] = {
    desired.HOOK_SYSTEM: hooks.issued,
    desired.KEY_SYSTEM: deploy_keys.issued,
}


def declared_worker(tenant: TenantCatalog, cluster: str) -> bool:
    """Say whether runtimes may stand on a cluster."""
    declared = tenant.clusters.get(cluster)
    return declared is not None and declared.manifest.spec.usage == "worker"


def cluster_budget(snapshot: Snapshot, tenant: TenantCatalog) -> Budget:
    """Return how much may go with a cluster: all of it, since one manifest stands for one cluster.

    A tenant without any cluster is taken for a mistake unless the commit confirms it (security rule 12).
    """
    return Budget(everything=snapshot.deletions_allowed or bool(tenant.clusters))


def _budget(snapshot: Snapshot | None) -> Budget:
    return Budget(everything=bool(snapshot and snapshot.deletions_allowed))
