"""Once the servers answer: roles, users, kubeconfigs by the laptop stack's own steps, then the rest handed out."""

from collections.abc import Mapping
from typing import Final

from nautes_cli.compose import full
from nautes_cli.compose.addresses import (
    CLUSTER_FILES,
    FORGE_DATA,
    GITLAB,
    GITLAB_CONFIGURATION,
    K3S,
    Named,
    handout,
)
from nautes_localstack import bootstrap, running
from nautes_localstack.layout import CLUSTERS, MANAGEMENT, Layout, write_private
from nautes_localstack.parts import BOTS, SETUPS
from nautes_localstack.rights import PIPELINES

NEEDS_MANAGEMENT = ("reconciler", "cluster-registrar")
"""Services that are told the management cluster by a kubeconfig."""

TOKENS: Final[Mapping[tuple[str, str], str]] = {
    **{(service, "gitlab-token"): BOTS[service] for service in ("reconciler", "secret-broker")},
    ("reconciler", "gitlab-pipelines-token"): PIPELINES,
}
"""Whose token each service finds in which file; the API server reads with the tokens of its callers."""


def known_hosts(chosen: Named) -> str:
    """Return what the code host's SSH server is verified with, from the files that its container made."""
    if chosen.code_host == GITLAB:
        # Its public key lies among its configuration.
        return full.known_host((GITLAB_CONFIGURATION / "ssh_host_ed25519_key.pub").read_text())
    return (FORGE_DATA / "ssh_known_hosts").read_text()


async def set_up(layout: Layout, chosen: Named, clusters: str, manifests: full.Manifests) -> None:
    """Set everything up and hand out what came of it. May be repeated; raises SetupError, OSError, ValueError."""
    layout.prepare()
    if clusters == K3S:
        await full.set_up_k3s(layout, manifests)
    else:
        running.take_over(layout, {name: CLUSTER_FILES / name / "kubeconfig.yaml" for name in CLUSTERS})
    if chosen.code_host == GITLAB:
        await full.set_up_gitlab(layout, chosen)
    layout.known_hosts.parent.mkdir(parents=True, exist_ok=True)
    layout.known_hosts.write_text(known_hosts(chosen))
    steps = bootstrap.steps(layout, chosen)
    for name in SETUPS:
        await steps[name]()
    for (service, file), user in TOKENS.items():
        write_private(handout(service, file), layout.token(user).read_bytes())
    for service in NEEDS_MANAGEMENT:
        write_private(handout(service, "kubeconfig.yaml"), layout.kubeconfig(MANAGEMENT).read_bytes())
