"""Which server the suite runs against: the local Kubernetes API, or any other by environment.

    NAUTES_CONFORMANCE_URL=https://…  NAUTES_CONFORMANCE_TOKEN=…  NAUTES_CONFORMANCE_CA=file.pem  pytest tests/conformance

The token must be an administrator's (group `system:masters`, user `admin`).
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.kubernetes import start_kubernetes
from support.recordings import Replay, rows_of
from support.shared import shared_data

RECORDINGS = "kube-golden-v1.36.2.jsonl"
COUNTED = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class Server:
    """A Kubernetes API under test."""

    url: str
    token: str
    ca: str
    local: bool


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server under test."""
    url = os.environ.get("NAUTES_CONFORMANCE_URL")  # noqa: TID251 - the suite's own switch
    if url:
        token = os.environ["NAUTES_CONFORMANCE_TOKEN"]  # noqa: TID251
        ca = Path(os.environ["NAUTES_CONFORMANCE_CA"]).read_text()  # noqa: TID251
        yield Server(url.rstrip("/"), token, ca, local=False)
        return
    with start_kubernetes(tmp_path_factory.mktemp("conformance"), "conformance") as running:
        yield Server(running.url, running.token, running.ca_file.read_text(), local=True)


@pytest.fixture(scope="session")
def replay(server, request):
    """All recordings, replayed once."""
    data = shared_data()
    if data is None:
        pytest.skip("the recordings of a real server are not here (NAUTES_SHARED_DATA names their folder)")
    replayed = Replay(server.url, server.token, server.ca, rows_of(data / RECORDINGS, server.url))
    replayed.run()
    agree = sum(1 for differences in replayed.outcomes.values() if not differences)
    words = f"{agree} of {len(replayed.outcomes)} recorded exchanges agree with {server.url}"
    request.config.stash[COUNTED] = [
        words,
        *(
            f"  differs: {number} {replayed.rows[number].check}"
            for number, found in replayed.outcomes.items()
            if found
        ),
    ]
    return replayed


def pytest_terminal_summary(terminalreporter, config):
    """Say how many recordings agree, and which do not."""
    for line in config.stash.get(COUNTED, []):
        terminalreporter.write_line(line)
