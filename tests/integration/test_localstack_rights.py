"""The rights on the bus suffice for what each service does there, and for nothing that another one does."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import nats
import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from nautes_domain.effects import Cause, Status
from nautes_domain.events import Fact, Subjects, Work
from nautes_localstack.rights import OPERATOR, nats_users
from nautes_runtime import reading
from nautes_runtime.bus import Bus
from nautes_runtime.locks import ScopeLocks
from nautes_runtime.messaging import inbox
from nautes_runtime.records import Bucket, open_bucket
from nautes_runtime.streams import ensure_consumer, provision
from support.nats import start_nats

CAUSE = Cause(delivery="d1")
WORKERS = ("reconciler", "cluster-registrar", "secret-broker")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_nats(tmp_path_factory.mktemp("rights"), users=nats_users("acme")) as running:
        yield running


@asynccontextmanager
async def connected(server, user):
    refused = []

    async def refuse(error):
        refused.append(str(error))

    client = await nats.connect(
        server.url, user=user, password=user, inbox_prefix=inbox(user), error_cb=refuse
    )
    client.refused = refused
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("service", WORKERS)
async def test_a_worker_does_its_work(server, service):
    async with connected(server, service) as client:
        js = client.jetstream()
        await provision(js, "acme")
        bus = Bus(js, "acme", service, lambda: datetime.now(UTC))
        subject = Subjects("acme").work(service)
        await ensure_consumer(js, "WORK", f"{service}-work", subject)
        await bus.request(service, Work(scope="tenant", because="test", cause=CAUSE))
        await bus.state(Fact(kind="test", verb="seen", name="x", scope="tenant", by=service, cause=CAUSE))
        pulled = await js.pull_subscribe_bind(f"{service}-work", "WORK")
        [message] = await pulled.fetch(1, timeout=5)
        await message.in_progress()
        await message.ack_sync(timeout=5)
        kept = Bucket(js, "status", Status)
        assert len(await js.streams_info()) > 0
        assert await kept.keys() == []
        async with ScopeLocks(open_bucket(js, "locks"), "me").hold(f"{service}.tenant") as revision:
            assert revision > 0
        assert [it async for it in reading.statuses(js, "acme")] == []
        assert client.refused == []


async def test_the_api_server_reads_the_history(server):
    async with connected(server, "api-server") as client:
        js = client.jetstream()
        await provision(js, "acme")
        for read in (reading.effects, reading.decisions, reading.facts, reading.deliveries, reading.statuses):
            async for _one in read(js, "acme"):
                pass
        assert client.refused == []


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        ("api-server", "nautes.acme.fact.secret.issued"),
        ("api-server", "nautes.acme.fact.kubeconfig.stored"),
        ("webhook-gateway", "nautes.acme.work.reconciler.tenant"),
        ("secret-broker", "nautes.acme.delivery.0.push.1"),
        ("secret-broker", "nautes.acme.effect.reconciler.gitlab"),
        ("cluster-registrar", "$KV.desired.product_orchard"),
    ],
)
async def test_what_another_service_says_is_not_stored(server, service, subject):
    async with connected(server, OPERATOR) as operator, connected(server, service) as client:
        await provision(operator.jetstream(), "acme")
        with pytest.raises((NatsTimeoutError, NoRespondersError)):
            await client.jetstream().publish(subject, b"{}", timeout=0.3)
        assert any("permissions violation" in text.lower() for text in client.refused)


@pytest.mark.parametrize("service", [*WORKERS, "api-server", "webhook-gateway"])
async def test_no_service_deletes_a_stream(server, service):
    async with connected(server, OPERATOR) as operator, connected(server, service) as client:
        await provision(operator.jetstream(), "acme")
        with pytest.raises((NatsTimeoutError, NoRespondersError)):
            await client.jetstream(timeout=0.3).delete_stream("EFFECTS")
        assert await operator.jetstream().stream_info("EFFECTS")


async def test_another_tenant_is_out_of_reach(server):
    async with connected(server, "reconciler") as client:
        with pytest.raises((NatsTimeoutError, NoRespondersError)):
            await client.jetstream().publish(Subjects("other").fact("a", "b"), b"{}", timeout=0.3)
        assert any("permissions violation" in text.lower() for text in client.refused)
