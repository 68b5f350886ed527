"""Local clusters for tests of the adapters: started on demand, with an administrator's client, all stopped after."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from nautes_adapters.kubernetes import KubernetesClient


@asynccontextmanager
async def clusters(tmp_path) -> AsyncIterator[Callable[..., Awaitable[KubernetesClient]]]:
    """Yield an async callable; `await start(name)` starts one more local Kubernetes API and gives its client.

    What needs a kubelet's answers (`kubelet=True`) is skipped on real clusters, where none runs.
    """
    kubernetes = pytest.importorskip("support.kubernetes")
    async with AsyncExitStack() as stack:

        async def start(name="build-east", *, kubelet=False):
            directory = tmp_path / name
            directory.mkdir()
            running = stack.enter_context(kubernetes.start_kubernetes(directory, name))
            if kubelet and running.is_real:
                pytest.skip("no kubelet runs on this cluster")
            client = KubernetesClient.from_kubeconfig(running.kubeconfig)
            stack.push_async_callback(client.close)
            return client

        yield start
