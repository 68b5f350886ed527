"""The bus away, the gateway killed, both: no delivery that was answered 2xx is lost, and a project's order holds."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from support.gateway import (
    HOOK,
    Gateway,
    headers,
    push_body,
    running_gateway,
    stored,
    stored_ids,
    until,
    write_hook,
)
from support.nats import Nats, start_nats
from support.openbao import OpenBao, start_openbao

OTHER = "orchard.pear-api-src"


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with start_openbao(tmp_path_factory.mktemp("bao")) as server:
        write_hook(server)
        write_hook(server, OTHER, project_id=16)
        yield server


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Nats]:
    with start_nats(tmp_path, sync_always=True) as server:
        yield server


async def send(gateway: Gateway, count: int, hook: str = HOOK, project_id: int = 15) -> list[str]:
    """Send deliveries one after the other; return the ids of those that were accepted."""
    accepted = []
    async with httpx.AsyncClient(base_url=f"{gateway.base}/hooks/gitlab/", timeout=20) as client:
        for _ in range(count):
            key = str(uuid4())
            body = push_body(project_id=project_id)
            answer = await client.post(hook, content=body, headers=headers(key))
            if answer.status_code == 202:
                assert answer.json() == {"status": "stored", "id": key}
                accepted.append(key)
    return accepted


def drained(gateway: Gateway) -> None:
    until(lambda: not gateway.spooled, "the spool to be drained", gateway.log_file)


async def test_bus_killed_and_back(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    with running_gateway(tmp_path, bus.url, openbao) as gateway:
        before = await send(gateway, 3)
        bus.kill()
        during = await send(gateway, 10)
        other = await send(gateway, 2, OTHER, 16)
        assert (len(during), len(other)) == (10, 2)
        assert len(gateway.spooled) == 12
        bus.start()
        after = await send(gateway, 3)
        drained(gateway)
        found = await stored(bus.url)
    assert [one.id for one, _ in found if one.project_id == 15] == [*before, *during, *after]
    assert [one.id for one, _ in found if one.project_id == 16] == other


async def test_bus_that_hangs(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    """A server that takes connections and answers nothing: the acknowledgement's time-out decides."""
    assert bus.process is not None
    with running_gateway(tmp_path, bus.url, openbao) as gateway:
        before = await send(gateway, 1)
        bus.process.send_signal(19)  # SIGSTOP
        try:
            during = await send(gateway, 3)
        finally:
            bus.process.send_signal(18)  # SIGCONT
        drained(gateway)
        after = await send(gateway, 1)
        assert await stored_ids(bus.url) == [*before, *during, *after]


async def test_gateway_killed_with_a_full_spool(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    with running_gateway(tmp_path, bus.url, openbao) as gateway:
        bus.kill()
        first = await send(gateway, 5)
        gateway.kill()
        left = gateway.spooled
        assert len(left) == 5
        gateway.start(connected=False)
        second = await send(gateway, 2)
        assert gateway.spooled[:5] == left
        gateway.kill()
        bus.start()
        gateway.start()
        third = await send(gateway, 2)
        drained(gateway)
        assert await stored_ids(bus.url) == [*first, *second, *third]


async def test_gateway_killed_again_and_again(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    """Whatever was answered 2xx before a kill -9, of the gateway or the bus, is stored exactly once."""
    accepted: list[str] = []
    with running_gateway(tmp_path, bus.url, openbao) as gateway:
        for round_ in range(4):

            async def stream() -> None:
                async with httpx.AsyncClient(timeout=20) as client:
                    for _ in range(200):
                        key = str(uuid4())
                        try:
                            answer = await client.post(gateway.url, content=push_body(), headers=headers(key))
                        except httpx.TransportError:
                            return
                        assert answer.status_code == 202
                        accepted.append(key)

            sending = [asyncio.create_task(stream()) for _ in range(4)]
            enough = len(accepted) + 20
            await asyncio.to_thread(
                until, lambda enough=enough: len(accepted) >= enough, "deliveries to be accepted"
            )
            if round_ % 2:
                bus.kill()
            gateway.kill()
            await asyncio.gather(*sending)
            if round_ % 2:
                bus.start()
            gateway.start()
        drained(gateway)
        found = await stored_ids(bus.url)
    assert len(accepted) >= 80
    assert set(accepted) <= set(found)
    assert len(found) == len(set(found))


async def test_spool_full_is_503_and_ready_says_why(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    with running_gateway(tmp_path, bus.url, openbao, NAUTES_GATEWAY__SPOOL_DELIVERIES="3") as gateway:
        bus.kill()
        ready = f"http://127.0.0.1:{gateway.health_port}/readyz"
        async with httpx.AsyncClient(timeout=20) as client:
            answers = [
                await client.post(gateway.url, content=push_body(), headers=headers()) for _ in range(5)
            ]
            assert [answer.status_code for answer in answers] == [202, 202, 202, 503, 503]
            assert answers[-1].headers["retry-after"] == "5"
            unready = await client.get(ready)
            assert unready.status_code == 503
            assert "spool is full" in unready.text
            bus.start()
            drained(gateway)
            until(lambda: httpx.get(ready).status_code == 200, "readiness", gateway.log_file)
            assert len(await stored_ids(bus.url)) == 3
            assert (await client.post(gateway.url, content=push_body(), headers=headers())).status_code == 202


async def test_secret_store_away(tmp_path: Path, bus: Nats) -> None:
    """A hook that was known serves on; one that was not is told to come back, and nothing of it is kept."""
    with start_openbao(tmp_path) as openbao:
        write_hook(openbao)
        write_hook(openbao, OTHER, project_id=16)
        with running_gateway(tmp_path, bus.url, openbao) as gateway:
            known = await send(gateway, 1)
            openbao.kill()
            known += await send(gateway, 1)
            assert await send(gateway, 1, OTHER, 16) == []
            assert await stored_ids(bus.url) == known
            assert re.search(r'"outcome": "secrets-unavailable"', gateway.log)


async def test_a_whole_life_without_a_bus(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    bus.kill()
    with running_gateway(tmp_path, bus.url, openbao, connected=False) as gateway:
        accepted = await send(gateway, 3)
        assert gateway.stop() == 0
        assert len(gateway.spooled) == len(accepted) == 3
        assert "Traceback" not in gateway.log


def test_two_gateways_do_not_share_a_spool(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    with (
        running_gateway(tmp_path, bus.url, openbao),
        pytest.raises(RuntimeError, match="another process uses this spool"),
        running_gateway(tmp_path, bus.url, openbao),
    ):
        pass
