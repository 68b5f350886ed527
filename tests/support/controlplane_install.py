"""Applying manifests to a real cluster, and programs that run beside it as accounts of it."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from support.controlplane import Cluster, kubeconfig_text
from support.controlplane_programs import BIN
from support.processes import Process

Object = dict[str, Any]


def objects(*paths: Path) -> Iterator[Object]:
    """Yield every object of manifest files and, sorted, of folders of them."""
    for path in paths:
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            yield from (one for one in yaml.load_all(file.read_text(), yaml.CSafeLoader) if one)


def path_of(obj: Mapping[str, Any]) -> str:
    """Return the URL path of an object whose kind has a regular plural, as all have that are installed here."""
    version, metadata = obj["apiVersion"], obj["metadata"]
    parts = ["/apis" if "/" in version else "/api", version]
    if "namespace" in metadata:
        parts += ["namespaces", metadata["namespace"]]
    return "/".join([*parts, f"{obj['kind'].lower()}s", metadata["name"]])


def apply(http: httpx.Client, wanted: Iterable[Object]) -> None:
    """Apply objects in the order given; httpx.HTTPStatusError with the server's words at the first refusal."""
    for obj in wanted:
        answer = http.patch(
            path_of(obj),
            params={"fieldManager": "install", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=obj,
        )
        if answer.is_error:
            message = f"{path_of(obj)}: {answer.text[:2000]}"
            raise httpx.HTTPStatusError(message, request=answer.request, response=answer)


def account_kubeconfig(cluster: Cluster, namespace: str, account: str) -> Path:
    """Write a kubeconfig with a token of a ServiceAccount, so that a program has its rights and no more."""
    place = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 86400},
    }
    with cluster.http() as http:
        answer = http.post(place, json=request).raise_for_status().json()
    file = cluster.folder / f"{account}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(
        kubeconfig_text(cluster.url, cluster.ca_file.read_bytes(), cluster.name, answer["status"]["token"])
    )
    return file


def run_beside(
    cluster: Cluster,
    command: list[str],
    environment: Mapping[str, str],
    ready: Callable[[], object],
    *,
    log: str = "",
) -> Process:
    """Start a program that belongs to a cluster and ends with it; its output is in `<log>.log`."""
    settings = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(cluster.folder), **environment}  # noqa: TID251 - what a program needs to start
    file = cluster.folder / f"{log or command[0]}.log"
    process = Process([str(BIN / command[0]), *command[1:]], file, settings)
    process.start(ready, timeout=60)
    cluster.others.append(process)
    return process
