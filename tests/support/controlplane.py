"""A real control plane on loopback: one etcd, and clusters of kube-apiserver and kube-controller-manager over it.

Nothing runs containers. Flags are those of Kubernetes 1.36; nothing is written outside the folder that is given.
"""

import base64
import secrets
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nautes_localstack import ports
from support.controlplane_etcd import Etcd
from support.controlplane_programs import BIN, missing
from support.processes import Process

CORE = ("etcd", "kube-apiserver", "kube-controller-manager")
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_CONTROLLERS = (
    "namespace-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller",
    "garbage-collector-controller", "clusterrole-aggregation-controller", "deployment-controller",
    "replicaset-controller", "job-controller",
)  # fmt: skip
"""Those whose work shows in what we do; all together they would watch everything, on two cores."""


@dataclass
class Cluster:
    """A running cluster; the fields up to `process` are those of the small Kubernetes API's fixture."""

    name: str
    url: str
    token: str = field(repr=False)
    """Of an administrator (group `system:masters`)."""
    ca_file: Path
    kubeconfig: Path
    process: Process
    folder: Path
    prefix: str
    """Under which it keeps everything in etcd."""
    others: list[Process] = field(default_factory=list)
    """Its controllers and whatever was installed on it; stopped with it."""

    def http(self) -> httpx.Client:
        """A client that speaks as the administrator."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            verify=ssl.create_default_context(cafile=str(self.ca_file)),
            timeout=30,
        )

    @property
    def ready(self) -> bool:
        """Whether the API server says so itself."""
        try:
            with self.http() as http:
                return http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End everything of it at once: nothing of it is kept, and some drain for a minute when asked nicely."""
        for process in (*reversed(self.others), self.process):
            process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def absent(*more: str) -> str:
    """Why no control plane can be started here, empty if it can."""
    programs = missing(*CORE, *more)
    return f"not built: {', '.join(programs)}; `make controlplane` builds them" if programs else ""


@contextmanager
def control_plane(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Cluster]]:
    """Start one etcd and a cluster for each name, all at once; stop all after. Ready means ready to be used."""
    with ExitStack() as stack:
        etcd = stack.enter_context(start_etcd(folder / "etcd"))
        with ThreadPoolExecutor() as pool:
            started = list(pool.map(lambda name: start_cluster(folder / name, name, etcd), names))
        for cluster in started:
            stack.enter_context(cluster)
        yield {cluster.name: cluster for cluster in started}


def start_etcd(folder: Path) -> Etcd:
    """Start an etcd that forgets nothing while it runs, and need not survive the machine."""
    client, peer = ports.choose(2)
    url = f"http://127.0.0.1:{client}"
    command = [
        str(BIN / "etcd"), f"--data-dir={folder / 'data'}", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    etcd = Etcd(url, Process(command, folder / "etcd.log"))
    etcd.process.start(lambda: etcd.healthy, timeout=30)
    return etcd


def start_cluster(folder: Path, name: str, etcd: Etcd) -> Cluster:
    """Start an API server with RBAC and its controllers; return when a namespace gets its account."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = ports.choose(1)
    token = secrets.token_hex(24)
    files = _write_files(folder, f"https://127.0.0.1:{port}", name, token)
    server = Process(_api_server(folder, port, etcd.url, f"/{name}"), folder / "kube-apiserver.log")
    cluster = Cluster(
        name,
        f"https://127.0.0.1:{port}",
        token,
        files["ca"],
        files["kubeconfig"],
        server,
        folder,
        f"/{name}/",
    )
    server.start(lambda: cluster.ready, timeout=90)
    try:
        controllers = Process(_controller_manager(folder), folder / "kube-controller-manager.log")
        cluster.others.append(controllers)
        with cluster.http() as http:
            controllers.start(
                lambda: http.get("/api/v1/namespaces/default/serviceaccounts/default").status_code == 200,
                timeout=60,
            )
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _write_files(folder: Path, url: str, name: str, token: str) -> dict[str, Path]:
    """Write the authority, the server's certificate, the key of the accounts' tokens, and the administrator's files."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost", "kubernetes.default.svc")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    contents = {
        "ca.pem": authority.cert_pem.bytes(),
        "server.pem": b"".join(blob.bytes() for blob in server.cert_chain_pems),
        "server.key": server.private_key_pem.bytes(),
        "accounts.key": pem,
        "tokens.csv": f'{token},admin,admin,"system:masters"\n'.encode(),
    }
    for file, content in contents.items():
        place = folder / file
        place.touch(mode=0o600)
        place.write_bytes(content)
    kubeconfig = folder / "kubeconfig.yaml"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(kubeconfig_text(url, authority.cert_pem.bytes(), name, token))
    return {"ca": folder / "ca.pem", "kubeconfig": kubeconfig}


def kubeconfig_text(url: str, ca: bytes, name: str, token: str) -> str:
    """Return a kubeconfig that holds everything inline."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca).decode()}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        }
    )


def _api_server(folder: Path, port: int, etcd: str, prefix: str) -> list[str]:
    return [
        str(BIN / "kube-apiserver"), f"--etcd-servers={etcd}", f"--etcd-prefix={prefix}",
        "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.pem'}", f"--tls-private-key-file={folder / 'server.key'}",
        f"--cert-dir={folder / 'certs'}", f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC", "--allow-privileged=true", "--service-cluster-ip-range=10.96.0.0/16",
        f"--service-account-issuer={_ISSUER}", f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        # The address is on loopback, which an EndpointSlice may not hold.
        "--endpoint-reconciler-type=none", "--profiling=false",
    ]  # fmt: skip


def _controller_manager(folder: Path) -> list[str]:
    return [
        str(BIN / "kube-controller-manager"), f"--kubeconfig={folder / 'kubeconfig.yaml'}",
        f"--controllers={','.join(_CONTROLLERS)}", "--leader-elect=false", "--secure-port=0",
        f"--root-ca-file={folder / 'ca.pem'}", f"--service-account-private-key-file={folder / 'accounts.key'}",
    ]  # fmt: skip
