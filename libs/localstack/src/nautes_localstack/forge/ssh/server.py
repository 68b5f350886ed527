"""Git over SSH: deploy keys and their rights here, the protocol in git's own `upload-pack` and `receive-pack`.

The SSH protocol itself is asyncssh's. Whoever has no deploy key cannot log in; there is no shell, terminal or
forwarding. Sources: GitLab, "Deploy keys"; git-upload-pack(1), git-receive-pack(1); RFC 4252 to 4254.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import asyncssh

from nautes_localstack.forge.git.parsing import push_report
from nautes_localstack.forge.git.serving import Gate
from nautes_localstack.forge.hosting import Host
from nautes_localstack.forge.pushes import Push, Pushes
from nautes_localstack.forge.records import DeployKey, Project, User
from nautes_localstack.forge.rights import Level
from nautes_localstack.forge.ssh import commands
from nautes_localstack.forge.ssh.host_key import HostKey
from nautes_localstack.forge.ssh.transfer import WINDOW, Job, Reader, Streams, Writer, transfer

USER: Final = "git"
HIDDEN: Final = "The project you were looking for could not be found or you don't have permission to view it."
NO_SHELL: Final = "Git over SSH is all that there is here: no shell, and no other programs."
READ_ONLY: Final = "This deploy key does not have write access to this project."
ARCHIVED: Final = "You can't push to an archived project."


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is let in. Times in seconds."""

    connections: int = 64
    login: float = 20.0
    idle: float = 120.0
    """Without a byte in either direction; git itself sends some every five seconds while it thinks."""


class SshGit:
    """The listener, and the rights of those who come."""

    def __init__(
        self, host: Host, pushes: Pushes, environment: Mapping[str, str], limits: Limits | None = None
    ) -> None:
        self.host: Final = host
        self.limits: Final = limits or Limits()
        self._pushes = pushes
        self._environment = environment
        self._connections: set[Connection] = set()
        self._listener: asyncssh.SSHAcceptor | None = None

    async def start(self, address: str, port: int, key: HostKey) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._listener = await asyncssh.create_server(
            lambda: Connection(self),
            address,
            port,
            server_host_keys=[key.private],
            encoding=None,
            window=WINDOW,
            login_timeout=self.limits.login,
            public_key_auth=True,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            allow_pty=False,
            x11_forwarding=False,
            agent_forwarding=False,
            compression_algs=["none"],
        )

    async def stop(self, patience: float) -> None:
        """Let nobody in any more, and those who are at work finish within `patience` seconds."""
        if self._listener is None:
            return
        self._listener.close()
        tasks = [connection.work for connection in self._connections if connection.work]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    def admit(self, connection: "Connection") -> bool:
        """Count a connection; False when there are too many."""
        if len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: "Connection") -> None:
        """Count a connection no longer."""
        self._connections.discard(connection)

    async def serve(self, fingerprint: str, streams: Streams) -> int:
        """Do what was asked for; return the exit code. A refusal is said on the error stream."""
        channel = streams.stdin.channel
        command = None if channel.get_subsystem() else commands.parse(channel.get_command())
        if command is None:
            return _refuse(streams, NO_SHELL)
        project = self.host.project(command.project)
        key = self._key(fingerprint, project)
        if project is None or key is None:
            return _refuse(streams, HIDDEN)
        environment = {
            **self._environment,
            **commands.protocol(channel.get_environment().get("GIT_PROTOCOL")),
        }
        job = Job(command.service, self.host.repository(project).path, environment)
        if not command.write:
            return await transfer(await job.start(), streams)
        user = self._writer(key, project)
        if user is None:
            return _refuse(streams, READ_ONLY)
        if project.archived:
            return _refuse(streams, ARCHIVED)
        return await self._receive(job, streams, project, user)

    def _key(self, fingerprint: str, project: Project | None) -> DeployKey | None:
        if project is None:
            return None
        # Asked anew for each command: a key that was removed opens nothing, not even for those inside.
        return next((key for key in self.host.deploy_keys(fingerprint) if key.project_id == project.id), None)

    def _writer(self, key: DeployKey, project: Project) -> User | None:
        """Return as whom a key pushes: whoever added it, while they may push themselves."""
        user = self.host.store.users.get(key.creator_id)
        if not key.can_push or user is None or self.host.project_level(user, project) < Level.DEVELOPER:
            return None
        return user

    async def _receive(self, job: Job, streams: Streams, project: Project, user: User) -> int:
        """Serve a push. It ends only when it is noted, so that whoever pushed can rely on it."""
        with tempfile.NamedTemporaryFile(dir=self.host.scratch) as report, Gate() as gate:
            noted = {**gate.environment, "NAUTES_PUSH_REPORT": report.name}
            child = await job.start(noted, gate.inherited)
            transferring = asyncio.create_task(transfer(child, streams, to_the_end=True))
            await gate.asked()
            async with self.host.lock(project):
                gate.open()
                code = await transferring
                changes, options = push_report(report.read().decode(errors="replace"))
                await self._pushes.accept(Push(project.id, user, changes, options))
            return code


class Connection(asyncssh.SSHServer):
    """One client: who it is, its one command, and for how long it may be silent."""

    def __init__(self, server: SshGit) -> None:
        self.fingerprint = ""
        """Of the key that it logged in with."""
        self.work: asyncio.Task[None] | None = None
        self._server = server
        self._offered = ""
        self._asked = False
        self._connection: asyncssh.SSHServerConnection | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Let it in, unless there are too many."""
        self._connection = conn
        if self._server.admit(self):
            self.touch()
        else:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc
        self._server.forget(self)
        if self._idle:
            self._idle.cancel()

    def begin_auth(self, username: str) -> bool:
        """Everybody has to log in."""
        del username
        return True

    def public_key_auth_supported(self) -> bool:
        """Say that keys are all that is accepted."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Say whether a key opens anything at all; what it opens is judged by command."""
        self._offered = key.get_fingerprint("sha256")
        return username == USER and bool(self._server.host.deploy_keys(self._offered))

    def auth_completed(self) -> None:
        """Remember the key that was proven: the last one offered (asyncssh proves it in the same step)."""
        self.fingerprint = self._offered

    def session_requested(self) -> Callable[[Reader, Writer, Writer], Awaitable[None]] | bool:
        """Take one command per connection, as git asks; the bounds on connections then bound everything."""
        if self._asked:
            return False
        self._asked = True
        return self._session

    def touch(self) -> None:
        """Begin a new silence."""
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._server.limits.idle, self.abort)

    def abort(self) -> None:
        """End the connection at once."""
        if self._connection:
            self._connection.abort()

    async def _session(
        self,
        stdin: Reader,
        stdout: Writer,
        stderr: Writer,
    ) -> None:
        self.work = asyncio.current_task()
        code = await self._server.serve(self.fingerprint, Streams(stdin, stdout, stderr, self.touch))
        with contextlib.suppress(OSError):
            cast("asyncssh.SSHServerChannel[bytes]", stdin.channel).exit(code)


def _refuse(streams: Streams, why: str) -> int:
    streams.stderr.write(f"ERROR: {why}\n".encode())
    return 1
