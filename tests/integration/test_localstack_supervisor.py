"""The supervisor with small programs in place of servers: order, crashes, stopping."""

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest

from nautes_localstack import process
from nautes_localstack.parts import Part
from nautes_localstack.probes import Probe
from nautes_localstack.supervisor import StartError, Supervisor
from support.processes import free_port

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
SERVE = "import http.server; http.server.HTTPServer(('127.0.0.1', {port}), http.server.SimpleHTTPRequestHandler).serve_forever()"


def server(name, *, needs=(), before="", stop_after=5.0, python=sys.executable):
    port = free_port()
    return Part(
        name,
        (python, "-c", before + SERVE.format(port=port)),
        name,
        f"http://127.0.0.1:{port}",
        Probe(f"http://127.0.0.1:{port}/"),
        needs,
        stop_after=stop_after,
    )


def supervise(tmp_path, parts, steps=None):
    supervisor = Supervisor(
        parts, steps or {}, {}, logs=lambda name: tmp_path / f"{name}.log", hold=tmp_path / "hold"
    )
    supervisor.said = []
    supervisor.report = lambda it: supervisor.said.append((it.part, it.state))
    return supervisor


@asynccontextmanager
async def running(supervisor):
    stop, abandon = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop, abandon))
    try:
        await until(lambda: supervisor.ready or task.done())
        yield task, stop, abandon
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - processes signal nothing
            await asyncio.sleep(0.02)


async def test_a_part_starts_after_its_needs_and_stops_before_them(tmp_path):
    supervisor = supervise(tmp_path, [server("first"), server("second", needs=["first"])])
    async with running(supervisor):
        pass
    said = supervisor.said
    assert said.index(("first", "ready")) < said.index(("second", "starting"))
    assert said.index(("second", "stopped")) < said.index(("first", "stopped"))
    assert said.index(("second", "ready")) < said.index(("stack", "ready"))


async def test_a_crashed_part_comes_back(tmp_path):
    supervisor = supervise(tmp_path, [server("one")])
    async with running(supervisor):
        child = supervisor.children["one"]
        before = child.process.pid
        child.process.kill()
        await until(lambda: supervisor.said.count(("one", "ready")) == 2)
        assert child.process.pid != before
        assert child.restarts == 1


async def test_a_held_part_stays_down_until_released(tmp_path):
    supervisor = supervise(tmp_path, [server("one")])
    (tmp_path / "hold").mkdir()
    async with running(supervisor):
        (tmp_path / "hold" / "one").touch()
        supervisor.children["one"].process.kill()
        await until(lambda: ("one", "crashed") in supervisor.said)
        await asyncio.sleep(0.5)
        assert supervisor.said.count(("one", "starting")) == 1
        (tmp_path / "hold" / "one").unlink()
        await until(lambda: supervisor.said.count(("one", "ready")) == 2)


async def test_a_part_that_never_comes_up_ends_the_start_and_what_had_started(tmp_path):
    broken = Part(
        "broken", (sys.executable, "-c", "raise SystemExit(7)"), "", "", Probe("http://127.0.0.1:9/")
    )
    supervisor = supervise(tmp_path, [server("good"), broken])
    with pytest.raises(StartError, match=r"broken ends again and again \(exit code 7\)"):
        await supervisor.run(asyncio.Event(), asyncio.Event())
    good = supervisor.children["good"]
    assert good.process.returncode is not None
    assert ("stack", "ready") not in supervisor.said


async def test_a_program_that_is_not_there_ends_the_start(tmp_path):
    supervisor = supervise(tmp_path, [server("lost", python="/nowhere/python")])
    with pytest.raises(StartError, match="lost cannot be started"):
        await supervisor.run(asyncio.Event(), asyncio.Event())


async def test_a_failed_set_up_ends_the_start(tmp_path):
    async def refuse() -> None:
        raise ValueError("no")

    supervisor = supervise(tmp_path, [server("openbao")], {"openbao-setup": refuse})
    with pytest.raises(StartError, match="openbao-setup failed: no"):
        await supervisor.run(asyncio.Event(), asyncio.Event())


async def test_a_part_that_ignores_the_end_is_killed_after_its_grace(tmp_path):
    supervisor = supervise(tmp_path, [server("stubborn", before=STUBBORN, stop_after=0.3)])
    async with running(supervisor):
        pass
    assert supervisor.children["stubborn"].process.returncode == -9


async def test_a_second_signal_does_not_wait_for_the_grace(tmp_path):
    supervisor = supervise(tmp_path, [server("stubborn", before=STUBBORN, stop_after=3600)])
    async with running(supervisor) as (task, stop, abandon):
        stop.set()
        abandon.set()
        await asyncio.wait_for(asyncio.shield(task), 10)
    assert supervisor.children["stubborn"].process.returncode == -9


async def test_children_of_a_part_end_with_it(tmp_path):
    child = (
        "import subprocess,sys; it = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(it.pid)); "
    )
    supervisor = supervise(tmp_path, [server("parent", before=child)])
    async with running(supervisor):
        pid = int((tmp_path / "pid").read_text())
        since = process.created(pid)
        assert process.is_same(pid, since)
    await until(lambda: not process.is_same(pid, since))
