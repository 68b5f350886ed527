"""Where everything is: each part listens under its own name in the Compose network, on the port it always has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nautes_localstack.layout import CLUSTERS, SERVICES, Chosen

STATE: Final = Path("/data")
"""What only the jobs see: all secrets, and what they were made for."""

HANDOUTS: Final = Path("/handout")
"""One volume per container below it; the container sees its own one as `OWN`."""

OWN: Final = Path("/run/nautes")

SERVER_DATA: Final = Path("/data")
"""Where a server keeps its data in its own container."""

CLUSTER_FILES: Final = Path("/clusters")
"""The folders in which the Kubernetes APIs write their kubeconfigs: one per small one, `k3s` for all of k3s."""

FORGE: Final = "forge"
GITLAB: Final = "gitlab"
CODE_HOSTS: Final = (FORGE, GITLAB)
"""Names of the containers; both listen on the same port."""

LOCAL: Final = "local"
GITLAB_SSH: Final = 22
"""The port of GitLab's own SSH server, which its image fixes."""

GITLAB_CONFIGURATION: Final = Path("/gitlab")
"""GitLab's `/etc/gitlab` as the set-up sees it; of the files there it may read the public ones."""

FORGE_DATA: Final = Path("/forge")
"""The forge's data as the set-up sees it: what its SSH server is verified with lies there."""

K3S: Final = "k3s"
CLUSTER_KINDS: Final = (LOCAL, K3S)

DOMAIN: Final = "internal"
"""Clusters are declared by their addresses, and rule C1 wants a dotted host (ICANN reserves this name for such networks)."""

PORTS: Final[Mapping[str, int]] = {
    "nats": 4222,
    "nats-monitor": 8222,
    "openbao": 8200,
    "openbao-cluster": 8201,
    "forge": 8929,
    "forge-ssh": 2222,
    **{f"kubernetes-{cluster}": 6443 for cluster in CLUSTERS},
    **{f"{service}-health": 8081 for service in SERVICES},
    "webhook-gateway": 8080,
    "api-server": 8080,
}

CONSUMERS: Final = (
    "nats",
    "openbao",
    *CODE_HOSTS,
    *(f"kubernetes-{cluster}" for cluster in CLUSTERS),
    *SERVICES,
    "grafana",
)
"""Every container that is handed something; k3s reads what its cluster's small API is handed."""

_SUFFIXES: Final = ("-monitor", "-health", "-cluster", "-ssh")
"""What the names of endpoints have after the name of their container."""


class Named(Chosen):
    """Addresses by name instead of by loopback port."""

    code_host: str = FORGE

    def url(self, endpoint: str, scheme: str = "http", *, user: str = "") -> str:
        """Return the address of an endpoint without a trailing slash, with the user's name if one is given."""
        host = next((endpoint.removesuffix(one) for one in _SUFFIXES if endpoint.endswith(one)), endpoint)
        name = self.code_host if host == FORGE else host
        if host.startswith("kubernetes-"):
            name = f"{host}.{DOMAIN}"
        return f"{scheme}://{user and f'{user}@'}{name}:{self.ports[endpoint]}"


def named(tenant: str, code_host: str = FORGE) -> Named:
    """Return the addresses of a stack."""
    ports = {**PORTS, "forge-ssh": GITLAB_SSH} if code_host == GITLAB else dict(PORTS)
    return Named(tenant=tenant, ports=ports, code_host=code_host)


def handout(consumer: str, file: str) -> Path:
    """Return where a job writes what a container is to see; raise ValueError for a container without a volume."""
    if consumer not in CONSUMERS:
        raise ValueError(f"nothing is handed out to {consumer}")
    return HANDOUTS / consumer / file
