"""Who may talk to whom in production: exactly the paths that exist."""

import pytest

from nautes_localstack.layout import SERVICES
from support import k8s

LABEL = "app.kubernetes.io/name"
DNS = "kube-system/kube-dns"
VAULT = "vault/vault"
CODE_HOST = "192.0.2.10/32"
COLLECTOR = ("observability/", 4318)
CLUSTERS = ("198.51.100.0/24", "203.0.113.0/24")

FROM = {
    "nats": {
        *((name, 4222) for name in SERVICES),
        ("nats", 6222),
        ("keda/", 8222),
    },
    "webhook-gateway": {("ingress-nginx/", 8080), ("monitoring/", 8081)},
    "api-server": {("ingress-nginx/", 8080), ("monitoring/", 8081)},
    **{name: {("monitoring/", 8081)} for name in ("reconciler", "cluster-registrar", "secret-broker")},
}
TO = {
    "nats": {("nats", 6222)},
    "webhook-gateway": {COLLECTOR, ("nats", 4222), (VAULT, 8200)},
    "api-server": {COLLECTOR, ("nats", 4222), (VAULT, 8200), (CODE_HOST, 443)},
    "reconciler": {
        COLLECTOR,
        ("nats", 4222),
        (VAULT, 8200),
        (CODE_HOST, 443),
        *((cluster, 6443) for cluster in CLUSTERS),
    },
    "cluster-registrar": {
        COLLECTOR,
        ("nats", 4222),
        (VAULT, 8200),
        *((cluster, 6443) for cluster in CLUSTERS),
    },
    "secret-broker": {COLLECTOR, ("nats", 4222), (VAULT, 8200), (CODE_HOST, 443)},
}


def names(selector):
    """Return the parts that a pod selector of ours takes; all for the empty one."""
    if not selector:
        return list(FROM)
    rules = selector.get("matchExpressions", [])
    return [value for rule in rules if rule["key"] == LABEL for value in rule["values"]] or [
        selector["matchLabels"].get(LABEL) or selector["matchLabels"]["k8s-app"]
    ]


def ends(peer):
    """Return the other ends that one peer stands for."""
    if "ipBlock" in peer:
        return [peer["ipBlock"]["cidr"]]
    if "namespaceSelector" not in peer:
        return names(peer["podSelector"])
    namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    pods = names(peer["podSelector"]) if "podSelector" in peer else [""]
    return [f"{namespace}/{one}" for one in pods]


def paths(objects, direction, peers):
    """Return by part the set of (other end, port number); ports by name are those of our own containers."""
    ports = {
        one["name"]: one["containerPort"]
        for workload in k8s.workloads(objects).values()
        for container in k8s.pod(workload)["containers"]
        for one in container["ports"]
    }
    found = {name: set() for name in FROM}
    for policy in k8s.of_kind(objects, "NetworkPolicy").values():
        spec = policy["spec"]
        for rule in spec.get(direction, ()):
            numbers = {ports.get(one["port"], one["port"]) for one in rule["ports"]}
            for name in names(spec["podSelector"]):
                found[name] |= {
                    (end, number) for peer in rule[peers] for end in ends(peer) for number in numbers
                }
    return found


@pytest.mark.parametrize("name", sorted(FROM))
def test_only_these_may_call(production, name):
    assert paths(production, "ingress", "from")[name] == FROM[name]


@pytest.mark.parametrize("name", sorted(TO))
def test_only_these_may_be_called(production, name):
    assert paths(production, "egress", "to")[name] - {(DNS, 53)} == TO[name]


def test_everybody_may_ask_for_names(production):
    assert all((DNS, 53) in found for found in paths(production, "egress", "to").values())


def test_what_one_may_call_lets_itself_be_called(production):
    into, out = paths(production, "ingress", "from"), paths(production, "egress", "to")
    inside = {(name, end, port) for name, found in out.items() for end, port in found if end in FROM}
    assert inside == {(end, name, port) for name, found in into.items() for end, port in found if end in FROM}
