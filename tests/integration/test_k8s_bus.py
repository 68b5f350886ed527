"""The bus as it is configured for a cluster, with real servers: three copies, TLS first, the services' rights."""

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest

from nautes_domain.effects import Cause
from nautes_domain.events import Fact
from nautes_domain.failures import Rejected, Retry
from nautes_runtime.bus import UNAVAILABLE
from nautes_runtime.messaging import connect, trust
from nautes_runtime.settings import NatsSettings
from nautes_runtime.streams import stream_configs
from support.k8s_bus import bus
from support.runtime import TENANT, running, until


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    with bus(tmp_path_factory.mktemp("production"), "production") as servers:
        yield servers


def fact(name):
    return Fact(
        kind="thing", verb="tested", scope="tenant", name=name, by="reconciler", cause=Cause(delivery=name)
    )


async def answered(ask):
    """Return the answer; streams that a dead server led elect another leader first."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Retry, *UNAVAILABLE):
                return await ask()
            await asyncio.sleep(0.05)


async def nothing(_context):
    """A service that only has what the runtime brings along."""


async def test_streams_are_kept_three_times_and_outlive_a_server(tmp_path):
    with bus(tmp_path, "production") as servers:
        async with running(servers.settings("reconciler"), nothing, name="reconciler") as service:
            js = service.context.js
            for config in stream_configs(TENANT):
                info = await js.stream_info(config.name)
                assert info.config.num_replicas == 3
                assert len(info.cluster.replicas) == 2
            assert await service.context.bus.state(fact("before"))
            servers.members[2].process.kill()

            await answered(lambda: service.context.bus.state(fact("after")))
            assert (await answered(lambda: js.stream_info("FACTS"))).state.messages == 2


async def test_keda_finds_the_consumers_of_each_service(production):
    async def listens(context):
        async def handler(_):
            pass

        context.subscribe("FACTS", "reconciler-facts", context.subjects.fact(), handler, model=Fact)

    async with running(production.settings("reconciler"), listens, name="reconciler"):
        one = production.members[0]
        # KEDA, scaler "nats-jetstream": account by name, the leader by the name of its pod, no advertised addresses.
        seen = one.asked("/jsz?acc=$G&consumers=true&config=true")
        streams = {stream["name"]: stream for stream in seen["account_details"][0]["stream_detail"]}
        (consumer,) = (
            found for found in streams["FACTS"]["consumer_detail"] if found["name"] == "reconciler-facts"
        )
        assert consumer["cluster"]["leader"] in {member.name for member in production.members}
        server = one.asked("/varz")
        assert "connect_urls" not in server
        assert len(server["cluster"]["urls"]) == 3
        assert server["server_name"] == "nats-0"


@pytest.mark.parametrize("probe", ["", "?js-enabled-only=true", "?js-server-only=true"])
def test_the_probes_of_the_pods_are_answered(production, probe):
    assert [member.asked(f"/healthz{probe}")["status"] for member in production.members] == ["ok"] * 3


async def test_a_client_without_tls_is_told_nothing(production):
    reader, writer = await asyncio.open_connection("127.0.0.1", production.members[0].client)
    writer.write(b'CONNECT {"user":"reconciler"}\r\nPING\r\n')
    # The server ends what is no handshake; it would otherwise begin with INFO.
    assert b"INFO" not in await reader.read()
    writer.close()


def test_the_certificate_of_the_server_is_checked(production):
    settings = production.settings("reconciler")
    address = ("127.0.0.1", production.members[0].client)
    with socket.create_connection(address) as plain, pytest.raises(ssl.SSLCertVerificationError):
        trust(None).wrap_socket(plain, server_hostname="127.0.0.1")
    with socket.create_connection(address) as plain:
        trust(settings.ca_file).wrap_socket(plain, server_hostname="127.0.0.1").close()


async def test_a_service_that_is_told_of_tls_says_no_password_in_the_clear(tmp_path):
    said = []

    async def plain(reader, writer):
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"headers":true}\r\n')
        said.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    (tmp_path / "password").write_text("canary-password")
    port = server.sockets[0].getsockname()[1]
    settings = NatsSettings(
        url=f"tls://127.0.0.1:{port}", user="reconciler", password_file=tmp_path / "password"
    )
    connecting = asyncio.create_task(connect(settings).connect())
    await until(lambda: said, "something is said")
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    server.close()
    # The first bytes are those of a TLS handshake (RFC 8446, 5.1).
    assert said[0][:1] == b"\x16"
    assert not any(b"canary" in words for words in said)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_refused_in_words(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)
    with pytest.raises(Rejected) as refused:
        connect(NatsSettings(ca_file=tmp_path / "ca.crt"))
    assert refused.value.code == "ca-file"


async def test_on_one_machine_the_bus_is_one_server(tmp_path):
    with bus(tmp_path, "dev") as servers:
        async with running(servers.settings("reconciler"), nothing, name="reconciler") as service:
            assert await service.context.bus.state(fact("here"))
            assert (await service.context.js.stream_info("FACTS")).config.num_replicas == 1
