"""Argo CD on a real cluster: its custom resources, and its repository server and application controller.

Both servers are one program, told apart by `ARGOCD_BINARY_NAME`; their cache is kept by `redis`, which is small
and in memory. The controller has the rights of its own account and no more.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from nautes_localstack import ports
from support.controlplane import Cluster
from support.controlplane_install import account_kubeconfig, apply, objects, run_beside
from support.controlplane_programs import MANIFESTS
from support.processes import Process
from support.shared import shared_data

NAMESPACE: Final = "argocd"
PROGRAMS: Final = ("argocd", "redis", "kustomize")
_ACCOUNT = "argocd-application-controller"
_BASE = MANIFESTS / "argocd" / "base"


def definitions() -> Path:
    """Return the folder of the custom resources: of the version that is built, else of the recordings."""
    built = MANIFESTS / "argocd" / "crds"
    data = shared_data()
    return built if built.is_dir() or data is None else data / "crds" / "argocd"


def install_definitions(cluster: Cluster) -> None:
    """Install the custom resources alone."""
    with cluster.http() as http:
        apply(http, (one for one in objects(definitions()) if one["kind"] == "CustomResourceDefinition"))


def install(cluster: Cluster) -> None:
    """Install Argo CD as far as it is needed to deploy, and start it."""
    install_definitions(cluster)
    with cluster.http() as http:
        apply(http, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
        places = [_BASE / "config", _BASE / "application-controller-roles"]
        found = [one for one in objects(*places) if one["kind"] != "Kustomization"]
        apply(http, (_placed(one) for one in found))
    redis, repositories, *others = ports.choose(5)
    run_beside(cluster, ["redis", f"127.0.0.1:{redis}"], {}, lambda: True)
    _repository_server(cluster, redis, repositories, others[0])
    _controller(cluster, redis, repositories, others[1])


def trust_ssh_host(cluster: Cluster, known_hosts: Path) -> None:
    """Give the repository server the lines that SSH hosts are verified with.

    An installation mounts `argocd-ssh-known-hosts-cm` at this place (Argo CD, "Private Repositories"); it is
    read anew for each connection.
    """
    (_data(cluster) / "ssh" / "ssh_known_hosts").write_text(known_hosts.read_text())


@contextmanager
def mounted_known_hosts(cluster: Cluster) -> Iterator[None]:
    """Keep those lines as the ConfigMap says them, until the block ends: what a kubelet does with a mount."""
    ended = threading.Event()

    def mount() -> None:
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/argocd-ssh-known-hosts-cm"
        with cluster.http() as http:
            while not ended.wait(0.5):
                with suppress(httpx.TransportError):
                    text = http.get(path).json().get("data", {}).get("ssh_known_hosts", "")
                    (_data(cluster) / "ssh" / "ssh_known_hosts").write_text(text)

    thread = threading.Thread(target=mount, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def _data(cluster: Cluster) -> Path:
    return cluster.folder / "argocd"


def _placed(obj: dict[str, Any]) -> dict[str, Any]:
    """Put an object into the namespace, as its kustomization does."""
    obj["metadata"]["namespace"] = NAMESPACE
    for subject in obj.get("subjects", ()):
        subject["namespace"] = NAMESPACE
    if obj["metadata"]["name"] == "argocd-secret":
        obj["stringData"] = {"server.secretkey": secrets.token_hex(16)}
    if obj["metadata"]["name"] == "argocd-cm":
        # As our deployer's rights need it: see `nautes_adapters.kubernetes.rights.DEPLOYER_RULES`.
        obj["data"] = {**obj.get("data", {}), "resource.respectRBAC": "normal"}
    return obj


def _repository_server(cluster: Cluster, redis: int, port: int, metrics: int) -> Process:
    """Start what clones repositories and makes manifests of their folders."""
    folder = _data(cluster)
    for place in ("tls", "ssh", "gpg", "plugins", "tmp"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    command = [
        "argocd", "--disable-tls",
        "--address=127.0.0.1", f"--port={port}", "--metrics-address=127.0.0.1", f"--metrics-port={metrics}",
        f"--redis=127.0.0.1:{redis}",
    ]  # fmt: skip
    environment = {
        "ARGOCD_BINARY_NAME": "argocd-repo-server",
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_GNUPGHOME": str(folder / "gpg"),
        "ARGOCD_PLUGINSOCKFILEPATH": str(folder / "plugins"),
        "ARGOCD_ASK_PASS_SOCK": str(folder / "ask-pass.sock"),
        "TMPDIR": str(folder / "tmp"),
    }
    return run_beside(cluster, command, environment, lambda: _answers(metrics), log="argocd-repo-server")


def _controller(cluster: Cluster, redis: int, repositories: int, metrics: int) -> Process:
    """Start what compares clusters with Git and makes them agree."""
    command = [
        "argocd", f"--kubeconfig={account_kubeconfig(cluster, NAMESPACE, _ACCOUNT)}",
        f"--namespace={NAMESPACE}", f"--repo-server=127.0.0.1:{repositories}", "--repo-server-plaintext",
        f"--redis=127.0.0.1:{redis}", f"--metrics-port={metrics}",
        # Long enough that nothing here is done by its poll.
        "--app-resync=3600", "--app-resync-jitter=0",
    ]  # fmt: skip
    environment = {"ARGOCD_BINARY_NAME": _ACCOUNT, "ARGOCD_CONTROLLER_REPLICAS": "1"}
    return run_beside(cluster, command, environment, lambda: _answers(metrics), log=_ACCOUNT)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
