"""The runtime works with the rights that the services have on the bus, and with no more."""

import asyncio
import subprocess
import sys
from pathlib import Path

import nats.errors
import pytest

from nautes_domain.effects import Cause, Effect, Result
from nautes_domain.events import DeliveryKind, Fact
from nautes_domain.failures import Rejected, Retry
from nautes_localstack.rights import nats_users
from nautes_runtime import reading, streams
from nautes_runtime.context import utc_now
from nautes_runtime.scopes import Assignment, ScopeWorker
from nautes_runtime.settings import NatsSettings
from support.nats import start_nats
from support.runtime import TENANT, connected, running, until

SCRIPT = Path(__file__).parents[1] / "support" / "runtime_service.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_nats(tmp_path_factory.mktemp("bus"), users=nats_users(TENANT)) as nats:
        yield nats


@pytest.fixture
def login(server, tmp_path):
    def settings(name):
        file = Path(tmp_path / name)
        file.write_text(server.passwords[name] + "\n")
        return NatsSettings(url=server.url, user=name, password_file=file)

    return settings


def fact(name, service):
    return Fact(
        kind="thing", verb="tested", scope="tenant", name=name, by=service, cause=Cause(delivery=name)
    )


@pytest.mark.parametrize("service", ["reconciler", "cluster-registrar", "secret-broker"])
async def test_a_worker_may_do_all_that_the_runtime_does(login, service):
    handled, reconciled = [], []

    async def handler(event):
        if event.by == service:
            handled.append(event.name)
            if event.name == "poison":
                raise Rejected("no", code="no")

    async def assign(scope, _):
        reconciled.append(scope)
        return Assignment({}, [])

    workers = []

    async def build(context):
        subject = context.subjects.fact("thing")
        context.subscribe("FACTS", f"{service}-facts", subject, handler, model=Fact)
        workers.append(ScopeWorker(context, service, assign))

    async with running(login(service), build, name=service) as one:
        bus, status = one.context.bus, one.context.buckets.status
        await bus.state(fact("poison", service))
        await bus.state(fact("good", service))
        await bus.effect(
            Effect(
                id=service, at=utc_now(), tenant=TENANT, service=service, cause=Cause(delivery="d"), scope="tenant",
                entity="e", system="kubernetes/run-east", object="o", verb="create", because="b", result=Result.DONE,
            )
        )  # fmt: skip
        await workers[0].request("tenant", "asked", Cause(delivery="d"))
        await until(lambda: handled[-1:] == ["good"] and reconciled, "the handlers")
        while await status.get(f"{service}.tenant") is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert f"{service}.tenant" in await status.keys()
        await until(lambda: not one.service.watchdog.problem, "the watchdog")
    assert "dead letter" in one.log.getvalue()
    assert "Permissions" not in one.log.getvalue()


async def test_a_reader_reads_everything_and_writes_no_facts(login):
    async def build(_):
        """Only read."""

    async with running(login("api-server"), build, name="api-server") as one:
        js = one.context.js
        assert [effect.service async for effect in reading.effects(js, TENANT)]
        assert [dead.code async for dead in reading.dead(js, TENANT)]
        assert [status.scope async for status in reading.statuses(js, TENANT)]
        assert [event.name async for event in reading.facts(js, TENANT)]
        assert [one async for one in reading.deliveries(js, TENANT)] == []
        with pytest.raises(Retry):
            await one.context.bus.state(fact("x", "api-server"))


@pytest.mark.parametrize("kind", DeliveryKind)
async def test_the_gateway_passes_hook_calls_on_and_can_forge_nothing_else(server, kind):
    """What a person asked for is believed, since the API server asked who it was: nobody else may say it."""
    async with connected(server.url, user="operator") as (_, js):
        await streams.provision(js, TENANT)
    subject = f"nautes.{TENANT}.delivery.0.{kind}.7"
    async with connected(server.url, user="webhook-gateway") as (_, js):
        if kind in {DeliveryKind.REQUEST, DeliveryKind.CALENDAR}:
            with pytest.raises(nats.errors.TimeoutError):
                await js.publish(subject, b"{}", timeout=0.5)
        else:
            assert (await js.publish(subject, b"{}", timeout=5)).stream == "DELIVERIES_0"


def test_a_wrong_password_is_said_and_ends_the_service(server, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    environment = {
        "NAUTES_TENANT": TENANT,
        "NAUTES_NATS__URL": server.url,
        "NAUTES_NATS__USER": "reconciler",
        "NAUTES_NATS__PASSWORD_FILE": str(tmp_path / "password"),
    }
    command = [sys.executable, "-P", str(SCRIPT), str(tmp_path / "notes")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "Authorization Violation" in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout
