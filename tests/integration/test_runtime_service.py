"""The life of a service: start, health, timers, HTTP, an orderly end."""

import asyncio
import io
import json
import threading
from contextlib import suppress

import httpx
import pytest

from nautes_domain.effects import Cause
from nautes_domain.events import Fact
from nautes_domain.failures import Rejected, Retry
from nautes_runtime import logs
from nautes_runtime.health import Health
from nautes_runtime.service import Service
from support.nats import start_nats
from support.runtime import running, settings, until

pytestmark = pytest.mark.usefixtures("emptied")


def fact(name="x"):
    return Fact(kind="thing", verb="tested", scope="tenant", name=name, by="test", cause=Cause(delivery="d1"))


async def ask(one, path):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{one.service.health_port}{path}")
    return answer.status_code, answer.json()


async def becomes(one, status):
    async def wait():
        while (answer := await ask(one, "/readyz"))[0] != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return answer[1]

    return await asyncio.wait_for(wait(), 30)


async def test_a_timer_that_swallows_its_cancellation_does_not_hold_up_the_end(server):
    begun = asyncio.Event()

    async def deaf_once():
        if begun.is_set():
            await asyncio.sleep(3600)
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    async def build(context):
        context.every(0.01, deaf_once)

    async with running(server.url, build) as one:
        await begun.wait()
        assert await one.stop() == 0


async def nothing(_):
    """Take it and do nothing."""


def on_facts(handler):
    async def build(context):
        context.subscribe("FACTS", "svc", context.subjects.fact("thing"), handler, model=Fact)

    return build


async def test_what_a_service_did_is_shown_as_metrics(server):
    done = asyncio.Event()

    async def handle(_):
        done.set()

    async with running(server.url, on_facts(handle)) as one:
        await becomes(one, 200)
        await one.context.bus.state(fact())
        await asyncio.wait_for(done.wait(), 10)
        settled = 'nautes_messages_settled_total{durable="svc",outcome="ack",stream="FACTS"} 1.0'
        async with httpx.AsyncClient() as client:
            address = f"http://127.0.0.1:{one.service.health_port}/metrics"
            while settled not in (answer := await client.get(address)).text:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert answer.headers["Content-Type"].startswith("text/plain")
        for name in ("nautes_build_info", "nautes_consumer_pending", "nautes_message_queue_seconds_count"):
            assert name in answer.text


async def test_a_service_is_ready_when_its_parts_are(server):
    problems = {"vault": "sealed"}

    async def vault():
        return problems["vault"]

    def broken():
        raise Retry("no answer", what="gitlab")

    async def build(context):
        await on_facts(nothing)(context)
        context.ready("vault", vault)
        context.ready("gitlab", lambda: broken() if problems["vault"] else None)

    async with running(server.url, build) as one:
        answer = await becomes(one, 503)
        assert answer["checks"]["vault"] == "sealed"
        assert answer["checks"]["gitlab"] == "gitlab: no answer"
        problems["vault"] = ""
        answer = await becomes(one, 200)
        assert set(answer["checks"]) == {"service", "bus", "durables", "intake", "vault", "gitlab"}
        assert set(answer["checks"].values()) == {"ok"}
        assert (await ask(one, "/livez"))[0] == 200
        assert (await ask(one, "/else"))[0] == 404


async def test_a_deleted_durable_is_made_again_behind_what_was_done(server):
    handled = []

    async def handler(event):
        handled.append(event.name)

    async with running(server.url, on_facts(handler)) as one:
        bus, js = one.context.bus, one.context.js
        for name in ("a", "b", "c"):
            await bus.state(fact(name))
        await until(lambda: handled == ["a", "b", "c"], "three facts")
        while (await js.consumer_info("FACTS", "svc")).ack_floor.stream_seq < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await until(lambda: one.service.watchdog.floor("FACTS", "svc") == 3, "the watchdog has seen it")
        await js.delete_consumer("FACTS", "svc")
        await bus.state(fact("d"))
        await until(lambda: "d" in handled, "the fourth fact")
        assert handled == ["a", "b", "c", "d"]
        assert "durable is gone" in one.log.getvalue()
        await becomes(one, 200)


async def test_a_deleted_stream_is_made_again(server):
    handled = []

    async def handler(event):
        handled.append(event.name)

    async with running(server.url, on_facts(handler)) as one:
        await one.context.bus.state(fact("a"))
        await until(lambda: handled == ["a"], "the first fact")
        await one.context.js.delete_stream("FACTS")
        await until(lambda: "durable is gone" in one.log.getvalue(), "that it was seen")
        for _ in range(100):
            try:
                await one.context.bus.state(fact("b"))
                break
            except Retry:
                await asyncio.sleep(0.1)
        await until(lambda: handled == ["a", "b"], "the second fact")


async def test_an_unreachable_bus_makes_it_unready_but_not_dead(tmp_path):
    with start_nats(tmp_path) as nats:
        async with running(nats.url, on_facts(nothing)) as one:
            await becomes(one, 200)
            nats.kill()
            answer = await becomes(one, 503)
            assert answer["checks"]["bus"] == "not connected"
            assert (await ask(one, "/livez"))[0] == 200
            nats.start()
            await becomes(one, 200)


async def test_a_start_job_runs_again_until_it_succeeds_and_before_any_message(server):
    order = []

    async def job():
        order.append("job")
        if len(order) < 3:
            raise Retry("vault is sealed")

    async def handler(event):
        order.append(event.name)

    async def build(context):
        await on_facts(handler)(context)
        context.on_start(job)
        await context.bus.state(fact("a"))

    async with running(server.url, build):
        await until(lambda: "a" in order, "the fact")
    assert order == ["job", "job", "job", "a"]


async def test_a_timer_that_fails_runs_again_and_stop_jobs_run(server):
    turns, stopped = [], []

    async def turn():
        turns.append(1)
        raise KeyError("x") if len(turns) % 2 else Retry("away")

    async def at_the_end():
        stopped.append(1)

    async def build(context):
        context.every(0.02, turn)
        context.on_stop(at_the_end)

    async with running(server.url, build) as one:
        await until(lambda: len(turns) > 4, "five turns")
    assert stopped == [1]
    assert await one.task == 0


async def test_a_service_that_cannot_start_says_why(server):
    async def build(_):
        raise Rejected("the kubeconfig is not there", code="no-kubeconfig")

    with pytest.raises(AssertionError, match=r"ended with 1(.|\n)*no-kubeconfig"):
        async with running(server.url, build):
            pytest.fail("it runs")


async def test_a_taken_port_is_said(server):
    async def build(context):
        _, port = context.serve_http(None, "127.0.0.1", 0)
        context.serve_http(None, "127.0.0.1", port)

    with pytest.raises(AssertionError, match="address-in-use"):
        async with running(server.url, build):
            pytest.fail("it runs")


async def test_a_request_in_flight_is_answered_before_the_end(server):
    entered, leave, answers = asyncio.Event(), asyncio.Event(), []

    async def app(_scope, _receive, send):
        entered.set()
        await leave.wait()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"stored"})

    addresses = []

    async def build(context):
        addresses.append(context.serve_http(app, "127.0.0.1", 0))

    async def call():
        async with httpx.AsyncClient() as client:
            answers.append(await client.get(f"http://127.0.0.1:{addresses[0][1]}/"))

    async with running(server.url, build) as one:
        calling = asyncio.create_task(call())
        await entered.wait()
        one.service.stop()
        await until(lambda: "stopping" in one.log.getvalue(), "the end begins")
        assert one.context.broker.config.connection_state.connection.is_connected
        leave.set()
        await calling
    assert (answers[0].status_code, answers[0].text) == (202, "stored")
    assert await one.task == 0


async def test_a_service_waits_for_a_bus_that_is_not_there_yet_and_can_be_stopped(tmp_path):
    with start_nats(tmp_path) as nats:
        url = nats.url
        nats.kill()
        service = Service(
            "svc", settings(url), on_facts(nothing), logs.configure("svc", "INFO", io.StringIO())
        )
        task = asyncio.create_task(service.serve())
        await until(lambda: service.health_port, "health")
        nats.start()
        await asyncio.wait_for(service.running.wait(), 30)
        service.stop()
        assert await task == 0
        nats.kill()
        service = Service(
            "svc", settings(url), on_facts(nothing), logs.configure("svc", "INFO", io.StringIO())
        )
        task = asyncio.create_task(service.serve())
        await until(lambda: service.health_port, "health")
        service.stop()
        assert await asyncio.wait_for(task, 30) == 0


async def test_every_line_about_a_message_carries_its_cause(server):
    async def handler(event):
        raise Rejected("no", what=event.name, code="no")

    async with running(server.url, on_facts(handler)) as one:
        await one.context.bus.state(fact())
        await until(lambda: "dead letter" in one.log.getvalue(), "the dead letter")
        lines = [json.loads(line) for line in one.log.getvalue().splitlines()]
    (dead,) = [line for line in lines if line["event"] == "dead letter"]
    assert (dead["cause"], dead["service"]) == ("d1", "svc")


async def test_a_frozen_event_loop_is_dead_and_says_so():
    health = Health(stuck=0.7)
    port = health.start("127.0.0.1", 0)
    answers = {}

    def watch():
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            while "frozen" not in answers:
                answer = client.get("/livez")
                if answer.status_code == 503:
                    answers["frozen"] = (answer.json()["live"], client.get("/readyz").status_code)

    assert (await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/livez")).status_code == 200
    watcher = threading.Thread(target=watch)
    watcher.start()
    watcher.join(20)  # blocks the event loop until the thread has seen it
    assert answers["frozen"] == (False, 503)
    await asyncio.sleep(0.6)
    assert (await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/livez")).status_code == 200
    await health.stop()
