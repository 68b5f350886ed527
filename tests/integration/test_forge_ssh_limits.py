"""What the forge's SSH side bears: too many, too silent, too slow, and those at work while it stops."""

import asyncio
from contextlib import asynccontextmanager

import asyncssh
import pytest

from nautes_localstack import ports
from nautes_localstack.forge.git import serving
from nautes_localstack.forge.hooks.delivery import Deliveries
from nautes_localstack.forge.hosting import Host, utc_now
from nautes_localstack.forge.lanes import Lanes
from nautes_localstack.forge.merge_requests import MergeRequests
from nautes_localstack.forge.pushes import Pushes
from nautes_localstack.forge.records import DeployKey, Group, Project
from nautes_localstack.forge.ssh import Limits, SshGit, kept_key

FETCH = "git-upload-pack 'acme/apples.git'"
PUSH = "git-receive-pack 'acme/apples.git'"
FLUSH = b"0000"


class Serving:
    """A forge's SSH side in this process, with one project and one key that may push to it."""

    def __init__(self, host, ssh, port, project, key):
        self.host = host
        self.ssh = ssh
        self.port = port
        self.project = project
        self.key = key

    def connect(self):
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            username="git",
            client_keys=[self.key],
            known_hosts=(self.host.scratch.parent / "ssh_known_hosts").read_bytes(),
            config=None,
            agent_path=None,
        )


def populate(host, key):
    now = utc_now()
    host.admit_root("token")
    root = host.store.users.first(lambda user: user.is_admin)
    host.store.groups.put(Group(id=1, name="Acme", path="acme", full_path="acme", created_at=now))
    project = host.store.projects.put(
        Project(
            id=7, group_id=1, name="apples", path="apples", full_path="acme/apples",
            creator_id=root.id, created_at=now, last_activity_at=now,
        )
    )  # fmt: skip
    host.store.deploy_keys.put(
        DeployKey(
            id=1, project_id=7, title="k", key="", fingerprint="", can_push=True, creator_id=root.id,
            fingerprint_sha256=key.get_fingerprint("sha256"), created_at=now,
        )
    )  # fmt: skip
    return project


@pytest.fixture
def serve(tmp_path):
    @asynccontextmanager
    async def started(**limits):
        (port,) = ports.choose(1)
        host = Host(tmp_path, f"http://127.0.0.1:{port}", ssh_port=port)
        key = asyncssh.generate_private_key("ssh-ed25519")
        project = populate(host, key)
        await host.mend()
        lanes = Lanes()
        deliveries = Deliveries(host, lanes)
        pushes = Pushes(host, lanes, deliveries, MergeRequests(host, lanes, deliveries))
        ssh = SshGit(host, pushes, serving.environment(host.scratch), Limits(**limits))
        host_key = kept_key(tmp_path)
        await ssh.start("127.0.0.1", port, host_key)
        host_key.publish(tmp_path, "127.0.0.1", port)
        try:
            yield Serving(host, ssh, port, project, key)
        finally:
            await ssh.stop(1)
            await deliveries.close()
            host.close()

    return started


async def test_one_too_many_is_turned_away_and_there_is_room_again(serve):
    async with serve(connections=1) as place:
        async with place.connect():
            with pytest.raises((OSError, asyncssh.Error)):
                await place.connect()
        while True:
            try:
                async with place.connect() as connection:
                    done = await connection.run(FETCH, input=FLUSH, encoding=None)
            except (OSError, asyncssh.Error):
                continue  # the one before is still being seen off
            assert done.exit_status == 0
            break


async def test_whoever_says_nothing_is_seen_off_before_and_after_logging_in(serve):
    async with serve(idle=0.3, login=0.3) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        assert (await reader.read()).startswith(b"SSH-2.0-")
        writer.close()
        async with place.connect() as connection:
            await connection.wait_closed()
        async with place.connect() as connection:
            process = await connection.create_process(FETCH, encoding=None)
            await process.wait_closed()
            assert process.exit_status != 0


async def test_a_connection_has_one_command(serve):
    async with serve() as place, place.connect() as connection:
        assert (await connection.run(FETCH, input=FLUSH, encoding=None)).exit_status == 0
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.run(FETCH)


async def test_forwarding_of_every_kind_is_refused(serve):
    async with serve() as place, place.connect() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", place.port)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.start_server(lambda *_: None, "127.0.0.1", 0)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_unix_connection("/var/run/docker.sock")


async def test_a_variable_of_the_client_reaches_git_only_if_it_is_the_protocols_version(serve):
    async with serve() as place, place.connect() as connection:
        environment = {"GIT_PROTOCOL": "version=2", "GIT_DIR": "/", "GIT_TRACE": "2", "LD_PRELOAD": "x"}
        done = await connection.run(FETCH, input=FLUSH, env=environment, encoding=None)
        assert done.stdout.startswith(b"000eversion 2\n")
        assert (done.exit_status, done.stderr) == (0, b"")


async def test_a_slow_push_keeps_nobody_from_pushing(serve):
    """The repository is locked only when the whole pack is there."""
    async with serve() as place, place.connect() as connection:
        process = await connection.create_process(PUSH, encoding=None)
        assert await process.stdout.read(4)
        process.stdin.write(b"00")
        async with asyncio.timeout(60), place.host.lock(place.project):
            assert not process.is_closing()


async def test_those_at_work_are_ended_when_it_stops_and_their_git_with_them(serve):
    async with serve() as place, place.connect() as connection:
        process = await connection.create_process(PUSH, encoding=None)
        assert await process.stdout.read(4)
        await place.ssh.stop(0.01)
        await connection.wait_closed()
        assert not list(place.host.scratch.glob("tmp*"))
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", place.port)
