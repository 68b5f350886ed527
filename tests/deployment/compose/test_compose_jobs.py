"""What the jobs of the Compose stack write: each container's own secrets, and nothing of anybody else's."""

import base64
import json
from datetime import UTC, datetime

import pytest
import yaml

from nautes_cli.compose import full, installing
from nautes_cli.compose.addresses import CONSUMERS, handout, named
from nautes_cli.compose.preparing import texts
from nautes_localstack import running
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.layout import CLUSTERS, SERVICES, Layout

CHOSEN = named("acme")
AUTHORITY = base64.b64encode(b"pem").decode()


@pytest.fixture
def layout(tmp_path):
    found = Layout(tmp_path)
    found.prepare()
    return found


def test_everybody_is_handed_something(layout):
    assert {consumer for consumer, _, _ in texts(layout, CHOSEN)} == set(CONSUMERS)


def test_doing_it_again_changes_nothing(layout):
    assert list(texts(layout, CHOSEN)) == list(texts(layout, CHOSEN))


def test_a_service_gets_its_own_secrets_only(layout):
    written = list(texts(layout, CHOSEN))
    secrets = {path.read_text().strip(): path.name for path in layout.secrets.iterdir()}
    for service in SERVICES:
        own = "".join(content for consumer, _, content in written if consumer == service)
        seen = {name for value, name in secrets.items() if value in own}
        assert seen == {f"nats-{service}", f"vault-{service}"}


def test_the_bus_has_an_account_of_the_tenant(layout):
    document = json.loads(next(text for who, _, text in texts(layout, CHOSEN) if who == "nats"))
    account = document["accounts"]["acme"]
    assert account["jetstream"] == "enabled"
    assert {user["user"] for user in account["users"]} == {*SERVICES, "operator"}
    assert "authorization" not in document


def test_nothing_is_handed_to_strangers():
    with pytest.raises(ValueError, match="nobody"):
        handout("nobody", "token")


def test_addresses_are_names_and_follow_the_code_host():
    assert CHOSEN.url("nats", "nats") == "nats://nats:4222"
    assert CHOSEN.url("nats-monitor") == "http://nats:8222"
    assert CHOSEN.url("reconciler-health") == "http://reconciler:8081"
    assert [named("acme", host).url("forge") for host in ("forge", "gitlab")] == [
        "http://forge:8929",
        "http://gitlab:8929",
    ]


def test_argo_cd_verifies_gitlab_by_its_own_key():
    assert full.known_host("ssh-ed25519 AAAA root@gitlab\n") == "gitlab ssh-ed25519 AAAA\n"


def test_the_stack_is_described_for_the_demo_without_processes_of_ours(layout):
    described = running.describe(layout, CHOSEN, "compose", datetime.now(UTC), None)
    assert described.ready
    assert described.parts == {}
    assert (described.gitlab_url, described.api_url) == ("http://forge:8929", "http://api-server:8080")
    assert {one.url for one in described.clusters.values()} == {
        f"https://kubernetes-{cluster}.internal:6443" for cluster in CLUSTERS
    }


def test_a_kubeconfig_of_k3s_keeps_the_authority_and_nothing_else(tmp_path):
    own = {
        "clusters": [
            {"cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": AUTHORITY}}
        ],
        "users": [{"user": {"client-key-data": "private"}}],
    }
    text = full.kubeconfig("run-east", yaml.safe_dump(own), "t0ken")
    (tmp_path / "k").write_text(text)
    access = ClusterAccess.read(tmp_path / "k")
    assert (access.server, access.ca, access.token) == ("https://k3s-run-east.internal:6443", "pem", "t0ken")
    assert "private" not in text


def test_pods_are_told_where_containers_are():
    told = full.names_for_pods({"gitlab": "10.0.0.2", "k3s-run-east": "10.0.0.3"})
    assert told["data"]["containers.server"] == (
        "gitlab:53 k3s-run-east:53 {\n  errors\n  hosts {\n"
        "    10.0.0.2 gitlab\n    10.0.0.3 k3s-run-east\n  }\n}\n"
    )
    assert {"gitlab", *(f"k3s-{cluster}.internal" for cluster in CLUSTERS)} == set(full.outside())


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [
        ({}, False),
        ({"observedGeneration": 2, "readyReplicas": 2}, True),
        ({"observedGeneration": 1, "readyReplicas": 2}, False),
        ({"observedGeneration": 2, "readyReplicas": 1}, False),
    ],
)
def test_a_workload_is_ready_when_all_of_what_was_asked_for_last_runs(status, is_ready):
    workload = {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}
    assert installing.ready(workload) is is_ready
