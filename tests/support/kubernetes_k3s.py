"""A Kubernetes API from k3s in a container: its control plane alone, so that it needs no privileges.

k3s documentation, "k3s server": `--disable-agent` starts no kubelet, and then k3s need not be root.
"""

import subprocess
from pathlib import Path
from typing import Final

import nautes_localstack.kubernetes
from support import containers, k8s
from support.containers import Contained
from support.controlplane import kubeconfig_text
from support.processes import Process

_UNUSED: Final = (
    "--disable-agent",
    "--disable-scheduler",
    "--disable-cloud-controller",
    "--disable-helm-controller",
)
CRDS: Final = Path(nautes_localstack.kubernetes.__file__).parent / "crds"


class K3s(Process):
    """The server of one cluster, as the fixtures know one."""

    def _launch(self) -> Contained:  # type: ignore[override]  # the part of Popen that is used
        return Contained(containers.K3S, list(self.command), self.log_file.parent).start()


def server(state: Path, port: int, token: str) -> K3s:
    """Return a server that keeps everything below `state`; the token is that of an administrator."""
    tokens = state / "tokens.csv"
    tokens.touch(mode=0o600)
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    command = [
        "k3s", "server", *_UNUSED, "--disable=traefik,servicelb,metrics-server,coredns,local-storage",
        f"--data-dir={state / 'k3s'}", f"--write-kubeconfig={state / 'k3s.yaml'}",
        "--bind-address=127.0.0.1", f"--https-listen-port={port}", f"--log={state / 'server.log'}",
        f"--kube-apiserver-arg=token-auth-file={tokens}", "--kube-controller-manager-arg=secure-port=0",
    ]  # fmt: skip
    return K3s(command, state / "server.log")


def write_files(state: Path, url: str, name: str, token: str) -> bool:
    """Write the authority and the administrator's kubeconfig as soon as k3s has made its own; whether it has."""
    made = state / "k3s" / "server" / "tls" / "server-ca.crt"
    if not made.exists() or not made.read_bytes().strip():
        return False
    (state / "ca.pem").write_bytes(made.read_bytes())
    kubeconfig = state / "kubeconfig.yaml"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(kubeconfig_text(url, made.read_bytes(), name, token))
    return True


def install_definitions(kubeconfig: Path, folder: Path | None) -> None:
    """Install the custom resources that the small API ships, or those of another folder."""
    known = [str(k8s.kubectl()), f"--kubeconfig={kubeconfig}"]
    place = f"--filename={folder or CRDS}"
    for command in (["apply", "--server-side", place], ["wait", "--for=condition=Established", place]):
        subprocess.run([*known, *command], check=True, capture_output=True, timeout=120)
