"""Tekton on a real cluster: its own manifests, its own webhook and controller under their own accounts.

The API server reaches a webhook through a Service. No cluster IP is routed here, so the Service is of type
ExternalName, which the API server resolves itself (kube-aggregator, `proxy.ResolveCluster`); the port stands in
the webhook configurations. Tekton makes its certificate and writes its CA and rules into them, as everywhere.
"""

from collections.abc import Iterator
from typing import Any

import httpx

from nautes_localstack import ports
from support.controlplane import Cluster
from support.controlplane_install import Object, account_kubeconfig, apply, objects, run_beside
from support.controlplane_programs import MANIFESTS
from support.processes import Process

NAMESPACE = "tekton-pipelines"
SERVICE = "tekton-pipelines-webhook"
CRDS = MANIFESTS / "tekton" / "300-crds"
_IMAGES = ("entrypoint", "nop", "sidecarlogresults", "workingdirinit", "shell", "shell-image-win")


def install(cluster: Cluster) -> None:
    """Install Tekton with its webhook, and return when the webhook judges what is created."""
    webhook, probes, metrics, profiling = ports.choose(4)
    root = MANIFESTS / "tekton"
    files = [root / "100-namespace", CRDS]
    files += (
        sorted(root.glob("20[01]-*.yaml")) + sorted(root.glob("config-*.yaml")) + [root / "500-webhooks.yaml"]
    )
    with cluster.http() as http:
        apply(http, (_reachable(one, webhook) for one in objects(*files)))
        apply(http, [_service()])
        environment = {
            "CONFIG_LEADERELECTION_NAME": "config-leader-election-webhook",
            "WEBHOOK_PORT": str(webhook),
            "WEBHOOK_SERVICE_NAME": SERVICE,
            "WEBHOOK_SECRET_NAME": "webhook-certs",
            "WEBHOOK_ADMISSION_CONTROLLER_NAME": "webhook.pipeline.tekton.dev",
            **_environment(cluster, "tekton-pipelines-webhook", probes, metrics, profiling),
        }
        run_beside(cluster, ["tekton-webhook"], environment, lambda: judges(http))


def start_controller(cluster: Cluster) -> Process:
    """Start Tekton's controller; it makes TaskRuns and pods of PipelineRuns."""
    probes, metrics, profiling = ports.choose(3)
    images = [
        f"-{name.removesuffix('-image-win')}-image{'-win' if name.endswith('win') else ''}"
        for name in _IMAGES
    ]
    command = ["tekton-controller"]
    for image in images:
        command += [image, "registry.example/none"]
    environment = {
        "CONFIG_LEADERELECTION_NAME": "config-leader-election-controller",
        "CONFIG_DEFAULTS_NAME": "config-defaults",
        "CONFIG_SPIRE": "config-spire",
        **_environment(cluster, "tekton-pipelines-controller", probes, metrics, profiling),
    }
    return run_beside(cluster, command, environment, lambda: _listens(probes))


def judges(http: httpx.Client) -> bool:
    """Whether the webhook refuses a run without a pipeline, which the schema alone would let through."""
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "no-pipeline", "namespace": "default"},
        "spec": {},
    }
    path = "/apis/tekton.dev/v1/namespaces/default/pipelineruns"
    answer = http.post(path, params={"dryRun": "All"}, json=run)
    return answer.status_code == 400 and "validation.webhook.pipeline.tekton.dev" in answer.text


def _environment(cluster: Cluster, account: str, probes: int, metrics: int, profiling: int) -> dict[str, str]:
    return {
        "KUBECONFIG": str(account_kubeconfig(cluster, NAMESPACE, account)),
        "SYSTEM_NAMESPACE": NAMESPACE,
        "KUBERNETES_MIN_VERSION": "v1.28.0",
        "METRICS_DOMAIN": "tekton.dev/pipeline",
        "CONFIG_LOGGING_NAME": "config-logging",
        "CONFIG_OBSERVABILITY_NAME": "config-observability",
        "CONFIG_FEATURE_FLAGS_NAME": "feature-flags",
        "PROBES_PORT": str(probes),
        "METRICS_PROMETHEUS_PORT": str(metrics),
        "PROFILING_PORT": str(profiling),
    }


def _service() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


def _reachable(obj: Object, port: int) -> Object:
    """Write the port into every reference to the webhook's Service."""
    for reference in _references(obj):
        if reference["name"] == SERVICE:
            reference["port"] = port
    return obj


def _references(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        client = value.get("clientConfig")
        if isinstance(client, dict) and "service" in client:
            yield client["service"]
        for key, one in value.items():
            if key != "openAPIV3Schema":
                yield from _references(one)


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readiness", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
