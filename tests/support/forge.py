"""A real forge for tests, in its own process, with the administrator's token."""

import base64
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nautes_localstack import ports
from support.processes import Process, Server, python_module, wait_until

ROOT_TOKEN = "glpat-root-token-of-the-tests"


@dataclass
class Forge(Server):
    """A running forge at `url`; `token` is that of user `root`."""

    url: str
    token: str = field(repr=False)
    process: Process
    ssh_port: int
    state: Path

    @property
    def known_hosts(self) -> Path:
        """File with the line by which SSH clients verify it."""
        return self.state / "ssh_known_hosts"

    def start(self) -> None:
        """Start (again, on the same port and state) and wait until it answers."""
        self.process.start(self._ready)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/readiness", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def start_forge(tmp_path: Path, *arguments: str) -> Forge:
    """Start a forge with its state in `tmp_path/forge`; further command line arguments may follow."""
    home = tmp_path / "forge"
    home.mkdir(parents=True, exist_ok=True)
    token_file = home / "root-token"
    token_file.write_text(ROOT_TOKEN + "\n")
    token_file.chmod(0o600)
    port, ssh_port = ports.choose(2)
    state = home / "state"
    command = python_module(
        "nautes_localstack.forge",
        *("--host", "127.0.0.1", "--port", str(port), "--ssh-port", str(ssh_port)),
        *("--state", str(state)),
        *("--root-token-file", str(token_file)),
        *arguments,
    )
    process = Process(command, home / "forge.log")
    forge = Forge(f"http://127.0.0.1:{port}", ROOT_TOKEN, process, ssh_port, state)
    forge.start()
    return forge


def git_environment(token: str, name: str = "Tester") -> dict[str, str]:
    """Return an environment for git with the token in a header, where no list of processes shows it."""
    basic = base64.b64encode(f"git:{token}".encode()).decode()
    person = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", name), ("EMAIL", f"{name.lower()}@example.org"))
    }
    return {
        "PATH": os.pathsep.join((str(Path(shutil.which("git") or "git").parent), os.defpath)),
        **person,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


@dataclass
class WorkingCopy:
    """A clone to commit in and to push from."""

    path: Path
    environment: Mapping[str, str] = field(repr=False)

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git here and return what it printed, errors too if it may fail; RuntimeError if it must not."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr}")
        return done.stdout.strip() if check else done.stdout + done.stderr

    def commit(self, files: Mapping[str, str | None], message: str = "change") -> str:
        """Write files by path, remove those that are None, commit all and return the commit's id."""
        for name, text in files.items():
            path = self.path / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def clone(url: str, path: Path, token: str, name: str = "Tester") -> WorkingCopy:
    """Clone a repository; an empty one starts on branch `main`."""
    environment = git_environment(token, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = WorkingCopy(path.parent, environment)
    copy.git("-c", "init.defaultBranch=main", "clone", "--quiet", url, str(path))
    return WorkingCopy(path, environment)


@dataclass(frozen=True)
class HookCall:
    """One call of a hook, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)


class HookReceiver:
    """An HTTP server that keeps what hooks send and answers with `status`, `delay` seconds later."""

    def __init__(self) -> None:
        self.calls: list[HookCall] = []
        self.status = 200
        self.delay = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.delay)
                receiver.calls.append(HookCall(self.path, dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self, count: int, timeout: float = 10) -> list[HookCall]:
        """Return the calls once there are at least `count`."""
        wait_until(lambda: len(self.calls) >= count, timeout=timeout, what=f"{count} hook calls")
        return list(self.calls)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
