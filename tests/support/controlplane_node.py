"""A node that runs nothing: it takes the pods that the scheduler gives it, and says how their containers ended.

What a kubelet would report: Running, then every container terminated. The exit code is the pod's annotation
`EXIT_CODE`, which Tekton hands down from a PipelineRun; 0 if there is none. Logs: `controlplane_kubelet`.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from support.controlplane import Cluster
from support.controlplane_install import run_beside
from support.controlplane_kubelet import kubelet

NAME = "pretended"
EXIT_CODE = "pretended-node/exit-code"
_CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "1000"}


@contextmanager
def node(cluster: Cluster) -> Iterator[None]:
    """Start a scheduler and a node for it, until the block ends."""
    with ExitStack() as stack:
        port = stack.enter_context(kubelet())
        with cluster.http() as http:
            _register(http, port)
        run_beside(cluster, ["kube-scheduler", *_scheduler(cluster)], {}, lambda: True)
        stack.enter_context(_working(cluster))
        yield


@contextmanager
def _working(cluster: Cluster) -> Iterator[None]:
    """Take pods on until the block ends; raise there what went wrong."""
    ended = threading.Event()
    failures: list[Exception] = []
    thread = threading.Thread(target=_work, args=(cluster, ended, failures), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)
    if failures:
        raise failures[0]


def _scheduler(cluster: Cluster) -> list[str]:
    return [f"--kubeconfig={cluster.kubeconfig}", "--leader-elect=false", "--secure-port=0"]


def _register(http: httpx.Client, port: int) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}}
    answer = http.post("/api/v1/nodes", json=node)
    if answer.status_code != 409:
        answer.raise_for_status()
    ready = {"type": "Ready", "status": "True", "reason": "Pretended", "lastHeartbeatTime": _now()}
    status = {
        "capacity": _CAPACITY,
        "allocatable": _CAPACITY,
        "conditions": [ready],
        # Where the API server asks for logs.
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    _patch(http, f"/api/v1/nodes/{NAME}/status", {"status": status})
    _patch(
        http, f"/api/v1/nodes/{NAME}", {"spec": {"taints": None}}
    )  # The server taints a node until it is ready.


def _work(cluster: Cluster, ended: threading.Event, failures: list[Exception]) -> None:
    try:
        with cluster.http() as http:
            while not ended.wait(0.1):
                found = http.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={NAME}"})
                for pod in found.raise_for_status().json()["items"]:
                    _advance(http, pod)
    except Exception as error:  # noqa: BLE001 - raised where the block ends
        failures.append(error)


def _advance(http: httpx.Client, pod: Mapping[str, Any]) -> None:
    """Take one pod one step further; one that is gone meanwhile is left alone."""
    metadata, phase = pod["metadata"], pod["status"].get("phase", "Pending")
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    if "deletionTimestamp" in metadata:
        http.delete(path, params={"gracePeriodSeconds": 0})
    elif phase == "Pending":
        _patch(http, f"{path}/status", {"status": running(pod)})
    elif phase == "Running":
        _patch(http, f"{path}/status", {"status": ended_status(pod)})


def running(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status of a pod whose containers have all started."""
    conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
    state = {"running": {"startedAt": _now()}}
    return {
        "phase": "Running",
        "startTime": _now(),
        "conditions": conditions,
        "containerStatuses": [_container(one, state, ready=True) for one in pod["spec"]["containers"]],
    }


def ended_status(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status of a pod whose containers have all ended as its annotation says."""
    code = int(pod["metadata"].get("annotations", {}).get(EXIT_CODE, "0"))
    reason = "Error" if code else "Completed"
    terminated = {"exitCode": code, "reason": reason, "startedAt": _now(), "finishedAt": _now()}
    state = {"terminated": terminated}
    return {
        "phase": "Failed" if code else "Succeeded",
        "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}],
        "containerStatuses": [_container(one, state, ready=False) for one in pod["spec"]["containers"]],
    }


def _container(spec: Mapping[str, Any], state: Mapping[str, Any], *, ready: bool) -> dict[str, Any]:
    known = {"name": spec["name"], "image": spec["image"], "imageID": spec["image"]}
    return {**known, "ready": ready, "restartCount": 0, "state": dict(state)}


def _patch(http: httpx.Client, path: str, body: Mapping[str, Any]) -> None:
    answer = http.patch(path, json=body, headers={"Content-Type": "application/merge-patch+json"})
    if answer.status_code not in {404, 409}:
        answer.raise_for_status()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
