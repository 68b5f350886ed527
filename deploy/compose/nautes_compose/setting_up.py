"""Once the servers answer: roles, users, kubeconfigs by the laptop stack's own steps, then the rest handed out."""

from nautes_compose.addresses import KUBERNETES_STATES, Named, handout
from nautes_compose.full import gitlab_root_token, k3s_kubeconfig
from nautes_localstack import bootstrap
from nautes_localstack.layout import CLUSTERS, MANAGEMENT, Layout, write_private
from nautes_localstack.parts import BOTS, SETUPS

NEEDS_MANAGEMENT = ("reconciler", "cluster-registrar")
"""Services that are told the management cluster by a kubeconfig."""


async def set_up(layout: Layout, chosen: Named, clusters: str) -> None:
    """Set everything up and hand out what came of it. May be repeated; raises SetupError."""
    layout.prepare()
    for cluster in CLUSTERS:
        layout.kubeconfig(cluster).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(layout.kubeconfig(cluster), kubeconfig(cluster, clusters))
    if chosen.code_host == "gitlab":
        await gitlab_root_token(layout, chosen.url("forge"))
    steps = bootstrap.steps(layout, chosen)
    for name in SETUPS:
        await steps[name]()
    for service, bot in BOTS.items():
        write_private(handout(service, "gitlab-token"), layout.token(bot).read_bytes())
    for service in NEEDS_MANAGEMENT:
        write_private(handout(service, "kubeconfig.yaml"), layout.kubeconfig(MANAGEMENT).read_bytes())


def kubeconfig(cluster: str, kind: str) -> str:
    """Return the administrator's kubeconfig of one cluster, with the address that containers use."""
    if kind == "k3s":
        return k3s_kubeconfig((KUBERNETES_STATES / "k3s" / "kubeconfig.yaml").read_text())
    return (KUBERNETES_STATES / cluster / "kubeconfig.yaml").read_text()
