"""The servers as the tests start them keep what the configuration promises."""

import socket

import hvac
import nats
import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import StreamConfig

from support.nats import NatsUser, start_nats
from support.openbao import start_openbao


async def test_a_killed_nats_server_comes_back_with_its_messages(tmp_path):
    with start_nats(tmp_path) as server:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(StreamConfig(name="S", subjects=["s"]))
        await client.jetstream().publish("s", b"kept")
        await client.close()

        server.kill()
        server.start()

        client = await nats.connect(server.url)
        assert (await client.jetstream().get_msg("S", 1)).data == b"kept"
        await client.close()


async def test_a_user_publishes_only_where_it_may(tmp_path):
    users = [NatsUser("writer", ("a", "_INBOX.>"), ("_INBOX.>",)), NatsUser("reader", (), ("a", "b"))]
    with start_nats(tmp_path, users=users) as server:
        refusals: list[str] = []

        async def refused(error: Exception) -> None:
            refusals.append(str(error))

        reader = await nats.connect(server.url, user="reader", password="reader")
        inbox = await reader.subscribe("a")
        other = await reader.subscribe("b")
        await reader.flush()
        writer = await nats.connect(server.url, user="writer", password="writer", error_cb=refused)
        await writer.publish("b", b"forbidden")
        await writer.publish("a", b"allowed")
        await writer.flush()

        assert (await inbox.next_msg(5)).data == b"allowed"
        with pytest.raises((NatsTimeoutError, NoRespondersError)):
            await other.next_msg(0.01)
        assert any("ermissions violation" in refusal for refusal in refusals)
        await writer.close()
        await reader.close()


def test_a_wrong_password_is_refused(tmp_path):
    with start_nats(tmp_path, users=[NatsUser("writer")]) as server:
        host, port = server.url.removeprefix("nats://").split(":")
        with socket.create_connection((host, int(port)), 5) as client:
            client.sendall(b'CONNECT {"user":"writer","pass":"guess"}\r\nPING\r\n')
            said = b""
            while chunk := client.recv(4096):
                said += chunk
        assert b"Authorization Violation" in said
        assert b"PONG" not in said


@pytest.mark.parametrize("persistent", [False, True])
def test_openbao_has_its_mounts_and_opens_itself(tmp_path, persistent):
    with start_openbao(tmp_path, persistent=persistent) as server:
        client = hvac.Client(server.address, token=server.root_token)
        for mount in ("git", "hook", "cluster"):
            client.secrets.kv.v2.create_or_update_secret("p", {"v": mount}, mount_point=mount)
        assert "approle/" in client.sys.list_auth_methods()["data"]
        if persistent:
            server.kill()
            server.start()
        answer = client.secrets.kv.v2.read_secret_version(
            "p", mount_point="hook", raise_on_deleted_version=True
        )
        assert answer["data"]["data"] == {"v": "hook"}
        client.adapter.close()
