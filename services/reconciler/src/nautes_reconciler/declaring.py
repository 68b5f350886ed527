"""A configuration repository's newest commit: judged as a whole, then what is sound is stored and told, and the rest refused with every reason.

The event is a hint: only which repository it was is trusted; head and files are read fresh.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from nautes_domain import names
from nautes_domain.capabilities import CodeHost
from nautes_domain.catalog import Tree
from nautes_domain.effects import Cause, Result, Status, records_of, violations_of
from nautes_domain.events import Fact, Work
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.snapshot import TENANT_KEY, IndexedProject, Snapshot
from nautes_reconciler import judging
from nautes_reconciler.judging import Judgement, Sound
from nautes_reconciler.records import Declarations
from nautes_runtime.bus import Bus
from nautes_runtime.tracing import span

LISTENERS = ("reconciler", "secret-broker", "cluster-registrar")
"""The services that have objects of their own to make agree with declarations."""


def scope_of(project: IndexedProject) -> str:
    """Return the scope which a configuration project declares."""
    if project.name == names.CONFIG_PROJECT:
        return names.scope("product", project.group)
    return TENANT_KEY


class Declaring:
    """Takes declarations in."""

    def __init__(
        self,
        tenant: str,
        code_host: CodeHost,
        declarations: Declarations,
        bus: Bus,
        now: Callable[[], datetime],
    ) -> None:
        self._tenant = tenant
        self._code_host = code_host
        self._declarations = declarations
        self._bus = bus
        self._now = now

    async def take(self, project: IndexedProject, cause: Cause) -> str:
        """Read the head of a configuration project and take it in; return what happened, in words.

        Raises Rejected with every violation if there is any. What is broken, and what depends on it, stays as it
        was last good; the rest is taken in, unless a file cannot be read: then everything stays.
        """
        scope = scope_of(project)
        hosted = await self._code_host.project(project.path)
        if hosted is None:
            raise Blocked("the configuration project is not there", by=f"project/{project.path}")
        head = await self._code_host.head(hosted.id, hosted.default_branch)
        if head is None:
            return f"{project.path} has no commit yet"
        before = await self._declarations.snapshot(scope)
        if before is not None and before.commit == head and not before.held:
            await self.ask(scope, "the same commit was announced again", cause)
            return f"{project.path} at {head[:8]} was taken in before"
        taken, judgement = await self._judged(scope, hosted.id, head, before)
        with span("commit status"):
            await self._code_host.set_status(hosted.id, head, judgement.status)
        changed = taken is not None and (before is None or taken.files != before.files)
        if taken is not None and (changed or not judgement.violations):
            message = await self._code_host.message(hosted.id, head)
            snapshot = Snapshot(
                scope=scope,
                commit=head,
                project_id=hosted.id,
                cause=cause,
                files=taken.files,
                held=taken.held,
                deletions_allowed=judging.confirms_deletions(message),
            )
            # in this order, so that a crash in between leaves nothing untold: facts twice are kept once
            await self._state_changes(snapshot, before, taken.judgement)
            await self._declarations.desired.put(scope, snapshot)
            if not judgement.violations:
                await self._accept(snapshot, judgement)
            await self._spread(snapshot)
        if judgement.violations:
            await self._refuse(scope, head, judgement, taken, cause)
        return f"{len(judgement.entities)} entities of {project.path} at {head[:8]} are valid"

    async def _judged(
        self, scope: str, project_id: int, head: str, before: Snapshot | None
    ) -> tuple[Sound | None, Judgement]:
        """Return what can be taken in of a commit, None if nothing can, and the judgement of all of it."""
        try:
            with span("read declarations"):
                found = await self._code_host.tree(project_id, head)
            tree = {path: data for path, data in found.items() if path.endswith((".yaml", ".yml"))}
            judge = await self._judge(scope, before)
            with span("judge"):
                judgement = judge(tree)
        except Rejected as refused:  # a link out of the tree, too large a tree: nobody's file is to be read
            return None, judging.unreadable(refused)
        if not judgement.violations:
            return Sound(tree, (), judgement), judgement
        return judging.sound(tree, before.files if before else {}, judge), judgement

    async def _judge(self, scope: str, before: Snapshot | None = None) -> Callable[[Tree], Judgement]:
        """Return what judges a tree of a scope, among what is declared elsewhere at this moment."""
        products = await self._declarations.products()
        if scope == TENANT_KEY:
            until_now = await self._declarations.tenant_until_now() if before else None
            return lambda tree: judging.judge_tenant(self._tenant, tree, until_now, products)
        _, product = names.split_scope(scope)
        claims = judging.foreign_claims(product, products.values())
        tenant = await self._declarations.tenant()
        was = products.get(product) if before else None
        hooks = self._declarations.hooks
        return lambda tree: judging.judge_product(product, tree, tenant, claims, was, hooks=hooks)

    async def _refuse(
        self, scope: str, commit: str, judgement: Judgement, taken: Sound | None, cause: Cause
    ) -> None:
        count = len(judgement.violations)
        stays = (
            f"last valid states stay of {', '.join(taken.held)[:200]}"
            if taken
            else "the last valid state stays"
        )
        refusal = Rejected(
            f"{count} violation{'s' if count > 1 else ''}; {stays}: {judgement.violations[0]}",
            judgement.violations,
            what=scope,
            who=cause.actor or "whoever pushed the change",
            next_step="mend the files and push again",
            code="invalid-declarations",
        )
        status = Status(
            service="declarations",
            scope=scope,
            at=self._now(),
            cause=cause,
            commit=commit,
            result=Result.REJECTED,
            code=refusal.code,
            message=str(refusal),
            violations=violations_of(refusal),
        )
        await self._declarations.status.put(f"declarations.{scope}", status)
        raise refusal

    async def _state_changes(self, snapshot: Snapshot, before: Snapshot | None, judgement: Judgement) -> None:
        known: Mapping[str, str] = {}
        if before is not None:
            known = (await self._judge(snapshot.scope))(before.files).entities
        for kind, name, verb in judging.changes(known, judgement.entities):
            fact = Fact(
                kind=kind,
                verb=verb,
                scope=snapshot.scope,
                name=name,
                by="reconciler",
                cause=snapshot.cause,
                data={"commit": snapshot.commit},
            )
            await self._bus.state(fact)

    async def _accept(self, snapshot: Snapshot, judgement: Judgement) -> None:
        status = Status(
            service="declarations",
            scope=snapshot.scope,
            at=self._now(),
            cause=snapshot.cause,
            commit=snapshot.commit,
            result=Result.DONE,
            message=f"{len(judgement.entities)} entities are valid",
            warnings=records_of(judgement.warnings),
        )
        await self._declarations.status.put(f"declarations.{snapshot.scope}", status)

    async def _spread(self, snapshot: Snapshot) -> None:
        scope, cause = snapshot.scope, snapshot.cause
        await self.ask(scope, f"commit {snapshot.commit[:8]} was taken in", cause)
        if scope == TENANT_KEY:  # what a product may do depends on the tenant's declarations
            for product in await self.product_scopes():
                await self.ask(product, "the tenant's declarations changed", cause)

    async def ask(self, scope: str, because: str, cause: Cause) -> None:
        """Ask every service to make its part of a scope agree."""
        for service in LISTENERS:
            await self._bus.request(service, Work(scope=scope, because=because, cause=cause))

    async def product_scopes(self) -> list[str]:
        """Return the scopes of all products that are declared or have a snapshot."""
        declared = {names.scope("product", name) for name in (await self._declarations.tenant()).products}
        stored = {key for key, _ in await self._declarations.desired.items("product_")}
        return sorted(declared | stored)
