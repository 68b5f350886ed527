"""One supervisor from start to end: lock, leftovers, files, processes, `stack.json`."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nautes_localstack import bootstrap, files, lock, ports, process, rights
from nautes_localstack.description import (
    ClusterDescription,
    PartDescription,
    Progress,
    StackDescription,
)
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.layout import CLUSTERS, SERVICES, Chosen, Layout, chosen, write_private
from nautes_localstack.parts import Part, parts
from nautes_localstack.supervisor import Child, StartError, Supervisor

PASSED_ON: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "TZ",
        "PYTHONPYCACHEPREFIX",
        "PYTHONDONTWRITEBYTECODE",
    }
)
"""Variables of ours that the parts get; what a person has set for other tools must not change them."""


@dataclass(frozen=True)
class Given:
    """What the supervisor was told; `progress` is an open descriptor or -1."""

    state: Path
    name: str
    tenant: str
    services: Sequence[str]
    clusters: Mapping[str, Path] = field(default_factory=dict)
    """Kubeconfigs of clusters that run elsewhere, by the name of the one that they stand for."""
    traces: bool = False
    """Whether the services write their spans."""
    progress: int = -1
    bound: bool = False


def run(given: Given, environment: Mapping[str, str]) -> int:
    """Run the stack until SIGTERM or SIGINT; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if given.bound:
        process.die_with_parent(signal.SIGTERM, os.getppid())()
    reporter = Reporter(given.progress)
    layout = Layout(given.state.resolve())
    layout.prepare()
    try:
        with lock.held(layout.lock):
            asyncio.run(_supervise(layout, given, environment, reporter))
    except (StartError, lock.AlreadyRunningError, ValueError, OSError) as error:
        logging.getLogger("nautes.local").error("%s", error)  # noqa: TRY400 - the message says it all
        reporter(Progress(part="stack", state="failed", message=str(error)))
        return 1
    return 0


class Reporter:
    """Writes progress to whoever started us, until the stack is ready or they stop reading."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, progress: Progress) -> None:
        """Write one line; after the last one of the start the descriptor is closed."""
        if self._descriptor < 0:
            return
        try:
            os.write(self._descriptor, progress.model_dump_json().encode() + b"\n")
        except OSError:
            self._close()
        if progress.part == "stack":
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


async def _supervise(
    layout: Layout, given: Given, environment: Mapping[str, str], reporter: Reporter
) -> None:
    sweep(layout)
    settled = chosen(layout, given.tenant)
    take_over(layout, given.clusters)
    wanted = parts(layout, settled, given.services, given.clusters)
    _refuse_taken_ports(settled, wanted)
    files.write(layout, settled, wanted)
    stop, abandon = asyncio.Event(), asyncio.Event()

    def asked_to_stop() -> None:
        # The first signal stops in order, the second one at once.
        (abandon if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked_to_stop)
    # In the foreground Ctrl-C reaches everybody; the starter then asks for the end, once.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if given.bound else asked_to_stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    passed_on = {name: value for name, value in environment.items() if name in PASSED_ON}
    if given.traces:
        passed_on["NAUTES_TELEMETRY__FOLDER"] = str(layout.traces)
    supervisor = Supervisor(
        wanted, bootstrap.steps(layout, settled), passed_on, logs=layout.log, hold=layout.hold
    )
    started = datetime.now(UTC)

    def write_down() -> None:
        described = describe(layout, settled, given.name, started, supervisor)
        write_private(layout.description, described.model_dump_json(indent=2) + "\n")

    supervisor.report, supervisor.changed = reporter, write_down
    try:
        await supervisor.run(stop, abandon)
    finally:
        layout.description.unlink(missing_ok=True)


def take_over(layout: Layout, clusters: Mapping[str, Path]) -> None:
    """Copy the kubeconfigs of foreign clusters to where the small ones write theirs. Raises ValueError, OSError."""
    for name, kubeconfig in clusters.items():
        if name not in CLUSTERS:
            raise ValueError(f"there is no cluster {name}: {', '.join(CLUSTERS)}")
        ClusterAccess.read(kubeconfig)
        layout.kubeconfig(name).parent.mkdir(mode=0o700, exist_ok=True)
        write_private(layout.kubeconfig(name), kubeconfig.read_text())


def sweep(layout: Layout) -> list[str]:
    """End what a killed supervisor left behind; return the names of those parts.

    Linux ends them by itself (see `process.die_with_parent`); this is for the rest.
    """
    left: list[str] = []
    for leftover in layout.hold.glob("*"):
        leftover.unlink()
    if layout.description.exists():
        try:
            known = StackDescription.model_validate_json(layout.description.read_bytes())
        except ValueError:
            # An older version wrote it: its numbers mean nothing to us.
            return left
        for name, part in known.parts.items():
            if process.is_same(part.pid, part.created):
                process.signal_group(part.pid, signal.SIGKILL)
                left.append(name)
        layout.description.unlink()
    return left


def _refuse_taken_ports(settled: Chosen, wanted: Sequence[Part]) -> None:
    names = {part.endpoint for part in wanted} | {"nats-monitor", "openbao-cluster", "forge-ssh"}
    taken = sorted(
        f"{name} {settled.ports[name]}" for name in names if not ports.is_free(settled.ports[name])
    )
    if taken:
        raise StartError(f"ports of this stack are used by other programs: {', '.join(taken)}")


def describe(
    layout: Layout, settled: Chosen, name: str, started: datetime, supervisor: Supervisor | None
) -> StackDescription:
    """Return what runs as data. Without a supervisor its parts are somebody else's, and are there."""
    children = supervisor.children.values() if supervisor else ()
    running = [child for child in children if child.process is not None]
    return StackDescription(
        name=name,
        state=layout.root,
        tenant=settled.tenant,
        supervisor=os.getpid() if supervisor else 0,
        ready=supervisor.ready if supervisor else True,
        started=started,
        gitlab_url=settled.url("forge"),
        gitlab_ssh_url=settled.url("forge-ssh", "ssh", user="git"),
        gitlab_known_hosts=layout.known_hosts,
        gateway_url=settled.url("webhook-gateway"),
        api_url=settled.url("api-server"),
        nats_url=settled.url("nats", "nats"),
        nats_monitor_url=settled.url("nats-monitor"),
        vault_address=settled.url("openbao"),
        clusters={cluster: _describe_cluster(layout, settled, cluster) for cluster in CLUSTERS},
        tokens={user: layout.token(user) for user in ("root", *rights.GITLAB_BOTS)},
        vault_secret_ids={role: layout.secret_id(role) for role in (*SERVICES, rights.OPERATOR)},
        nats_passwords={user: layout.nats_password(user) for user in (*SERVICES, rights.OPERATOR)},
        parts={child.part.name: _describe_part(layout, settled, child) for child in running},
    )


def _describe_cluster(layout: Layout, settled: Chosen, cluster: str) -> ClusterDescription:
    file = layout.kubeconfig(cluster)
    # A small one writes its own file once it runs.
    url = ClusterAccess.read(file).server if file.exists() else settled.url(f"kubernetes-{cluster}", "https")
    return ClusterDescription(url=url, kubeconfig=file)


def _describe_part(layout: Layout, settled: Chosen, child: Child) -> PartDescription:
    part = child.part
    return PartDescription(
        pid=child.process.pid if child.process else 0,
        created=child.created,
        port=settled.ports[part.endpoint],
        url=part.url,
        health_url=part.probe.url,
        kubeconfig=part.probe.kubeconfig,
        log=layout.log(part.name),
        restarts=child.restarts,
    )
