"""The laptop's servers as one stack: started, broken, killed, stopped, started again."""

import json
import os
import signal
import socket
import subprocess
import sys

import httpx
import hvac
import nats
import pytest
from typer.testing import CliRunner

from nautes_cli.__main__ import app
from nautes_localstack import lock, process
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.layout import CLUSTERS
from nautes_localstack.stack import NotRunningError, Stack, StackError, load
from support.processes import free_port, wait_until

INFRASTRUCTURE = {"nats", "openbao", "forge", *(f"kubernetes-{name}" for name in CLUSTERS)}

run = CliRunner()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("stack") / "state", "test")
    stack.up(services=False, tenant="acme")
    yield stack
    stack.reset()


def vault(described, role):
    client = hvac.Client(described.vault_address)
    client.auth.approle.login(f"nautes-{role}", described.vault_secret_ids[role].read_text().strip())
    return client


def alive(described):
    return [name for name, part in described.parts.items() if process.is_same(part.pid, part.created)]


def test_every_part_works_and_is_described(running):
    described = load(running.layout.root)
    assert set(described.parts) == INFRASTRUCTURE
    assert described.ready
    assert not described.services
    found = running.status()
    assert found.healthy
    assert all(part.rss > 1024**2 and part.running for part in found.parts)


def test_the_description_holds_no_secret(running):
    text = running.layout.description.read_text()
    for file in running.layout.secrets.iterdir():
        assert file.read_text("latin-1").strip() not in text, file.name


def test_a_second_start_is_refused(running):
    before = alive(running.load())
    with pytest.raises(StackError, match="running already"):
        running.up(services=False)
    assert alive(running.load()) == before


def test_kubeconfigs_wait_for_the_registrar_and_nobody_else_reads_them(running):
    described = running.load()
    registrar = vault(described, "cluster-registrar")
    for name, cluster in described.clusters.items():
        path = f"kubernetes/{name}/default/admin"
        kept = registrar.secrets.kv.v2.read_secret_version(
            path, mount_point="cluster", raise_on_deleted_version=True
        )
        assert kept["data"]["data"] == {"kubeconfig": cluster.kubeconfig.read_text()}
        assert ClusterAccess.read(cluster.kubeconfig).ca.startswith("-----BEGIN")
        for role in ("reconciler", "webhook-gateway", "api-server"):
            with pytest.raises(hvac.exceptions.Forbidden):
                vault(described, role).secrets.kv.v2.read_secret_version(
                    path, mount_point="cluster", raise_on_deleted_version=True
                )


def test_the_broker_writes_what_the_others_read(running):
    described = running.load()
    broker, gateway = vault(described, "secret-broker"), vault(described, "webhook-gateway")
    broker.secrets.kv.v2.create_or_update_secret("gitlab/a.b", {"token": "t"}, mount_point="hook")
    kept = gateway.secrets.kv.v2.read_secret_version(
        "gitlab/a.b", mount_point="hook", raise_on_deleted_version=True
    )
    assert kept["data"]["data"] == {"token": "t"}
    with pytest.raises(hvac.exceptions.Forbidden):
        gateway.secrets.kv.v2.create_or_update_secret("gitlab/a.b", {"token": "u"}, mount_point="hook")


def test_the_reconciler_reads_the_keys_that_only_read_and_no_others(running):
    described = running.load()
    broker, reconciler = vault(described, "secret-broker"), vault(described, "reconciler")
    kept = {"raise_on_deleted_version": True, "mount_point": "git"}
    folder = "gitlab/repo-7/default"
    other = [f"{folder}/readwrite", f"{folder}/readonly/x", "gitlab/repo-7/other/readonly", "gitlab/readonly"]
    for path in (f"{folder}/readonly", *other):
        broker.secrets.kv.v2.create_or_update_secret(path, {"deploykey": "k"}, mount_point="git")
    found = reconciler.secrets.kv.v2.read_secret_version(f"{folder}/readonly", **kept)
    assert found["data"]["data"] == {"deploykey": "k"}
    for path in other:
        with pytest.raises(hvac.exceptions.Forbidden):
            reconciler.secrets.kv.v2.read_secret_version(path, **kept)
    with pytest.raises(hvac.exceptions.Forbidden):
        reconciler.secrets.kv.v2.create_or_update_secret(
            f"{folder}/readonly", {"deploykey": "x"}, mount_point="git"
        )
    with pytest.raises(hvac.exceptions.Forbidden):
        reconciler.secrets.kv.v2.list_secrets("gitlab", mount_point="git")


def test_the_code_host_is_known_to_ssh_clients(running):
    described = running.load()
    port = described.gitlab_ssh_url.rpartition(":")[2]
    assert described.gitlab_known_hosts.read_text().startswith(f"[127.0.0.1]:{port} ssh-ed25519 ")


def test_argo_cd_is_told_how_to_know_the_code_host_again(running):
    access = ClusterAccess.read(running.layout.kubeconfig("management"))
    url = f"{access.server}/api/v1/namespaces/argocd/configmaps/argocd-ssh-known-hosts-cm"
    headers = {"Authorization": f"Bearer {access.token}"}
    found = httpx.get(url, headers=headers, verify=access.trust()).raise_for_status().json()
    assert found["data"]["ssh_known_hosts"] == load(running.layout.root).gitlab_known_hosts.read_text()


def test_the_broker_grants_to_runtimes_but_not_to_services(running):
    broker = vault(running.load(), "secret-broker")
    broker.sys.enable_auth_method("kubernetes", path="run-east")
    assert "run-east/" in broker.sys.list_auth_methods()["data"]
    broker.sys.create_or_update_acl_policy("nautes.orchard.pipeline.apple-ci", json.dumps({"path": {}}))
    with pytest.raises(hvac.exceptions.Forbidden):
        broker.sys.create_or_update_acl_policy("webhook-gateway", json.dumps({"path": {"*": {}}}))
    with pytest.raises(hvac.exceptions.Forbidden):
        broker.auth.approle.generate_secret_id("operator")
    with pytest.raises(hvac.exceptions.Forbidden):
        broker.auth.token.create(policies=["operator"])
    broker.sys.disable_auth_method("run-east")


def test_users_of_the_code_host_have_the_rights_that_are_meant(running):
    described = running.load()
    for user, admin in (("dev", True), ("nautes-reconciler", True), ("nautes-api-server", False)):
        token = described.tokens[user].read_text().strip()
        answer = httpx.get(f"{described.gitlab_url}/api/v4/user", headers={"PRIVATE-TOKEN": token})
        assert answer.json()["username"] == user
        assert answer.json().get("is_admin", False) is admin


async def test_the_bus_knows_its_users(running):
    described = running.load()
    password = described.nats_passwords["operator"].read_text().strip()
    client = await nats.connect(described.nats_url, user="operator", password=password)
    assert (await client.jetstream().account_info()).streams >= 0
    await client.close()


@pytest.mark.parametrize("part", ["nats", "openbao", "forge", "kubernetes-run-east"])
def test_a_killed_part_comes_back_with_its_address(running, part):
    before = running.load().parts[part]
    running.kill(part)
    wait_until(lambda: running.load().parts[part].restarts > before.restarts, what="the restart", timeout=20)
    after = running.wait_healthy().parts[part]
    assert (after.url, after.restarts) == (before.url, before.restarts + 1)
    assert after.pid != before.pid


def test_an_unknown_part_cannot_be_killed(running):
    with pytest.raises(StackError, match="no part gitlab"):
        running.kill("gitlab")


def test_status_as_json_and_as_table(running):
    state = ["--state", str(running.layout.root)]
    told = json.loads(run.invoke(app, ["local", "status", "-o", "json", *state]).stdout)
    assert {part["name"] for part in told["parts"]} == INFRASTRUCTURE
    assert told["healthy"] is True
    assert all(set(part) >= {"pid", "port", "rss", "healthy"} for part in told["parts"])
    table = run.invoke(app, ["local", "status", *state])
    assert table.exit_code == 0
    assert all(name in table.stdout for name in INFRASTRUCTURE)


def test_a_sick_part_makes_status_fail(running):
    running.kill("forge", hold=True)
    try:
        result = run.invoke(app, ["local", "status", "-o", "json", "--state", str(running.layout.root)])
        assert result.exit_code == 1
        told = {part["name"]: part["healthy"] for part in json.loads(result.stdout)["parts"]}
        assert [name for name, healthy in told.items() if not healthy] == ["forge"]
    finally:
        running.release("forge")
    running.wait_healthy()


def test_a_stack_keeps_addresses_and_data_over_restarts_and_a_killed_supervisor(tmp_path):
    stack = Stack(tmp_path / "state", "again")
    try:
        first = stack.up(services=False)
        vault(first, "secret-broker").secrets.kv.v2.create_or_update_secret(
            "p", {"v": "1"}, mount_point="git"
        )
        token = first.tokens["dev"].read_text()

        os.kill(first.supervisor, signal.SIGKILL)
        wait_until(lambda: not alive(first), what="the end of every part")
        wait_until(lambda: not stack.is_running(), what="the end of the supervisor's last thread")
        with pytest.raises(NotRunningError):
            stack.load()

        second = stack.up(services=False)
        assert {name: part.url for name, part in second.parts.items()} == {
            name: part.url for name, part in first.parts.items()
        }
        assert second.tokens["dev"].read_text() == token
        kept = vault(second, "operator").secrets.kv.v2.read_secret_version(
            "p", mount_point="git", raise_on_deleted_version=True
        )
        assert kept["data"]["data"] == {"v": "1"}

        assert stack.down()
        assert not alive(second)
        assert not stack.layout.description.exists()
        assert not stack.down()
    finally:
        stack.reset()
    assert not stack.layout.root.exists()


def test_a_port_in_other_hands_is_named(tmp_path):
    stack = Stack(tmp_path / "state", "taken")
    stack.layout.prepare()
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        stack.layout.chosen.write_text(json.dumps({"tenant": "acme", "ports": {"forge": port}}))
        with pytest.raises(StackError, match=f"used by other programs: forge {port}"):
            stack.up(services=False)
    assert not stack.down()


def described_with(root, pid, created=None):
    """A description of an older run in which process `pid` was a part."""
    part = {
        "pid": pid,
        "created": created or process.created(pid),
        "port": 1,
        "url": "",
        "health_url": "",
        "log": "x",
    }
    urls = dict.fromkeys(
        (
            *("gitlab_url", "gitlab_ssh_url", "gitlab_known_hosts", "gateway_url", "api_url"),
            *("nats_url", "nats_monitor_url", "vault_address"),
        ),
        "",
    )
    rest = {key: {} for key in ("clusters", "tokens", "vault_secret_ids", "nats_passwords")}
    return json.dumps(
        {
            "name": "x",
            "state": str(root),
            "tenant": "acme",
            "supervisor": 1,
            "ready": True,
            "started": "2024-01-01T00:00:00Z",
            "parts": {"one": part},
            **urls,
            **rest,
        }
    )


def test_leftovers_of_a_killed_supervisor_are_ended_by_the_next_command(tmp_path):
    stack = Stack(tmp_path / "state")
    stack.layout.prepare()
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], process_group=0)
    try:
        stack.layout.description.write_text(described_with(stack.layout.root, left.pid))
        assert stack.down()
        assert left.wait(10) == -signal.SIGKILL
    finally:
        left.kill()
        left.wait()


def test_a_process_that_only_has_the_same_number_is_left_alone(tmp_path):
    stack = Stack(tmp_path / "state")
    stack.layout.prepare()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], process_group=0)
    try:
        stack.layout.description.write_text(described_with(stack.layout.root, other.pid, created=1.0))
        assert not stack.down()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path):
    path = tmp_path / "lock"
    assert lock.holder(path) is None
    with lock.held(path):
        assert lock.holder(path) == os.getpid()
        with pytest.raises(lock.AlreadyRunningError), lock.held(path):
            pass
    assert lock.holder(path) is None


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_in_the_foreground_the_stack_ends_with_its_terminal(tmp_path, how):
    stack = Stack(tmp_path / "state")
    command = [sys.executable, "-m", "nautes_cli", "local", "up", "--foreground", "--without-services"]
    terminal = subprocess.Popen(
        [*command, "--state", str(stack.layout.root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    try:
        assert any(b"Ctrl-C" in line for line in terminal.stderr)
        described = stack.load()
        if how is signal.SIGINT:
            # As a terminal does: everybody in the foreground gets it.
            process.signal_group(terminal.pid, how)
            assert terminal.wait(60) == 0
        else:
            terminal.kill()
        wait_until(lambda: not alive(described), timeout=60, what="the end of every part")
        wait_until(lambda: not stack.layout.description.exists(), timeout=60, what="an orderly end")
    finally:
        terminal.kill()
        terminal.wait()
        terminal.stderr.close()
        stack.reset()


def test_who_interrupts_the_start_gets_nothing_behind_their_back(tmp_path):
    stack = Stack(tmp_path / "state")

    def interrupt(_progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stack.up(interrupt, services=False)
    assert not stack.is_running()
    assert not stack.layout.description.exists()
