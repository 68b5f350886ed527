"""The clusters of the example tenant, for real: Argo CD on one, Tekton with a node on another, a third to deploy to.

`python -m support.controlplane_whole up|down`: start them in the background and say where their kubeconfigs are,
or stop them.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from nautes_localstack.layout import CLUSTERS
from support import controlplane, controlplane_argocd, controlplane_node, controlplane_tekton
from support.controlplane import Cluster
from support.controlplane_programs import CACHE
from support.processes import wait_until

PROGRAMS = ("tekton-webhook", "tekton-controller", "kube-scheduler", *controlplane_argocd.PROGRAMS)
RUNNING = CACHE / "running"
"""State of the clusters that `up` started; `pid` is in it while they run."""
START_WITHIN = 120.0


@contextmanager
def whole(folder: Path) -> Iterator[dict[str, Cluster]]:
    """Start everything; yield the clusters `management`, `build-east`, `run-east`; stop everything after."""
    with controlplane.control_plane(folder, CLUSTERS) as clusters:
        controlplane_argocd.install(clusters["management"])
        build = clusters["build-east"]
        controlplane_tekton.install(build)
        controlplane_tekton.start_controller(build)
        mounted = controlplane_argocd.mounted_known_hosts(clusters["management"])
        with controlplane_node.node(build), mounted:
            yield clusters


def main(arguments: list[str] | None = None) -> int:
    """Start or stop; 0 if that was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["up", "down", "stay"])
    what = parser.parse_args(arguments).what
    if what == "stay":
        return _stay()
    return _up() if what == "up" else _down()


def _up() -> int:
    if reason := controlplane.absent(*PROGRAMS):
        return _say(reason, 1)
    if _pid():
        return _say(f"running already, process {_pid()}", 1)
    RUNNING.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (RUNNING / "log").open("wb") as log:
        command = [sys.executable, "-m", "support.controlplane_whole", "stay"]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    wait_until(
        lambda: _ready() or process.poll() is not None, timeout=START_WITHIN, every=0.2, what="the clusters"
    )
    if not _ready():
        return _say(f"it did not start: see {RUNNING / 'log'}", 1)
    resident = sum(one.memory_info().rss for one in psutil.Process(process.pid).children(recursive=True))
    _say(f"ready after {time.monotonic() - began:.0f} s; {resident / 1024**2:.0f} MiB")
    for name in CLUSTERS:
        _say(f"{name:<12} {RUNNING / name}.yaml")
    return 0


def _down() -> int:
    pid = _pid()
    if not pid:
        return _say("nothing is running")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not psutil.pid_exists(pid), timeout=30, what="the end")
    return _say("stopped")


def _stay() -> int:
    """Hold the clusters until SIGTERM."""
    pid = RUNNING / "pid"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with whole(RUNNING / f"state-{os.getpid()}") as clusters:
            for cluster in clusters.values():
                file = RUNNING / f"{cluster.name}.yaml"
                file.unlink(missing_ok=True)
                file.symlink_to(cluster.kubeconfig)
            pid.write_text(str(os.getpid()))
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        pid.unlink(missing_ok=True)
        for name in CLUSTERS:
            (RUNNING / f"{name}.yaml").unlink(missing_ok=True)
    return 0


def _ready() -> bool:
    return bool(_pid())


def _pid() -> int:
    """Process that holds the clusters, 0 if there is none."""
    try:
        pid = int((RUNNING / "pid").read_text())
    except (OSError, ValueError):
        return 0
    return pid if psutil.pid_exists(pid) else 0


def _say(text: str, code: int = 0) -> int:
    print(text, flush=True)  # noqa: T201 - a program for people
    return code


if __name__ == "__main__":
    sys.exit(main())
