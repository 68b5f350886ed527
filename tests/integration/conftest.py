"""Servers that more than one suite talks to: each module has one of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import gitlab
import pytest

from support.followed_runs import Place, run_place, run_servers
from support.forge import Forge, HookReceiver, start_forge
from support.nats import Nats, start_nats
from support.runtime import connected


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with start_forge(tmp_path_factory.mktemp("forge")) as running:
        yield running


@pytest.fixture(scope="module")
def api(forge: Forge) -> Iterator[gitlab.Gitlab]:
    """The administrator's client; there is the group `acme`."""
    with gitlab.Gitlab(forge.url, private_token=forge.token) as client:
        client.groups.create({"name": "Acme", "path": "acme"})
        yield client


@pytest.fixture
def receiver() -> Iterator[HookReceiver]:
    with HookReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A bus that knows everybody."""
    with start_nats(tmp_path_factory.mktemp("bus")) as nats:
        yield nats


@pytest.fixture
async def emptied(server: Nats) -> AsyncIterator[None]:
    """Leave no stream behind."""
    yield
    async with connected(server.url) as (_, js):
        for info in await js.streams_info():
            await js.delete_stream(info.config.name)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A bus, a code host and a cluster."""
    with run_servers(tmp_path_factory.mktemp("runs")) as found:
        yield found


@pytest.fixture
async def place(servers: SimpleNamespace, tmp_path: Path) -> AsyncIterator[Place]:
    """A product with a runtime on the cluster; its runs go with the test."""
    async with run_place(servers, tmp_path) as found:
        yield found
        for run in await found.admin.list("PipelineRun", "apple-ci"):
            await found.admin.delete("PipelineRun", run["metadata"]["name"], "apple-ci")
