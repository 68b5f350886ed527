"""Wires the cluster registrar: the only module that names concrete tools."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from nautes_adapters.argocd import ClusterAccess, ClusterSecrets, cluster_secret_state
from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    KubernetesClient,
    KubernetesTarget,
    bootstrap_state,
)
from nautes_adapters.vault import VaultSecretStore, VaultSession
from nautes_cluster_registrar.connections import Connections
from nautes_cluster_registrar.minting import Desk
from nautes_cluster_registrar.records import SERVICE, ClusterRecord
from nautes_cluster_registrar.scopes import Scopes, Tools
from nautes_cluster_registrar.settings import RegistrarSettings
from nautes_domain.events import Fact
from nautes_domain.reconcile import Target
from nautes_domain.snapshot import Snapshot
from nautes_runtime.context import ServiceContext
from nautes_runtime.scopes import ScopeWorker

__all__ = ["SERVICE", "build"]

PENDING: Final = 64
"""Facts that may wait for their next attempt at once, so that one which waits holds up no other."""


async def build(settings: RegistrarSettings, context: ServiceContext) -> None:
    """Connect the tools and declare what is listened to."""
    vault = settings.vault
    session = VaultSession(vault.address, vault.login(), verify=vault.verify)
    store = VaultSecretStore(session)
    kubeconfig = settings.management.kubeconfig
    management = KubernetesClient.from_kubeconfig(kubeconfig) if kubeconfig else KubernetesClient.in_cluster()
    connections = Connections(store, KubernetesClient.from_kubeconfig_text)
    for close in (connections.close, management.close, session.close):
        context.on_stop(close)
    desk = Desk(
        store,
        context.buckets.index(ClusterRecord),
        context.bus,
        context.now,
        settings.token_lifetime,
    )
    tools = Tools(
        bootstrap=bootstrap_state,
        objects=_objects,
        registration=cluster_secret_state,
        registrations=partial(_registrations, management),
    )
    scopes = Scopes(context.buckets.desired(Snapshot), connections, tools, desk)
    worker = ScopeWorker(context, SERVICE, scopes.assign)
    worker.resync(settings.resync, scopes.all)

    async def wake(fact: Fact) -> None:
        await worker.request(fact.scope, f"{fact.kind} {fact.name} was {fact.verb}", fact.cause)

    async def requested(fact: Fact) -> None:
        await scopes.requested(fact)
        await wake(fact)

    for kind, verb, handler in (("cluster", "requested", requested), ("kubeconfig", "stored", wake)):
        context.subscribe(
            "FACTS",
            f"{SERVICE}-{kind}-{verb}",
            context.subjects.fact(kind, verb),
            handler,
            model=Fact,
            max_ack_pending=PENDING,
        )


def _objects(client: KubernetesClient, cluster: str) -> Target:
    return KubernetesTarget(client, cluster, BOOTSTRAP_KINDS)


def _registrations(
    management: KubernetesClient,
    client: KubernetesClient | None,
    deployer_token: Callable[[], Awaitable[str]],
) -> Target:
    """Return the target of Argo CD's registrations, written with the access of one cluster."""

    async def access(_: str) -> ClusterAccess | None:
        if client is None:
            return None
        return ClusterAccess(client.server, client.ca_pem, await deployer_token())

    return ClusterSecrets(management, access)
