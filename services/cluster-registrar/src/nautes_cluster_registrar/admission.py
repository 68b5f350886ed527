"""Whether an uploaded kubeconfig is the one of the declared cluster. Pure."""

from typing import Final
from urllib.parse import urlsplit

from nautes_domain.failures import Blocked, Rejected

HTTPS: Final = 443


def address(server: str) -> tuple[str, int]:
    """Return host and port of an API server's address; raise ValueError for what is none."""
    parts = urlsplit(server)
    if not parts.hostname:
        raise ValueError("there is no host in it")
    return parts.hostname.lower(), parts.port or HTTPS


def check_server(cluster: str, declared: str, uploaded: str) -> None:
    """Raise Rejected unless the kubeconfig's server is the declared one, compared by host and port."""
    try:
        same = address(declared) == address(uploaded)
    except ValueError:
        same = False
    if not same:
        raise Rejected(
            f"the kubeconfig is for {uploaded}, but the manifest says {declared}",
            what=f"Cluster/{cluster}",
            who="whoever declared the cluster",
            next_step="correct spec.apiServer, or upload the kubeconfig of this cluster",
            code="kubeconfig-server",
        )


def missing_kubeconfig(cluster: str) -> Blocked:
    """Return the failure while no kubeconfig was uploaded."""
    return Blocked(
        "no kubeconfig was uploaded; send one with the cluster (nautes apply -f),"
        f" or store it in field 'kubeconfig' of cluster/kubernetes/{cluster}/default/admin",
        by=f"kubeconfig/{cluster}",
        what=f"Cluster/{cluster}",
        code="no-kubeconfig",
    )
