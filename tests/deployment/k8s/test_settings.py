"""The services start with the variables that the manifests give them."""

from pathlib import Path

import pytest

from nautes_api_server.settings import ApiServerSettings
from nautes_cluster_registrar.settings import RegistrarSettings
from nautes_localstack.layout import SERVICES
from nautes_reconciler.settings import ReconcilerSettings
from nautes_secret_broker.settings import BrokerSettings
from nautes_webhook_gateway.settings import GatewaySettings
from support import k8s

SETTINGS = {
    "webhook-gateway": GatewaySettings,
    "reconciler": ReconcilerSettings,
    "cluster-registrar": RegistrarSettings,
    "secret-broker": BrokerSettings,
    "api-server": ApiServerSettings,
}


@pytest.fixture
def settings(tmp_path):
    """Give a service's settings as its container would read them."""

    def read(objects, name):
        variables = k8s.environment(objects, name)
        file = tmp_path / f"{name}.env"
        file.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        return SETTINGS[name](_env_file=file)

    return read


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_accepts_what_it_is_told(overlay, settings, name):
    told = settings(overlay, name)
    assert told.tenant == "acme"
    assert told.nats.user == name
    assert (told.health.host, told.health.port) == ("0.0.0.0", 8081)
    assert told.vault.kubernetes.role == name


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_setting_of_somebody(overlay, name):
    own = {one["name"] for one in dict(k8s.service_containers(overlay))[name]["env"]}
    known = set(SETTINGS[name].model_fields)
    anybody = {field for model in SETTINGS.values() for field in model.model_fields}
    for variable in k8s.environment(overlay, name):
        first = variable.removeprefix("NAUTES_").split("__")[0].lower()
        assert first in (known if variable in own else anybody), variable


def test_in_production_everything_is_encrypted_and_kept_three_times(production, settings):
    for name in SERVICES:
        told = settings(production, name)
        assert told.nats.encrypted
        assert told.nats.ca_file
        assert told.nats.replicas == 3
        assert told.vault.address.startswith("https://")
        assert told.vault.ca_file
        if name not in ("webhook-gateway", "cluster-registrar"):
            assert told.gitlab.url.startswith("https://")


@pytest.mark.parametrize("name", SERVICES)
def test_files_and_folders_that_a_service_is_told_are_mounted(production, settings, name):
    mounts = {
        Path(one["mountPath"]) for one in dict(k8s.service_containers(production))[name]["volumeMounts"]
    }
    told = settings(production, name)
    files = [told.nats.password_file, told.nats.ca_file]
    files += [told.vault.kubernetes.token_file, told.vault.ca_file]
    files += [told.gitlab.token_file] if name in ("reconciler", "secret-broker") else []
    files += [told.gitlab.pipelines_token_file] if name == "reconciler" else []
    files += [told.gateway.spool_dir] if name == "webhook-gateway" else []
    for file in files:
        assert mounts & {*file.parents}, file


def test_the_management_cluster_is_the_one_that_the_services_run_on(overlay, settings):
    for name in ("reconciler", "cluster-registrar"):
        assert settings(overlay, name).management.kubeconfig is None


def test_the_ports_that_are_listened_on_are_those_of_the_containers(overlay, settings):
    containers = dict(k8s.service_containers(overlay))
    for name, listening in (("webhook-gateway", "gateway"), ("api-server", "api")):
        ports = {one["name"]: one["containerPort"] for one in containers[name]["ports"]}
        told = getattr(settings(overlay, name), listening)
        assert (told.host, told.port) == ("0.0.0.0", ports["http"])
