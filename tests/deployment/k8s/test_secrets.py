"""Rights and secrets of an installation: those of the laptop, and nothing that is not used."""

import pytest

from nautes_localstack import rights
from nautes_localstack.layout import SERVICES
from support import k8s, k8s_rights


@pytest.mark.parametrize("path", k8s_rights.files(), ids=lambda path: path.name)
def test_rights_on_the_bus_and_in_the_secret_store_are_those_of_the_laptop(path):
    wanted = k8s_rights.files()[path]
    assert path.read_text() == wanted, "write it anew: PYTHONPATH=tests python -m support.k8s_rights"


def test_a_service_without_secrets_has_no_policy():
    assert {path.stem for path in (k8s.ROOT / "vault").glob("*.json")} == {
        *(name for name in SERVICES if rights.VAULT[name]),
        k8s.SECRETS_READER,
    }


def test_the_broker_cannot_change_who_the_services_are():
    rules = rights.VAULT["secret-broker"]
    assert rules["auth/nautes.services/*"] == ("deny",)
    assert rules["sys/auth/nautes.services"] == ("deny",)


def test_every_user_of_the_bus_has_a_password_from_the_secret_and_in_quotes(overlay):
    (container,) = k8s.pod(k8s.workloads(overlay)["nats"])["containers"]
    variables = {one["name"]: one for one in container["env"]}
    users = k8s.configuration(overlay, "nats-config")["users.conf"]
    for user in (*SERVICES, rights.OPERATOR):
        name = k8s_rights.variable(user)
        raw = name.replace("PASSWORD_", "RAW_")
        assert f'"password": ${name}' in users
        assert variables[name]["value"] == f'"$({raw})"'
        assert variables[raw]["valueFrom"]["secretKeyRef"] == {"name": "nats-users", "key": user}


OPTIONAL = "reconciler-pipelines"
"""What only GitLab CI's pipelines need."""


def mounted_secrets(objects):
    """Return the names of the Secrets that pods see, and whether they start without."""
    found = {}
    for workload in k8s.workloads(objects).values():
        spec = k8s.pod(workload)
        for volume in spec["volumes"]:
            if "secret" in volume:
                found[volume["secret"]["secretName"]] = False
            for source in volume.get("projected", {}).get("sources", ()):
                if "secret" in source:
                    found[source["secret"]["name"]] = source["secret"].get("optional", False)
        found |= {
            one["valueFrom"]["secretKeyRef"]["name"]: False
            for container in spec["containers"]
            for one in container["env"]
            if "secretKeyRef" in one.get("valueFrom", {})
        }
    return found


def test_exactly_the_secrets_that_are_mounted_come_from_the_secret_store(production):
    mounted = mounted_secrets(production)
    assert set(k8s.of_kind(production, "ExternalSecret")) == mounted.keys()
    assert {name for name, optional in mounted.items() if optional} == {OPTIONAL}


def test_the_account_of_pipelines_is_apart_so_that_nobody_needs_it(overlay):
    volumes = k8s.pod(k8s.workloads(overlay)["reconciler"])["volumes"]
    (credentials,) = [one["projected"] for one in volumes if one["name"] == "credentials"]
    assert [one["secret"] for one in credentials["sources"]] == [
        {"name": "reconciler-credentials"},
        {"name": OPTIONAL, "optional": True},
    ]
    assert credentials["defaultMode"] == 0o440


def test_a_service_gets_the_files_that_it_is_told_and_no_password_of_another(production):
    external = k8s.of_kind(production, "ExternalSecret")
    for name in SERVICES:
        folder = "/var/run/secrets/nautes/credentials/"
        told = {
            value.removeprefix(folder)
            for value in k8s.environment(production, name).values()
            if value.startswith(folder)
        }
        mine = [one for key, one in external.items() if key in {f"{name}-credentials", f"{name}-pipelines"}]
        given = {one["secretKey"]: one["remoteRef"] for secret in mine for one in secret["spec"]["data"]}
        assert set(given) == told
        assert {one["property"] for one in given.values()} == {name}


def test_secrets_are_read_through_a_store_of_this_namespace(production):
    (store,) = k8s.of_kind(production, "SecretStore").values()
    login = store["spec"]["provider"]["vault"]["auth"]["kubernetes"]
    assert (login["role"], login["serviceAccountRef"]["name"]) == (k8s.SECRETS_READER, k8s.SECRETS_READER)
    for one in k8s.of_kind(production, "ExternalSecret").values():
        assert one["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}


def test_replicas_follow_durables_of_their_own_service(production):
    for name, scaled in k8s.of_kind(production, "ScaledObject").items():
        assert scaled["spec"]["scaleTargetRef"]["name"] == name
        for trigger in scaled["spec"]["triggers"]:
            metadata = trigger["metadata"]
            assert metadata["stream"] in rights.BUS[name].hears
            assert metadata["consumer"].startswith(f"{name}-")
        assert scaled["spec"]["maxReplicaCount"] > scaled["spec"]["minReplicaCount"]
