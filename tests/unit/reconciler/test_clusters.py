"""Connections to clusters: when they are believed, when they are made anew."""

import pytest

from nautes_adapters.memory import MemorySecretStore
from nautes_domain import names
from nautes_domain.failures import Blocked
from nautes_domain.manifests import Component
from nautes_reconciler.clusters import ACCOUNT, BELIEVED, MOUNT, Cluster, Clusters

NAME = "build-east"
PATH = names.cluster_account_path(NAME, ACCOUNT)


class World:
    """One cluster with its credentials, a clock, and what was declared to serve pipelines."""

    def __init__(self):
        self.secrets = MemorySecretStore()
        self.time = 0.0
        self.declared = Component(name="tekton", namespace="tekton")
        self.closed = []
        self.clusters = Clusters(self.secrets, self.connect, self.pipelines_on, lambda: self.time)

    def connect(self, _name, secret, pipelines):
        async def close():
            self.closed.append(secret.version)

        return Cluster(secret.version, pipelines, object(), object(), close)

    async def pipelines_on(self, _name):
        return self.declared

    async def renew(self):
        await self.secrets.write(MOUNT, PATH, {"token": "x"})


@pytest.fixture
async def world():
    made = World()
    await made.renew()
    return made


async def test_a_connection_is_believed_for_a_moment(world):
    first = await world.clusters.engine(NAME)
    await world.renew()
    world.time = BELIEVED
    assert await world.clusters.engine(NAME) is first
    world.time = BELIEVED + 0.1
    assert await world.clusters.engine(NAME) is not first
    assert world.closed == [1]


async def test_who_asks_for_the_cluster_itself_looks_at_its_credentials_each_time(world):
    first = await world.clusters.get(NAME)
    assert await world.clusters.get(NAME) is first
    await world.renew()
    assert (await world.clusters.get(NAME)).version == 2


async def test_another_engine_is_taken_at_once(world):
    first = await world.clusters.engine(NAME)
    world.declared = Component(name="gitlab-ci", namespace="ci")
    assert await world.clusters.engine(NAME) is not first


async def test_a_cluster_that_was_let_go_is_not_believed_for_longer(world):
    await world.clusters.engine(NAME)
    await world.secrets.remove(MOUNT, PATH)
    world.time = BELIEVED + 0.1
    with pytest.raises(Blocked):
        await world.clusters.engine(NAME)
