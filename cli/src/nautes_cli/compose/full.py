"""Profile `full`: a real GitLab and k3s in the places of the forge and the small Kubernetes APIs."""

import base64
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import yaml

from nautes_cli.compose.addresses import CLUSTER_FILES, DOMAIN, GITLAB, K3S, Named
from nautes_cli.compose.installing import Installer, until
from nautes_localstack.bootstrap import SetupError
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.layout import CLUSTERS, Layout, secret, write_private

GITLAB_PATIENCE: Final = 1800.0
"""Seconds; GitLab migrates its database on its first start."""

K3S_PATIENCE: Final = 600.0
"""Seconds; k3s pulls images before its first pods run."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """Addresses of the release manifests that are installed: Argo CD where we manage, Tekton where we build."""

    argocd: str
    tekton: str


def host(cluster: str) -> str:
    """Return the name under which the container of one cluster is reached."""
    return f"{K3S}-{cluster}.{DOMAIN}"


async def set_up_gitlab(layout: Layout, chosen: Named) -> None:
    """Wait for GitLab, whose root was given our token by its container, and let hooks go to containers.

    Calls: GitLab "Health check", "Application settings API". Raises SetupError.
    """
    headers = {"PRIVATE-TOKEN": secret(layout.token("root"))}
    async with httpx.AsyncClient(
        base_url=chosen.url("forge"), timeout=30, trust_env=False, headers=headers
    ) as client:

        async def ready() -> bool:
            return (await client.get("/api/v4/user")).status_code == httpx.codes.OK

        await until(ready, GITLAB_PATIENCE, "GitLab with the token of root")
        settings = {"allow_local_requests_from_web_hooks_and_services": True}
        answer = await client.put("/api/v4/application/settings", json=settings)
        if not answer.is_success:
            raise SetupError(f"hooks to containers: GitLab answered {answer.status_code}")


def known_host(public_key: str) -> str:
    """Return the line that SSH clients verify GitLab with (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""
    kind, body = public_key.split()[:2]
    return f"{GITLAB} {kind} {body}\n"


async def set_up_k3s(layout: Layout, manifests: Manifests) -> None:
    """Make kubeconfigs of the three k3s, then install what the platform drives. Raises SetupError."""
    wanted: Mapping[str, Sequence[tuple[str, str]]] = {
        "management": (("argocd", manifests.argocd),),
        "build-east": (("tekton-pipelines", manifests.tekton),),
    }
    for cluster in CLUSTERS:
        await _kubeconfig(layout, cluster)
        access = ClusterAccess.read(layout.kubeconfig(cluster))
        async with Installer.connect(access, K3S_PATIENCE) as installer:
            await until(installer.answers, K3S_PATIENCE, f"the API of {cluster}")
            await installer.apply([names_for_pods({name: socket.gethostbyname(name) for name in outside()})])
            for namespace, address in wanted.get(cluster, ()):
                await installer.install(namespace, address)


def outside() -> tuple[str, ...]:
    """Return the containers that pods of any cluster must reach by name: the code host and the clusters."""
    return (GITLAB, *(host(cluster) for cluster in CLUSTERS))


def names_for_pods(addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return the object that tells the cluster's DNS the addresses of containers.

    Pods cannot ask the engine's own DNS, which answers on the container's loopback. k3s documentation,
    "Configuring DNS resolution": `coredns-custom`, keys that end in `.server` are server blocks.
    """
    zones = " ".join(f"{name}:53" for name in addresses)
    hosts = "\n".join(f"    {address} {name}" for name, address in addresses.items())
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns-custom", "namespace": "kube-system"},
        "data": {"containers.server": f"{zones} {{\n  errors\n  hosts {{\n{hosts}\n  }}\n}}\n"},
    }


async def _kubeconfig(layout: Layout, cluster: str) -> None:
    file = CLUSTER_FILES / K3S / f"{cluster}.yaml"

    async def written() -> bool:
        return file.exists() and "certificate-authority-data" in file.read_text()

    await until(written, K3S_PATIENCE, f"the kubeconfig of {host(cluster)}")
    text = kubeconfig(cluster, file.read_text(), secret(layout.token(f"kubernetes-{cluster}")))
    layout.kubeconfig(cluster).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(layout.kubeconfig(cluster), text)


def kubeconfig(cluster: str, own: str, token: str) -> str:
    """Return a kubeconfig with the authority of k3s's own one, the container's name, and the operator's token."""
    authority = yaml.safe_load(own)["clusters"][0]["cluster"]["certificate-authority-data"]
    base64.b64decode(authority, validate=True)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [
            {
                "name": cluster,
                "cluster": {
                    "server": f"https://{host(cluster)}:6443",
                    "certificate-authority-data": authority,
                },
            }
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "operator"}}],
        "users": [{"name": "operator", "user": {"token": token}}],
    }
    return str(yaml.safe_dump(document, sort_keys=False))
