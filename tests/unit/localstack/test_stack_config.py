"""What the servers are told: values cannot leave their place, rights are least, secrets stay in files."""

import base64
import json
import stat
from pathlib import Path

import pytest

from nautes_domain import names
from nautes_domain.events import Subjects
from nautes_localstack import bootstrap, files, layout, nats, openbao, rights
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.layout import CLUSTERS, ENDPOINTS, SERVICES, Chosen, Layout
from nautes_localstack.parts import NEEDS, Part, parts, service_environment
from nautes_localstack.probes import Probe
from nautes_localstack.running import take_over
from nautes_localstack.supervisor import BACKOFF, backoff, rotate, waves

CHOSEN = Chosen(tenant="acme", ports={name: 20000 + index for index, name in enumerate(ENDPOINTS)})


def matches(pattern: str, subject: str) -> bool:
    """NATS' subject matching: `*` is one token, `>` one or more at the end."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or token not in ("*", given[index]):
            return False
    return len(wanted) == len(given)


def may_publish(service: str, subject: str) -> bool:
    user = next(user for user in rights.nats_users("acme") if user.name == service)
    return any(matches(pattern, subject) for pattern in user.publish)


def test_a_password_cannot_change_the_configuration():
    password = '"}], "no_auth_user": "x'
    text = nats.render(nats.NatsConfig(1, Path("/s")), [nats.NatsUser("a", ("x",), ())], {"a": password})
    user = json.loads(text)["authorization"]["users"][0]
    assert user["password"] == password
    assert user["permissions"] == {"publish": {"allow": ["x"]}, "subscribe": {"deny": [">"]}}


def test_without_users_nobody_is_asked_for_a_password():
    assert "authorization" not in json.loads(nats.render(nats.NatsConfig(1, Path("/s"))))


def test_sync_always_is_said_only_when_wanted():
    told = [json.loads(nats.render(nats.NatsConfig(1, Path("/s"), sync_always=on))) for on in (True, False)]
    assert [it["jetstream"].get("sync_interval") for it in told] == ["always", None]


def test_a_policy_is_json_inside_json():
    request = openbao.policy_request("p", {'a"b/*': ("read",)})
    assert json.loads(request.data["policy"]) == {"path": {'a"b/*': {"capabilities": ["read"]}}}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_may_delete_or_purge_a_stream(service):
    for verb in ("DELETE", "PURGE"):
        assert not may_publish(service, f"$JS.API.STREAM.{verb}.FACTS")
    assert not may_publish(service, "$JS.API.STREAM.MSG.DELETE.EFFECTS")


@pytest.mark.parametrize("service", SERVICES)
def test_effects_are_recorded_only_under_the_own_name(service):
    subjects = Subjects("acme")
    allowed = [other for other in SERVICES if may_publish(service, subjects.effect(other, "gitlab"))]
    assert allowed == [service]
    assert not may_publish(service, Subjects("other").effect(service, "gitlab"))


def test_deliveries_come_from_the_gateway_and_from_catch_up():
    subject = "nautes.acme.delivery.0.push.7"
    assert [name for name in SERVICES if may_publish(name, subject)] == ["webhook-gateway", "reconciler"]


def test_what_is_desired_is_written_by_the_reconciler_alone():
    assert [name for name in SERVICES if may_publish(name, "$KV.desired.product_orchard")] == ["reconciler"]


def test_the_gateway_says_nothing_but_deliveries_effects_and_dead_letters():
    assert not may_publish("webhook-gateway", "nautes.acme.fact.secret.issued")
    assert not may_publish("webhook-gateway", "nautes.acme.work.reconciler.tenant")
    assert not may_publish("webhook-gateway", "$KV.status.a")


def test_only_the_broker_writes_secrets():
    writers = {
        role
        for role, rules in rights.VAULT.items()
        for path, verbs in rules.items()
        if path.startswith(("git/", "hook/", "cluster/")) and set(verbs) - {"read", "list"}
    }
    assert writers == {"secret-broker"}


def test_the_api_server_wraps_and_reads_no_secrets_at_all():
    assert rights.VAULT["api-server"] == {"sys/wrapping/wrap": ("create", "update")}


def test_of_deploy_keys_the_reconciler_reads_those_that_only_read():
    # The stack does not depend on the domain: the layout of the secret store is said twice, and compared here.
    assert names.deploy_key_path(7, "readonly") == "gitlab/repo-7/default/readonly"
    rules = {path: verbs for path, verbs in rights.VAULT["reconciler"].items() if path.startswith("git/")}
    assert rules == {"git/data/gitlab/+/default/readonly": ("read",)}
    others = [role for role in SERVICES if role not in ("reconciler", "secret-broker")]
    assert not [path for role in others for path in rights.VAULT[role] if path.startswith("git/")]


def test_who_gives_addresses_of_repositories_is_told_where_git_is_served_over_ssh():
    told = {name: service_environment(Layout(Path("/s")), CHOSEN, name) for name in SERVICES}
    url = f"ssh://git@127.0.0.1:{CHOSEN.ports['forge-ssh']}"
    assert {name: it.get("NAUTES_GITLAB__SSH_URL") for name, it in told.items()} == {
        name: url if name in {"reconciler", "api-server"} else None for name in SERVICES
    }


def test_the_broker_cannot_widen_the_rights_of_a_service():
    rules = rights.VAULT["secret-broker"]
    assert {path for path in rules if path.startswith("sys/policies")} == {
        "sys/policies/acl",
        "sys/policies/acl/nautes.*",
    }
    assert rules["auth/approle/role/*"] == ("deny",)
    assert not any(role.startswith("nautes.") for role in rights.VAULT)


def test_uploaded_kubeconfigs_lie_where_the_registrar_looks():
    # The stack does not depend on the domain: the layout of the secret store is said twice, and compared here.
    for cluster in CLUSTERS:
        assert names.cluster_admin_path(cluster) == f"kubernetes/{cluster}/default/admin"
    assert "cluster/data/kubernetes/+/default/admin" in rights.VAULT["cluster-registrar"]
    assert set(bootstrap.steps(Layout(Path("/s")), CHOSEN)) == set(NEEDS)


def test_every_part_comes_after_what_it_needs():
    position = {
        part.name: index
        for index, wave in enumerate(waves(parts(Layout(Path("/s")), CHOSEN)))
        for part in wave
    }
    assert len(position) == 3 + len(CLUSTERS) + len(SERVICES)
    assert {position[service] for service in SERVICES} == {1}
    assert position["nats"] == position["openbao"] == position["kubernetes-run-east"] == 0


def test_parts_in_a_circle_are_refused():
    circle = [Part(name, (), name, "", Probe(""), needs=[other]) for name, other in (("a", "b"), ("b", "a"))]
    with pytest.raises(ValueError, match="circle: a, b"):
        waves(circle)


def test_only_the_services_asked_for_are_parts():
    names_of = [part.name for part in parts(Layout(Path("/s")), CHOSEN, ["reconciler"])]
    assert [name for name in names_of if name in SERVICES] == ["reconciler"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_files_not_secrets(tmp_path, service):
    state = Layout(tmp_path)
    state.prepare()
    everything = parts(state, CHOSEN)
    files.write(state, CHOSEN, everything)
    environment = service_environment(state, CHOSEN, service)
    known = {path.read_bytes().strip() for path in state.secrets.iterdir()}
    part = next(part for part in everything if part.name == service)
    said = " ".join((*environment.values(), *part.command)).encode()
    assert known
    assert not any(value in said for value in known)
    assert environment["NAUTES_NATS__USER"] == service
    assert Path(environment["NAUTES_VAULT__SECRET_ID_FILE"]).is_file()


def test_only_services_with_a_bot_get_a_token():
    told = {
        name
        for name in SERVICES
        if "NAUTES_GITLAB__TOKEN_FILE" in service_environment(Layout(Path("/s")), CHOSEN, name)
    }
    assert told == {"reconciler", "secret-broker", "api-server"}


def test_files_with_secrets_are_private_and_written_again_unchanged(tmp_path):
    state = Layout(tmp_path / "state")
    state.prepare()
    wanted = parts(state, CHOSEN)
    files.write(state, CHOSEN, wanted)
    before = {
        path: path.read_bytes() for folder in (state.secrets, state.config) for path in folder.iterdir()
    }
    files.write(state, CHOSEN, wanted)
    assert {path: path.read_bytes() for path in before} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o600}
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_a_first_start_that_was_cut_short_leaves_no_half_secret_store(tmp_path):
    state = Layout(tmp_path)
    state.prepare()
    wanted = parts(state, CHOSEN)
    files.write(state, CHOSEN, wanted)
    (state.data("openbao") / "vault.db").write_text("half")
    files.write(state, CHOSEN, wanted)
    assert not list(state.data("openbao").iterdir())

    state.vault_opened.touch()
    (state.data("openbao") / "vault.db").write_text("whole")
    files.write(state, CHOSEN, wanted)
    assert (state.data("openbao") / "vault.db").read_text() == "whole"


def test_the_state_folder_of_a_stack_has_its_name():
    assert layout.default_state("two").name == "two"
    assert layout.default_state("two") != layout.default_state()


@pytest.mark.parametrize(
    ("crashes", "seconds"), [(0, BACKOFF[0]), (1, BACKOFF[0]), (2, BACKOFF[1]), (99, BACKOFF[-1])]
)
def test_restarts_are_spaced_out(crashes, seconds):
    assert backoff(crashes) == seconds


def test_a_long_log_is_moved_aside(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 11)
    assert not rotate(log, 11)
    assert rotate(log, 10)
    assert log.read_bytes() == b""
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 11
    assert not rotate(tmp_path / "none.log", 10)


@pytest.mark.parametrize(
    "text", ["", "a: 1", "clusters: []", "clusters: [{cluster: {certificate-authority-data: '!'}}]", "{"]
)
def test_a_kubeconfig_that_does_not_hold_everything_is_refused(tmp_path, text):
    file = tmp_path / "kubeconfig.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match="inline"):
        ClusterAccess.read(file)


def test_a_cluster_that_runs_elsewhere_is_no_part_and_its_kubeconfig_is_taken_over(tmp_path):
    place = Layout(tmp_path / "state")
    place.prepare()
    file = tmp_path / "mine.yaml"
    authority = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    cluster = {"server": "https://10.0.0.1:6443", "certificate-authority-data": authority}
    file.write_text(json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": {"token": "t"}}]}))
    take_over(place, {"build-east": file})
    assert ClusterAccess.read(place.kubeconfig("build-east")).server == "https://10.0.0.1:6443"
    names = {part.name for part in parts(place, CHOSEN, foreign={"build-east"})}
    assert "kubernetes-build-east" not in names
    assert {"kubernetes-management", "kubernetes-run-east"} <= names
    with pytest.raises(ValueError, match="no cluster nowhere"):
        take_over(place, {"nowhere": file})
