"""Wires the secret broker: the only module that names concrete tools."""

from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Final

from nautes_adapters.gitlab import GitLabDeployKeys
from nautes_adapters.vault import VaultAccess, VaultSecretStore, VaultSession, reading
from nautes_domain.events import Fact
from nautes_domain.snapshot import IndexedProject, Snapshot
from nautes_runtime.context import ServiceContext
from nautes_runtime.scopes import ScopeWorker
from nautes_runtime.settings import read_secret
from nautes_secret_broker import deploy_keys
from nautes_secret_broker.facts import SERVICE, RegisteredCluster
from nautes_secret_broker.hooks import HookSecrets
from nautes_secret_broker.offers import Offers
from nautes_secret_broker.rotation import Ages
from nautes_secret_broker.scopes import Records, Scopes, Systems
from nautes_secret_broker.settings import BrokerSettings
from nautes_secret_broker.uploads import Uploads

__all__ = ["SERVICE", "build"]

PENDING: Final = 64
"""Facts that may wait for their next attempt at once, so that one which waits holds up no other."""


async def build(settings: BrokerSettings, context: ServiceContext) -> None:
    """Connect the tools and declare what is listened to."""
    systems = _systems(settings, context)
    records = Records(
        context.buckets.desired(Snapshot),
        context.buckets.index(IndexedProject),
        context.buckets.index(RegisteredCluster),
    )
    scopes = Scopes(settings.tenant, systems, records, context.bus, context.now)
    worker = ScopeWorker(context, SERVICE, scopes.assign)
    worker.resync(settings.resync, scopes.all)
    offers = Offers(systems.store, context.bus, context.locks.hold, now=context.now, clock=perf_counter)

    uploads = Uploads(systems.store, context.bus, context.locks.hold, now=context.now, clock=perf_counter)

    async def provisioned(fact: Fact) -> None:
        scope = await scopes.provisioned(fact)
        await worker.request(scope, f"{fact.kind} {fact.name} was {fact.verb}", fact.cause)

    async def offered(fact: Fact) -> None:
        if not await scopes.expects(fact.name):
            context.log.warning("an offer of a cluster that is not declared", cluster=fact.name)
            return
        await offers.take(fact)
        await worker.request(fact.scope, f"{fact.kind} {fact.name} was {fact.verb}", fact.cause)

    async def deregistered(fact: Fact) -> None:
        await worker.request(fact.scope, f"{fact.kind} {fact.name} was {fact.verb}", fact.cause)

    _listen(context, "coderepo", "provisioned", provisioned)
    _listen(context, "cluster", "offered", offered)
    _listen(context, "cluster", "deregistered", deregistered)
    _listen(context, "kubeconfig", "offered", uploads.take)


def _listen(
    context: ServiceContext, kind: str, verb: str, handler: Callable[[Fact], Awaitable[None]]
) -> None:
    context.subscribe(
        "FACTS",
        f"{SERVICE}-{kind}-{verb}",
        context.subjects.fact(kind, verb),
        handler,
        model=Fact,
        max_ack_pending=PENDING,
    )


def _systems(settings: BrokerSettings, context: ServiceContext) -> Systems:
    vault = settings.vault
    session = VaultSession(vault.address, vault.login(), verify=vault.verify)
    keys = GitLabDeployKeys(settings.gitlab.url, read_secret(settings.gitlab.token_file).get_secret_value())
    for close in (session.close, keys.close):
        context.on_stop(close)
    store = VaultSecretStore(session)
    ages = Ages(settings.hook_secret_age, settings.hook_secret_overlap)
    return Systems(
        store=store,
        listing=session,
        hooks=HookSecrets(settings.tenant, store, session, ages, context.now),
        key_host=keys,
        access=VaultAccess(session, settings.tenant),
        policy=partial(reading, deploy_keys.MOUNT),
    )
