"""docker-compose.yml held to the rules of the house: who is confined, what is published, who sees which secret."""

import re

import pytest

from nautes_api_server.settings import ApiServerSettings
from nautes_cli.compose.addresses import CONSUMERS, HANDOUTS, named
from nautes_cli.compose.setting_up import TOKENS
from nautes_cluster_registrar.settings import RegistrarSettings
from nautes_localstack import rights
from nautes_localstack.layout import Layout
from nautes_localstack.parts import service_environment
from nautes_reconciler.settings import ReconcilerSettings
from nautes_secret_broker.settings import BrokerSettings
from nautes_webhook_gateway.settings import GatewaySettings
from support import compose_file
from support.compose_file import ROOT

STACK = compose_file.load()
SERVICES = STACK["services"]
OURS = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").exists())
JOBS = {name for name, it in SERVICES.items() if it["restart"] == "no"}
CONFINES_ITSELF = {"gitlab", "k3s-management", "k3s-build-east", "k3s-run-east"}
SETTINGS = {
    "webhook-gateway": GatewaySettings,
    "reconciler": ReconcilerSettings,
    "cluster-registrar": RegistrarSettings,
    "secret-broker": BrokerSettings,
    "api-server": ApiServerSettings,
}
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY")


def volumes(service):
    return [tuple(one.split(":")) for one in service.get("volumes", [])]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name):
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", one) for one in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - CONFINES_ITSELF))
def test_containers_are_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["mem_limit"]
    assert service["pids_limit"] > 0
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)
    assert service.get("network_mode") in (None, "none")


@pytest.mark.parametrize("name", sorted(set(SERVICES) - JOBS))
def test_everything_that_stays_says_whether_it_is_well(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_jobs_are_waited_for():
    # `up --wait` takes a job that ended for a failure unless somebody depends on its end.
    awaited = {
        needed
        for service in SERVICES.values()
        for needed, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert awaited == {name for name in JOBS if "profiles" not in SERVICES[name]}


def test_nobody_depends_on_what_a_profile_adds():
    for service in SERVICES.values():
        assert all("profiles" not in SERVICES[needed] for needed in service.get("depends_on", {}))


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_has_an_image_of_the_one_dockerfile(name):
    build = SERVICES[name]["build"]
    assert (build["context"], build["args"]["SERVICE"]) == (".", name)
    assert SERVICES[name]["image"] == f"nautes/{name}:dev"
    assert "profiles" not in SERVICES[name]


def test_the_dockerfile_knows_every_package_and_ends_as_nobody():
    text = (ROOT / "Dockerfile").read_text()
    packages = [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
    for package in packages:
        place = package.relative_to(ROOT)
        assert f"COPY {place} {place.parent}/\n" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]


def test_no_secret_is_written_in_the_file():
    # Whoever needs one is told a file, or reads it from one when it starts.
    for service in SERVICES.values():
        for name, text in compose_file.environment(service).items():
            if SECRET.search(name):
                assert name.endswith("_FILE"), name
                assert text.startswith("/run/nautes/"), name
    for variables in map(compose_file.env_file, ("full", "observe")):
        assert not any(SECRET.search(name) for name in variables)
    assert not re.search(
        r"(?i)(password|token|secret)[\"']?\s*[:=]\s*[\"']?\w{6,}", compose_file.FILE.read_text()
    )


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"prepare", "setup"}))
def test_a_container_sees_one_volume_of_secrets_and_cannot_change_it(name):
    own = [one for one in volumes(SERVICES[name]) if one[0].startswith("own-")]
    assert len(own) <= 1
    assert all(one[2:] == ("ro",) for one in own)
    if name in CONSUMERS:
        assert own == [(f"own-{name}", "/run/nautes", "ro")]


def test_only_jobs_see_the_volume_with_all_secrets():
    seeing = {name for name, it in SERVICES.items() if any(one[0] == "platform" for one in volumes(it))}
    assert seeing == JOBS


def test_what_is_handed_out_has_a_volume_and_a_folder():
    prepare = SERVICES["prepare"]
    wanted = {f"{HANDOUTS}/{consumer}" for consumer in CONSUMERS}
    assert {one[1] for one in volumes(prepare)} - {"/data"} == wanted
    assert set(prepare["build"]["args"]["FOLDERS"].split()) == wanted


def test_every_token_of_the_code_host_that_a_service_is_told_is_handed_to_it():
    told = {
        (service, text.removeprefix("/run/nautes/"))
        for service in OURS
        for name, text in compose_file.environment(SERVICES[service]).items()
        if name.startswith("NAUTES_GITLAB__") and name.endswith("_FILE")
    }
    assert told == set(TOKENS)
    assert rights.GITLAB_BOTS[TOKENS["reconciler", "gitlab-pipelines-token"]] is False  # no administrator


def test_every_volume_is_declared_and_used():
    used = {one[0] for service in SERVICES.values() for one in volumes(service) if not one[0].startswith(".")}
    assert used == set(STACK["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_settings_are_what_the_service_reads(name, tmp_path):
    text = compose_file.environment(SERVICES[name])
    (tmp_path / "env").write_text("".join(f"{key}={value}\n" for key, value in text.items()))
    settings = SETTINGS[name](_env_file=tmp_path / "env")
    assert (settings.tenant, settings.nats.user) == ("acme", name)


@pytest.mark.parametrize("name", OURS)
def test_settings_agree_with_those_of_the_laptop(name):
    laptop = service_environment(Layout(ROOT), named("acme"), name)
    ours = compose_file.environment(SERVICES[name])
    addresses = {key for key in laptop if key.endswith(("URL", "ADDRESS", "USER", "ROLE_ID", "TENANT"))}
    assert addresses
    assert {key: ours[key] for key in addresses} == {key: laptop[key] for key in addresses}


def test_a_real_code_host_is_told_to_every_service():
    full = compose_file.load(**compose_file.env_file("full"))["services"]
    told = {compose_file.environment(full[name])["NAUTES_GITLAB__URL"] for name in OURS}
    gitlab = named("acme", "gitlab")
    assert told == {gitlab.url("forge")}
    ssh = compose_file.environment(full["reconciler"])["NAUTES_GITLAB__SSH_URL"]
    assert ssh == gitlab.url("forge-ssh", "ssh", user="git") == "ssh://git@gitlab:22"
    assert {"--code-host=gitlab", "--clusters=k3s"} <= set(full["setup"]["command"])


def test_a_collector_is_told_to_every_service():
    observed = compose_file.load(**compose_file.env_file("observe"))["services"]
    told = {compose_file.environment(observed[name])["NAUTES_TELEMETRY__ENDPOINT"] for name in OURS}
    assert told == {"http://collector:4318"}
