"""The Kubernetes manifests of an installation, as `kubectl kustomize` renders them."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nautes_localstack.layout import SERVICES

ROOT = Path(__file__).parents[2] / "k8s"
OVERLAYS = ("dev", "production")
NAMESPACE = "nautes"
SECRETS_READER = "external-secrets"

Object = dict[str, Any]


def kubectl() -> Path:
    """Return the kubectl of the development environment."""
    return Path(sys.executable).with_name("kubectl")


def rendered(overlay: str) -> list[Object]:
    """Return the objects of an overlay, in the order in which kubectl would apply them."""
    command = [str(kubectl()), "kustomize", str(ROOT / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{overlay} does not render:\n{done.stderr}")
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def workloads(objects: list[Object]) -> dict[str, Object]:
    """Return everything that makes pods, by name."""
    return {
        one["metadata"]["name"]: one
        for one in objects
        if one["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
    }


def pod(workload: Object) -> Object:
    """Return the pod spec of a workload."""
    found: Object = workload["spec"]["template"]["spec"]
    return found


def service_containers(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield each of our services with its container."""
    found = workloads(objects)
    for name in SERVICES:
        yield name, pod(found[name])["containers"][0]


def environment(objects: list[Object], name: str) -> Mapping[str, str]:
    """Return the variables that a service's container starts with."""
    container = dict(service_containers(objects))[name]
    maps = of_kind(objects, "ConfigMap")
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= maps[source["configMapRef"]["name"]]["data"]
    return values | {one["name"]: one["value"] for one in container["env"]}


def configuration(objects: list[Object], prefix: str) -> Mapping[str, str]:
    """Return the files of the ConfigMap whose name begins so; kustomize puts a digest behind it."""
    (found,) = (one for name, one in of_kind(objects, "ConfigMap").items() if name.startswith(prefix))
    data: Mapping[str, str] = found["data"]
    return data
