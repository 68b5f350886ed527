"""A scope to what has to be done for it: the declared objects and the systems which they live in."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from nautes_domain import names
from nautes_domain.capabilities import (
    CodeHost,
    CommitState,
    CommitStatus,
    Deployer,
    ReadKey,
    SecretStore,
    TenantSpace,
)
from nautes_domain.catalog import TenantCatalog
from nautes_domain.effects import Cause
from nautes_domain.events import Fact
from nautes_domain.failures import Rejected
from nautes_domain.plan import Budget, State
from nautes_domain.reconcile import Report, Target
from nautes_domain.snapshot import TENANT_KEY, IndexedProject, Snapshot, project_key
from nautes_reconciler import desired, judging
from nautes_reconciler.clusters import Clusters
from nautes_reconciler.declaring import Declaring
from nautes_reconciler.desired import Addresses
from nautes_reconciler.hook_needs import needs_of
from nautes_reconciler.hook_needs import sources as hook_sources
from nautes_reconciler.records import Declarations
from nautes_runtime.bus import Bus
from nautes_runtime.scopes import Assignment
from nautes_runtime.tracing import span

APPLY_STATUS = "nautes/apply"
HOOK_MOUNT = "hook"
KEY_MOUNT = "git"
READ = "readonly"


@dataclass(frozen=True, slots=True)
class Systems:
    """The systems that the reconciler writes, and what it asks of them."""

    code_host: CodeHost
    gitlab: Target
    argocd: Target
    argocd_repositories: Target
    clusters: Clusters
    spaces: TenantSpace
    deployer: Deployer
    secrets: SecretStore


class Assigning:
    """Says what each scope needs."""

    def __init__(
        self,
        tenant: str,
        addresses: Addresses,
        systems: Systems,
        declarations: Declarations,
        declaring: Declaring,
        bus: Bus,
        meet: Callable[[int], Awaitable[None]],
    ) -> None:
        """Wire it. `meet` takes the first look at a project, by its id."""
        self._tenant = tenant
        self._addresses = addresses
        self._systems = systems
        self._declarations = declarations
        self._declaring = declaring
        self._bus = bus
        self._meet = meet
        self._reported: dict[str, tuple[str, CommitState]] = {}

    async def assign(self, scope: str, cause: Cause) -> Assignment:  # noqa: ARG002 - the cause comes back in `finished`
        """Return what is to be done for a scope. Raises Rejected when its declarations hold no longer."""
        kind, name = names.split_scope(scope)
        if kind == "tenant":
            return await self._of_tenant()
        if kind == "product":
            return await self._of_product(scope, name)
        return Assignment(desired={}, targets=())

    async def scopes(self) -> Sequence[str]:
        """Return every scope, after catching up with commits whose deliveries were missed."""
        cause = Cause(delivery="catch-up")
        for _, project in await self._declarations.index.items("project_"):
            if project.name in {names.CONFIG_PROJECT, names.TENANT_PROJECT}:
                await self._catch_up(project, cause)
        return [TENANT_KEY, *await self._declaring.product_scopes()]

    async def _catch_up(self, project: IndexedProject, cause: Cause) -> None:
        try:
            await self._declaring.take(project, cause)
        except Rejected:
            return  # it stands in the status of the scope, with every violation

    async def _of_tenant(self) -> Assignment:
        catalog = await self._declarations.tenant()
        snapshot = await self._declarations.snapshot(TENANT_KEY)
        projects = tuple(desired.config_projects(self._tenant, catalog))
        versions = await self._secret_versions(projects)
        return Assignment(
            desired=desired.tenant_state(self._tenant, catalog, self._addresses, versions),
            targets=(self._systems.gitlab,),
            budget=Budget(everything=bool(snapshot and snapshot.deletions_allowed)),
            commit=snapshot.commit if snapshot else "",
            finished=partial(self._finished, TENANT_KEY, projects, snapshot),
        )

    async def _of_product(self, scope: str, product: str) -> Assignment:
        tenant = await self._declarations.tenant()
        snapshot = await self._declarations.snapshot(scope)
        if snapshot is None:
            return Assignment(desired={}, targets=(), gone=product not in tenant.products)
        if product not in tenant.products:
            return await self._withdrawn(snapshot, tenant)
        catalog = self._declarations.parsed(snapshot)
        await self._still_valid(snapshot, tenant)
        projects = tuple(desired.repositories(catalog))
        hooked = hook_sources(catalog, tenant, self._declarations.hooks)
        keys = await self._read_keys(product, {*desired.sources(catalog), *hooked})
        state = desired.product_state(
            catalog,
            self._addresses,
            await self._secret_versions(projects),
            spaces=self._systems.spaces,
            deployer=self._systems.deployer,
            keys=keys,
            needs=needs_of(catalog, tenant, self._declarations.hooks, self._addresses, keys),
        )
        return Assignment(
            desired=state,
            targets=await self._targets(tenant, state),
            budget=Budget(everything=snapshot.deletions_allowed),
            commit=snapshot.commit,
            finished=partial(self._finished, scope, projects, snapshot),
        )

    async def _withdrawn(self, snapshot: Snapshot, tenant: TenantCatalog) -> Assignment:
        """Remove everything of a product that the tenant no longer declares, if that was confirmed.

        Confirmed or not, nothing starts from it any more.
        """
        await self._suspend(snapshot, "the tenant no longer declares the product")
        declared = await self._declarations.snapshot(TENANT_KEY)

        async def forget(report: Report, _: Cause) -> None:
            if report.failure is None:
                await self._declarations.desired.delete(snapshot.scope)
                await self._declarations.status.delete(f"declarations.{snapshot.scope}")

        return Assignment(
            desired={},
            targets=await self._targets(tenant, {}),
            budget=Budget(everything=bool(declared and declared.deletions_allowed)),
            commit=snapshot.commit,
            finished=forget,
            gone=True,
        )

    async def _still_valid(self, snapshot: Snapshot, tenant: TenantCatalog) -> None:
        """Judge again: what was allowed when it was pushed may have been withdrawn since (security rule 2).

        The verdict is kept with the snapshot, so that a push of source need not judge the whole product.
        """
        claims = judging.foreign_claims(snapshot.name, (await self._declarations.products()).values())
        hooks = self._declarations.hooks
        judgement = judging.judge_product(snapshot.name, snapshot.files, tenant, claims, hooks=hooks)
        reason = str(judgement.violations[0]) if judgement.violations else ""
        await self._suspend(snapshot, reason)
        if reason:
            raise Rejected(
                f"its declarations hold no longer: {reason}",
                judgement.violations,
                what=snapshot.scope,
                who=f"owners of {snapshot.name}, or whoever changed the tenant's declarations",
                next_step="mend the files and push, or restore what they refer to",
                code="invalid-declarations",
            )

    async def _suspend(self, snapshot: Snapshot, reason: str) -> None:
        """Keep with the snapshot why nothing may start from it; an empty reason lifts that."""
        if reason != snapshot.suspended:
            judged = snapshot.model_copy(update={"suspended": reason})
            await self._declarations.desired.put(snapshot.scope, judged)

    async def _targets(self, tenant: TenantCatalog, state: State) -> tuple[Target, ...]:
        """Return the systems of a product: those it needs, and every cluster where something may be left."""
        needed = {ref.system.partition("/")[2] for ref in state if ref.system.startswith("kubernetes/")}
        workers = {name for name, one in tenant.clusters.items() if one.manifest.spec.usage == "worker"}
        clusters = self._systems.clusters
        registered = {name for name in workers if await clusters.get(name) is not None}
        places = [target for name in sorted(needed | registered) for target in await clusters.targets(name)]
        # Argo CD must have the key to a repository before an Application that reads it.
        return (self._systems.gitlab, *places, self._systems.argocd_repositories, self._systems.argocd)

    async def _read_keys(self, product: str, repositories: Iterable[str]) -> Mapping[str, ReadKey]:
        """Return which key reads each of a product's repositories; nothing where they are read without."""
        if not self._addresses.code_host_ssh:
            return {}
        known = await self._declarations.projects()
        keys: dict[str, ReadKey] = {}
        for name in sorted(repositories):
            project = known.get((product, name))
            keys[name] = ReadKey(name, "")
            if project is None:
                continue
            path = names.deploy_key_path(project.project_id, READ)
            stored = await self._systems.secrets.read(KEY_MOUNT, path)
            version, values = (stored.version, stored.values) if stored else (0, {})
            keys[name] = ReadKey(name, path, version, values.get("fingerprint", ""))
        return keys

    async def _secret_versions(self, projects: Iterable[tuple[str, str]]) -> Mapping[str, int]:
        versions: dict[str, int] = {}
        for group, project in projects:
            hook = names.hook_id(group, project)
            secret = await self._systems.secrets.read(HOOK_MOUNT, names.hook_secret_path(hook))
            if secret is not None:
                versions[hook] = secret.version
        return versions

    async def _finished(
        self,
        scope: str,
        projects: Iterable[tuple[str, str]],
        snapshot: Snapshot | None,
        report: Report,
        cause: Cause,
    ) -> None:
        known = await self._declarations.projects()
        for group, project in projects:
            if (group, project) not in known:
                await self._index(scope, group, project, cause)
        if snapshot is not None:
            await self._show(snapshot, report)

    async def _index(self, scope: str, group: str, name: str, cause: Cause) -> None:
        """Remember a new project by its id, and say that it is there."""
        hosted = await self._systems.code_host.project(names.project_path(group, name))
        if hosted is None:
            return
        url = self._addresses.clone(group, name)
        project = IndexedProject(project_id=hosted.id, group=group, name=name, path=hosted.path, url=url)
        await self._meet(
            hosted.id
        )  # before it counts as known, or who is killed in between leaves that to the timer
        await self._declarations.index.put(project_key(hosted.id), project)
        data = {"project_id": hosted.id, "group": group, "name": name, "path": hosted.path}
        fact = Fact(
            kind="coderepo",
            verb="provisioned",
            scope=scope,
            name=name,
            by=self._bus.service,
            cause=cause,
            data=data,
        )
        await self._bus.state(fact)
        if name == names.CONFIG_PROJECT:  # it may have held declarations before we knew of it
            await self._catch_up(project, cause)

    async def _show(self, snapshot: Snapshot, report: Report) -> None:
        """Put beside the commit of the declarations whether they were applied."""
        failure = report.failure
        if failure is None:
            state, words = CommitState.SUCCESS, f"applied; {report.unchanged} objects are as declared"
        elif isinstance(failure, Rejected):
            state, words = CommitState.FAILED, str(failure)
        else:
            state, words = CommitState.PENDING, f"waiting: {failure}"
        if self._reported.get(snapshot.scope) == (snapshot.commit, state):
            return
        status = CommitStatus(state, APPLY_STATUS, words[:250])
        with span("commit status"):
            await self._systems.code_host.set_status(snapshot.project_id, snapshot.commit, status)
        self._reported[snapshot.scope] = (snapshot.commit, state)
