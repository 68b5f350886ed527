"""What holds for every object of an installation, whatever the site."""

import tomllib
from pathlib import Path

import pytest

from nautes_localstack.layout import SERVICES
from support import k8s

WORKLOADS = {*SERVICES, "nats"}
CALLS_KUBERNETES = {"reconciler", "cluster-registrar"}


def templates(objects):
    return {name: one["spec"]["template"] for name, one in k8s.workloads(objects).items()}


def selected(selector, labels):
    """Whether a label selector takes an object with these labels."""
    wanted = selector.get("matchLabels", {})
    rules = selector.get("matchExpressions", [])
    assert all(rule["operator"] == "In" for rule in rules)
    return wanted.items() <= labels.items() and all(labels.get(one["key"]) in one["values"] for one in rules)


def test_every_service_and_the_bus_are_there_and_nothing_else(overlay):
    assert set(k8s.workloads(overlay)) == WORKLOADS


def test_the_namespace_takes_restricted_pods_alone(overlay):
    (namespace,) = k8s.of_kind(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_in_production_no_part_stands_alone(production):
    scaled = k8s.of_kind(production, "ScaledObject")
    found = k8s.workloads(production)
    least = {name: one["spec"].get("replicas", 0) for name, one in found.items()}
    # Where KEDA writes the number, an apply must not.
    assert {name for name in least if not least[name]} == set(scaled)
    least |= {name: one["spec"]["minReplicaCount"] for name, one in scaled.items()}
    assert min(least.values()) >= 2
    assert least["nats"] == 3


def test_a_drained_machine_takes_one_pod_of_a_kind_at_a_time(overlay):
    budgets = [one["spec"] for one in k8s.of_kind(overlay, "PodDisruptionBudget").values()]
    for name, template in templates(overlay).items():
        mine = [one for one in budgets if selected(one["selector"], template["metadata"]["labels"])]
        assert [one["maxUnavailable"] for one in mine] == [1], name


def test_pods_of_a_kind_are_spread_over_machines(production):
    for name, template in templates(production).items():
        spec = template["spec"]
        hard = [
            one["topologyKey"]
            for one in spec["topologySpreadConstraints"]
            if one["whenUnsatisfiable"] == "DoNotSchedule"
        ]
        apart = spec.get("affinity", {}).get("podAntiAffinity", {})
        hard += [
            one["topologyKey"] for one in apart.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        ]
        assert hard == ["kubernetes.io/hostname"], name
        for one in spec["topologySpreadConstraints"]:
            assert selected(one["labelSelector"], template["metadata"]["labels"]), name


def test_containers_are_bounded_unprivileged_and_write_to_volumes_alone(overlay):
    for name, template in templates(overlay).items():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


def test_every_container_is_asked_how_it_is(overlay):
    for name, container in k8s.service_containers(overlay):
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert ports["health"] == 8081, name
        asked = {
            one: container[one]["httpGet"] for one in ("livenessProbe", "readinessProbe", "startupProbe")
        }
        assert {one["port"] for one in asked.values()} == {"health"}, name
        assert [one["path"] for one in asked.values()] == ["/livez", "/readyz", "/livez"], name
    (bus,) = k8s.pod(k8s.workloads(overlay)["nats"])["containers"]
    assert {"livenessProbe", "readinessProbe", "startupProbe"} <= bus.keys()


def test_a_service_has_the_time_to_finish_what_it_holds(overlay):
    for name in SERVICES:
        spec = k8s.pod(k8s.workloads(overlay)[name])
        waits = (
            spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        )
        # `messaging.GRACEFUL` and the rests of the ways to the end after it.
        assert spec["terminationGracePeriodSeconds"] - waits >= 40, name


def test_every_part_has_an_account_of_its_own_and_a_token_only_where_it_is_used(overlay):
    accounts = k8s.of_kind(overlay, "ServiceAccount")
    for name, template in templates(overlay).items():
        assert template["spec"]["serviceAccountName"] == name
        assert template["spec"]["automountServiceAccountToken"] is (name in CALLS_KUBERNETES), name
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())


def test_rights_are_of_one_namespace_without_wildcards_and_of_those_who_use_them(overlay):
    assert not k8s.of_kind(overlay, "ClusterRole")
    assert not k8s.of_kind(overlay, "ClusterRoleBinding")
    for role in k8s.of_kind(overlay, "Role").values():
        for rule in role["rules"]:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
    bound = [one for binding in k8s.of_kind(overlay, "RoleBinding").values() for one in binding["subjects"]]
    assert {one["name"] for one in bound} == CALLS_KUBERNETES
    assert {one["namespace"] for one in bound} == {k8s.NAMESPACE}


def test_images_have_a_version(overlay):
    for template in templates(overlay).values():
        for container in template["spec"]["containers"]:
            name, _, tag = container["image"].rpartition(":")
            assert name, container["image"]
            assert tag not in ("", "latest"), container["image"]


def test_production_runs_the_version_of_this_project(production):
    project = tomllib.loads((Path(k8s.ROOT).parent / "pyproject.toml").read_text())["project"]
    for name, container in k8s.service_containers(production):
        assert container["image"] == f"nautes/{name}:{project['version']}"


def test_no_secret_is_written_down(overlay):
    assert not k8s.of_kind(overlay, "Secret")
    for name, container in k8s.service_containers(overlay):
        for variable, value in k8s.environment(overlay, name).items():
            secret = any(word in variable for word in ("PASSWORD", "TOKEN", "SECRET"))
            assert not secret or value.startswith("/var/run/secrets/"), variable
        assert not any("secretKeyRef" in one.get("valueFrom", {}) for one in container["env"]), name


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_traffic_is_denied_unless_it_is_listed(overlay, name):
    labels = templates(overlay)[name]["metadata"]["labels"]
    policies = [one["spec"] for one in k8s.of_kind(overlay, "NetworkPolicy").values()]
    mine = [one for one in policies if selected(one["podSelector"], labels)]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in mine
    assert len(mine) > 2
    for one in mine:
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            assert all(rule.get(peers) for rule in one.get(direction, ())), one
