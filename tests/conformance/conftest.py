"""Which server the suite runs against: the local Kubernetes API, or any other that is named.

    pytest tests/conformance --kube-url https://… --kube-token-file FILE --kube-ca FILE
    NAUTES_CONFORMANCE_URL=https://…  NAUTES_CONFORMANCE_TOKEN=…  NAUTES_CONFORMANCE_CA=FILE  pytest tests/conformance

The options are known only where this directory is on the command line; the environment works anywhere.
The token must be an administrator's (group `system:masters`, user `admin`).
"""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conformance.cluster import Cluster
from conformance.coverage import NOT_LIKE_THE_LOCAL_API, ONLY_IN_PART
from support.kubernetes import start_kubernetes
from support.recordings import Replay, rows_of
from support.shared import shared_data

RECORDINGS = "kube-golden-v1.36.2.jsonl"
COUNTED = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class Server:
    """A Kubernetes API under test."""

    url: str
    token: str = field(repr=False)
    ca: str = field(repr=False)
    local: bool


def pytest_addoption(parser):
    """Declare how to name another server."""
    group = parser.getgroup("conformance", "conformance of a Kubernetes API")
    group.addoption("--kube-url", help="address of the server")
    group.addoption("--kube-token-file", help="file with an administrator's token")
    group.addoption("--kube-ca", help="file with the server's authority")


def _named(config):
    """Return address, token and authority of another server, or nothing."""

    def option(name):
        return config.getoption(f"--kube-{name}", default=None)

    environment = os.environ  # noqa: TID251 - the suite's own switch
    url = option("url") or environment.get("NAUTES_CONFORMANCE_URL")
    if not url:
        return None
    file = option("token-file")
    token = Path(file).read_text().strip() if file else environment["NAUTES_CONFORMANCE_TOKEN"]
    return url.rstrip("/"), token, Path(option("ca") or environment["NAUTES_CONFORMANCE_CA"]).read_text()


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    """The server under test."""
    if named := _named(request.config):
        yield Server(*named, local=False)
        return
    with start_kubernetes(tmp_path_factory.mktemp("conformance"), "conformance") as running:
        yield Server(running.url, running.token, running.ca_file.read_text(), local=not running.is_real)


@pytest.fixture(scope="session")
def cluster(server):
    """The server under test, as its administrator."""
    with Cluster(server.url, server.token, server.ca, is_local=server.local) as ours:
        yield ours


@pytest.fixture
def namespace(cluster):
    """A new namespace with its account and authority; gone afterwards."""
    name = f"conf-{secrets.token_hex(4)}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    for made in (
        "serviceaccounts/default",
        "configmaps/kube-root-ca.crt",
    ):  # by controllers, in their own time
        cluster.eventually(f"/api/v1/namespaces/{name}/{made}", lambda answer: answer.status_code == 200)
    yield name
    cluster.http.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def replay(server, request):
    """All recordings, replayed once."""
    data = shared_data()
    if data is None:
        pytest.skip("the recordings of a real server are not here (NAUTES_SHARED_DATA names their folder)")
    replayed = Replay(server.url, server.token, server.ca, rows_of(data / RECORDINGS, server.url))
    replayed.run()
    request.config.stash[COUNTED] = _summary(server, replayed)
    return replayed


def _summary(server, replayed):
    checks = {number: replayed.rows[number].check for number in replayed.outcomes}
    agree = [number for number, differences in replayed.outcomes.items() if not differences]
    known = NOT_LIKE_THE_LOCAL_API if server.local else {}
    gaps = [number for number in replayed.outcomes if number not in agree and number in known]
    wrong = [number for number in replayed.outcomes if number not in agree and number not in known]
    words = f"{len(agree)} of {len(checks)} recorded exchanges agree, {len(gaps)} not covered, {len(wrong)} differ"
    partly = [number for number in agree if number in ONLY_IN_PART]
    return [
        f"{words} ({server.url})",
        *(f"  not covered: #{number} {checks[number]}: {known[number]}" for number in gaps),
        *(f"  differs: #{number} {checks[number]}" for number in wrong),
        *(f"  in part: #{number} {checks[number]}: {ONLY_IN_PART[number]}" for number in partly),
    ]


def pytest_terminal_summary(terminalreporter, config):
    """Say how many recordings agree, and which do not."""
    for line in config.stash.get(COUNTED, []):
        terminalreporter.write_line(line)
