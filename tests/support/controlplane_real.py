"""What the tests on real clusters do alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nautes_adapters.kubernetes import KubernetesClient
from nautes_domain.failures import Retry
from nautes_domain.plan import Budget, State
from nautes_domain.reconcile import Outcome, Report, Target, reconcile
from support.controlplane import Cluster


async def settle(target: Target, state: State, scope: str) -> Report:
    """Reconcile as a service does, again where that is what a failure asks for; in the end everything must succeed."""

    async def record(_outcome: Outcome) -> None:
        return None

    budget = Budget(everything=True)
    async with asyncio.timeout(180):
        while True:
            report = await reconcile(scope, state, [target], budget=budget, record=record, clock=lambda: 0.0)
            if not isinstance(report.failure, Retry):
                break
            await asyncio.sleep(0.5)
    assert report.failure is None, report.outcomes
    return report


@asynccontextmanager
async def client_of(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    """Yield a client with an administrator's rights."""
    client = KubernetesClient.from_kubeconfig(cluster.kubeconfig)
    try:
        yield client
    finally:
        await client.close()
