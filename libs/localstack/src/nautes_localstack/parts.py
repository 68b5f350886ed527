"""The parts of the stack: what is run, how, after what, and how one sees that it works. Pure."""

import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nautes_localstack import binaries
from nautes_localstack.layout import CLUSTERS, HOST, MANAGEMENT, SERVICES, Chosen, Layout
from nautes_localstack.probes import Probe
from nautes_localstack.rights import PIPELINES

VAULT_SETUP: Final = "openbao-setup"
FORGE_SETUP: Final = "forge-setup"
CLUSTER_SETUP: Final = "kubernetes-setup"
SETUPS: Final = (VAULT_SETUP, FORGE_SETUP, CLUSTER_SETUP)
"""What is done once the servers answer: not processes, but others wait for them."""

ARGO_CD_FINALIZER: Final = "resources-finalizer.argocd.argoproj.io"
"""Argo CD takes it off when what it deployed is gone; on the laptop nothing was deployed and nobody takes it off."""

NEEDS: Final[Mapping[str, Sequence[str]]] = {
    VAULT_SETUP: ("openbao",),
    FORGE_SETUP: ("forge",),
    CLUSTER_SETUP: (VAULT_SETUP, "forge", *(f"kubernetes-{cluster}" for cluster in CLUSTERS)),
}

BOTS: Final = {
    "reconciler": "nautes-reconciler",
    "secret-broker": "nautes-secret-broker",
    "api-server": "nautes-api-server",
}
"""Services with a user of their own on the code host."""


@dataclass(frozen=True)
class Part:
    """One process. `needs` are parts and setups; `stop_after` is the seconds between SIGTERM and SIGKILL."""

    name: str
    command: Sequence[str]
    endpoint: str
    url: str
    probe: Probe
    needs: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_after: float = 5.0


def parts(
    layout: Layout, chosen: Chosen, services: Sequence[str] = SERVICES, foreign: Container[str] = ()
) -> list[Part]:
    """Return the parts in the order of their needs: infrastructure, then the services asked for.

    Clusters that are `foreign` run elsewhere and are no parts.
    """
    infrastructure = [
        _nats(layout, chosen),
        _openbao(layout, chosen),
        _forge(layout, chosen),
        *(_kubernetes(layout, chosen, cluster) for cluster in CLUSTERS if cluster not in foreign),
    ]
    return [*infrastructure, *(_service(layout, chosen, name) for name in SERVICES if name in services)]


def _nats(layout: Layout, chosen: Chosen) -> Part:
    return Part(
        "nats",
        (str(binaries.nats_server()), "-c", str(layout.config / "nats.json")),
        "nats",
        chosen.url("nats", "nats"),
        Probe(chosen.url("nats-monitor") + "/healthz?js-enabled-only=true"),
    )


def _openbao(layout: Layout, chosen: Chosen) -> Part:
    return Part(
        "openbao",
        (str(binaries.openbao()), "server", f"-config={layout.config / 'openbao.json'}"),
        "openbao",
        chosen.url("openbao"),
        Probe(chosen.url("openbao") + "/v1/sys/health"),
    )


def _forge(layout: Layout, chosen: Chosen) -> Part:
    port = chosen.ports["forge"]
    arguments = (
        *("--host", HOST, "--port", str(port), "--ssh-port", str(chosen.ports["forge-ssh"])),
        *("--state", str(layout.data("forge")), "--root-token-file", str(layout.token("root"))),
    )
    return Part(
        "forge",
        (*_module("nautes_localstack.forge"), *arguments),
        "forge",
        chosen.url("forge"),
        Probe(chosen.url("forge") + "/-/readiness"),
    )


def _kubernetes(layout: Layout, chosen: Chosen, cluster: str) -> Part:
    name = f"kubernetes-{cluster}"
    arguments = ("--host", HOST, "--port", str(chosen.ports[name]), "--state", str(layout.data(name)))
    token = str(layout.token(name))
    absent = ("--absent-finalizer", ARGO_CD_FINALIZER) if cluster == MANAGEMENT else ()
    command = (*_module("nautes_localstack.kubernetes"), *arguments, "--name", cluster)
    return Part(
        name,
        (*command, "--token-file", token, *absent),
        name,
        chosen.url(name, "https"),
        Probe(chosen.url(name, "https") + "/readyz", layout.kubeconfig(cluster)),
    )


def _service(layout: Layout, chosen: Chosen, name: str) -> Part:
    endpoint = name if name in chosen.ports else f"{name}-health"
    return Part(
        name,
        _module("nautes_" + name.replace("-", "_")),
        endpoint,
        chosen.url(endpoint),
        Probe(chosen.url(f"{name}-health") + "/readyz"),
        # Those that ask the other systems only when somebody asks them load while OpenBao elects itself.
        ("nats",) if name in ("webhook-gateway", "api-server") else ("nats", *SETUPS),
        service_environment(layout, chosen, name),
        # A service finishes or returns what it holds within 25 seconds.
        stop_after=27.0,
    )


def service_environment(layout: Layout, chosen: Chosen, name: str) -> dict[str, str]:
    """Return the settings of one service: secrets are paths of files, never values."""
    environment = {
        "NAUTES_TENANT": chosen.tenant,
        "NAUTES_NATS__URL": chosen.url("nats", "nats"),
        "NAUTES_NATS__USER": name,
        "NAUTES_NATS__PASSWORD_FILE": str(layout.nats_password(name)),
        "NAUTES_VAULT__ADDRESS": chosen.url("openbao"),
        "NAUTES_VAULT__ROLE_ID": layout.role_id(name),
        "NAUTES_VAULT__SECRET_ID_FILE": str(layout.secret_id(name)),
        "NAUTES_GITLAB__URL": chosen.url("forge"),
        "NAUTES_HEALTH__HOST": HOST,
        "NAUTES_HEALTH__PORT": str(chosen.ports[f"{name}-health"]),
        "NAUTES_LOG__LEVEL": "INFO",
        **_own(layout, chosen, name),
    }
    if name in BOTS:
        environment["NAUTES_GITLAB__TOKEN_FILE"] = str(layout.token(BOTS[name]))
    return environment


def _own(layout: Layout, chosen: Chosen, name: str) -> dict[str, str]:
    kubeconfig = {"NAUTES_MANAGEMENT__KUBECONFIG": str(layout.kubeconfig(MANAGEMENT))}
    match name:
        case "webhook-gateway":
            return {
                "NAUTES_GATEWAY__HOST": HOST,
                "NAUTES_GATEWAY__PORT": str(chosen.ports[name]),
                "NAUTES_GATEWAY__SPOOL_DIR": str(layout.data(name)),
            }
        case "reconciler":
            return {
                **kubeconfig,
                "NAUTES_GATEWAY_URL": chosen.url("webhook-gateway"),
                # On a laptop somebody is watching, and waits for two looks.
                "NAUTES_CATCH_UP": "PT5S",
                "NAUTES_GITLAB__SSH_URL": chosen.url("forge-ssh", "ssh", user="git"),
                "NAUTES_GITLAB__PIPELINES_TOKEN_FILE": str(layout.token(PIPELINES)),
            }
        case "cluster-registrar":
            return kubeconfig
        case "api-server":
            return {
                "NAUTES_API__HOST": HOST,
                "NAUTES_API__PORT": str(chosen.ports[name]),
                "NAUTES_GITLAB__SSH_URL": chosen.url("forge-ssh", "ssh", user="git"),
            }
        case _:
            return {}


def _module(name: str) -> tuple[str, ...]:
    # -P: a file of the working directory must not stand in for a module of ours.
    return (sys.executable, "-P", "-m", name)
