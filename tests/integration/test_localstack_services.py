"""The whole platform on one machine: the services work with exactly the rights and settings that they are given."""

import pytest

from nautes_localstack.layout import SERVICES
from nautes_localstack.stack import Stack
from support.processes import wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("platform") / "state", "platform")
    stack.up(tenant="acme")
    yield stack
    stack.reset()


def test_every_service_is_ready(running):
    described = running.load()
    assert set(described.services) == set(SERVICES)
    assert running.status().healthy


def test_nobody_asks_the_bus_for_more_than_it_may(running):
    assert "Violation" not in running.layout.log("nats").read_text()


def test_a_killed_service_comes_back_ready(running):
    running.kill("reconciler")
    wait_until(lambda: running.load().parts["reconciler"].restarts == 1, what="the restart", timeout=20)
    assert running.wait_healthy().parts["reconciler"].restarts == 1


def test_no_secret_is_in_a_log_or_on_a_command_line(running):
    import psutil

    secrets = {
        file: file.read_bytes().strip() for file in running.layout.secrets.iterdir() if file.suffix != ".key"
    }
    said = b"".join(file.read_bytes() for file in running.layout.logs.iterdir())
    for part in running.load().parts.values():
        process = psutil.Process(part.pid)
        said += "\0".join((*process.cmdline(), *process.environ().values())).encode()
    assert len(said) > 1000
    assert [file.name for file, secret in secrets.items() if secret in said] == []
