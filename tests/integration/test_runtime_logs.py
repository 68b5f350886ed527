"""Logs on their way over a real bus, with the rights that the services have: part by part, for one reader, stored nowhere."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import nats.errors
import pytest

from nautes_domain.events import Subjects
from nautes_domain.failures import Rejected
from nautes_domain.run_logs import LogLine, LogQuery, LogRequest
from nautes_localstack.rights import nats_users
from nautes_runtime import logs, run_logs
from nautes_runtime.ending import cancelled
from nautes_runtime.run_logs import LogReader, LogServer
from support.nats import start_nats
from support.runtime import TENANT, connected, until

REQUEST = LogRequest(product="orchard", runtime="apple-ci", run="apple-ci-1", project_id=7)
SUBJECTS = Subjects(TENANT)


@pytest.fixture(scope="module")
def bus(tmp_path_factory):
    with start_nats(tmp_path_factory.mktemp("bus"), users=nats_users(TENANT)) as server:
        yield server


class Source:
    """Yields lines; remembers how many were taken, and whether it was let go."""

    def __init__(self, *texts, failure=None, endless=False):
        self.texts, self.failure, self.endless = texts, failure, endless
        self.asked, self.taken, self.left = [], 0, asyncio.Event()
        self.more = asyncio.Event()

    async def lines(self, request):
        self.asked.append(request)
        try:
            for text in self.texts:
                self.taken += 1
                yield LogLine(task="unit", step="one", text=text)
            while self.endless:
                await self.more.wait()
                self.taken += 1
                yield LogLine(task="unit", step="one", text="more")
            if self.failure:
                raise self.failure
        finally:
            self.left.set()


@asynccontextmanager
async def served(bus, source, **limits):
    async with connected(bus.url, user="reconciler") as (client, _):
        server = LogServer(client, SUBJECTS, source.lines, logs.configure("test", "INFO"), **limits)
        task = asyncio.create_task(server.run())
        await client.flush()
        try:
            yield server
        finally:
            await cancelled([task])


async def read(reader, request=REQUEST):
    async with aclosing(reader.read(request)) as parts:
        return [part async for part in parts]


async def test_a_log_arrives_whole_and_in_order_for_the_one_who_asked(bus):
    source = Source(*(f"line {number}" for number in range(500)))
    async with served(bus, source), connected(bus.url, user="api-server") as (client, _):
        query = LogQuery(follow=True, task="unit", tail=9)
        parts = await read(LogReader(client, SUBJECTS), REQUEST.model_copy(update={"query": query}))
    assert [line.text for part in parts for line in part.lines] == list(source.texts)
    assert [part.ended for part in parts] == [False] * (len(parts) - 1) + [True]
    assert source.asked == [REQUEST.model_copy(update={"query": query})]


async def test_a_failure_comes_after_what_was_read(bus):
    source = Source("one", failure=Rejected("its pods are gone", code="logs-gone", next_step="run it again"))
    async with served(bus, source), connected(bus.url, user="api-server") as (client, _):
        parts = await read(LogReader(client, SUBJECTS))
    assert [line.text for part in parts for line in part.lines] == ["one"]
    failure = parts[-1].failure
    assert (type(failure), failure.code, failure.next_step) == (Rejected, "logs-gone", "run it again")


async def test_a_slow_reader_is_waited_for(bus):
    source = Source(*["x" * 1000] * 5_000)
    async with served(bus, source) as server, connected(bus.url, user="api-server") as (client, _):
        async with aclosing(LogReader(client, SUBJECTS).read(REQUEST)) as parts:
            first = await anext(parts)
            await until(lambda: source.taken >= len(first.lines) + run_logs.AHEAD, "reading ahead")
            for _ in range(20):
                await asyncio.sleep(0)
            assert source.taken <= len(first.lines) + run_logs.AHEAD + 1
            assert server.readings == 1
            rest = [len(part.lines) async for part in parts]
        assert len(first.lines) + sum(rest) == 5_000


async def test_parts_are_small_enough_for_the_bus_whatever_the_lines_hold(bus):
    source = Source(*['\\"\t' * 2_700] * 400)
    async with served(bus, source), connected(bus.url, user="api-server") as (client, _):
        parts = await read(LogReader(client, SUBJECTS))
    assert sum(len(part.lines) for part in parts) == 400


async def test_whoever_leaves_is_read_for_no_longer(bus):
    source = Source("one", endless=True)
    async with served(bus, source) as server, connected(bus.url, user="api-server") as (client, _):
        async with aclosing(LogReader(client, SUBJECTS).read(REQUEST)) as parts:
            assert [line.text for line in (await anext(parts)).lines] == ["one"]
        async with asyncio.timeout(30):
            await source.left.wait()
        await until(lambda: not server.readings, "the reading is forgotten")


async def test_whoever_falls_silent_is_taken_for_gone(bus):
    source = Source("one", endless=True)
    async with served(bus, source, idle=0.05) as server, connected(bus.url, user="api-server") as (client, _):
        opened = await client.request(SUBJECTS.logs(), REQUEST.model_dump_json().encode(), timeout=10)
        async with asyncio.timeout(30):
            await source.left.wait()
        assert server.readings == 0
        stream = json.loads(opened.data)["stream"]
        late = await client.request(SUBJECTS.log_part(stream), b"", timeout=10)
        assert json.loads(late.data)["code"] == "logs-over"


async def test_who_waits_for_lines_hears_that_there_are_none_yet(bus):
    source = Source(endless=True)
    async with (
        served(bus, source, patience=0.02),
        connected(bus.url, user="api-server") as (client, _),
        aclosing(LogReader(client, SUBJECTS).read(REQUEST)) as parts,
    ):
        nothing = await anext(parts)
        assert (nothing.lines, nothing.ended) == ((), False)
        source.more.set()
        async for part in parts:
            if part.lines:
                break
        assert part.lines[0].text == "more"


async def test_one_of_two_replicas_answers_and_its_parts_come_from_it(bus):
    one, two = Source("a", "b"), Source("a", "b")
    async with served(bus, one), served(bus, two), connected(bus.url, user="api-server") as (client, _):
        reader = LogReader(client, SUBJECTS)
        for _ in range(8):
            parts = await read(reader)
            assert [line.text for part in parts for line in part.lines] == ["a", "b"]
    assert len(one.asked) + len(two.asked) == 8


async def test_no_more_readings_at_once_than_one_replica_bears(bus):
    source = Source("one", endless=True)
    async with served(bus, source, most=1), connected(bus.url, user="api-server") as (client, _):
        reader = LogReader(client, SUBJECTS)
        async with aclosing(reader.read(REQUEST)) as parts:
            await anext(parts)
            (refused,) = await read(reader)
            assert refused.failure.code == "logs-busy"


async def test_nobody_there_is_said_at_once(bus):
    async with connected(bus.url, user="api-server") as (client, _):
        with pytest.raises(Exception, match="no service that reaches clusters answers") as raised:
            await read(LogReader(client, SUBJECTS))
        assert raised.value.code == "logs-unavailable"


async def test_a_broken_source_shows_nobody_what_it_broke_on(bus, capsys):
    class Broken(Source):
        async def lines(self, request):
            self.asked.append(request)
            yield LogLine(task="unit", text="one")
            raise ValueError("hunter2")

    async with served(bus, Broken()), connected(bus.url, user="api-server") as (client, _):
        parts = await read(LogReader(client, SUBJECTS))
    assert parts[-1].code == "logs-broke"
    assert "hunter2" not in parts[-1].model_dump_json()
    assert "hunter2" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("service", ["webhook-gateway", "secret-broker", "cluster-registrar"])
async def test_no_other_service_asks_for_logs_answers_or_hears_them(bus, service):
    source = Source("secret")
    async with served(bus, source), connected(bus.url, user=service) as (other, _):
        with pytest.raises(nats.errors.TimeoutError):
            await other.request(SUBJECTS.logs(), REQUEST.model_dump_json().encode(), timeout=0.3)
        heard = []

        async def hear(message):
            heard.append(message)

        for subject in (SUBJECTS.logs(), SUBJECTS.log_part(">"), "_INBOX.>", "_INBOX.api-server.>"):
            await other.subscribe(subject, cb=hear)
        await other.flush()
        async with connected(bus.url, user="api-server") as (client, _):
            assert await read(LogReader(client, SUBJECTS))
        await other.flush()
        assert heard == []
    assert len(source.asked) == 1


async def test_the_answering_service_may_only_answer(bus):
    heard = []

    async def hear(message):
        heard.append(message.data)

    async with (
        connected(bus.url, user="api-server") as (client, _),
        connected(bus.url, user="reconciler") as (one, _),
    ):
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=hear)
        await client.flush()
        await one.publish(inbox, b"unasked")
        await one.flush()
        await client.flush()
    assert heard == []


async def test_nothing_of_it_is_stored(bus):
    source = Source("one", "two")
    async with connected(bus.url, user="operator") as (_, js):
        before = {info.config.name: info.state.messages for info in await js.streams_info()}
        async with served(bus, source), connected(bus.url, user="api-server") as (client, _):
            await read(LogReader(client, SUBJECTS))
        after = {info.config.name: info.state.messages for info in await js.streams_info()}
    assert after == before
