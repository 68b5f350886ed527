"""Before the servers start: their secrets and configurations, each in the volume of its own container."""

import secrets
from collections.abc import Iterator

from nautes_cli.compose.addresses import CODE_HOSTS, OWN, SERVER_DATA, Named, handout
from nautes_localstack import files, nats, openbao, rights
from nautes_localstack.layout import CLUSTERS, SERVICES, Layout, secret, write_private

EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container; Compose publishes on loopback what is published
"""The address that servers listen on."""


def prepare(layout: Layout, chosen: Named) -> None:
    """Make what is missing and hand everything out again; nothing that exists changes."""
    layout.prepare()
    if not layout.seal_key.exists():
        write_private(layout.seal_key, secrets.token_bytes(openbao.SEAL_KEY_BYTES))
    write_private(handout("openbao", "seal.key"), layout.seal_key.read_bytes())
    for consumer, file, content in texts(layout, chosen):
        write_private(handout(consumer, file), content)


def texts(layout: Layout, chosen: Named) -> Iterator[tuple[str, str, str]]:
    """Yield container, file name and content of everything that needs no running server."""
    yield "nats", "nats.json", nats_configuration(layout, chosen)
    yield "openbao", "openbao.json", openbao_configuration(layout, chosen)
    for code_host in CODE_HOSTS:
        yield code_host, "root-token", secret(layout.token("root")) + "\n"
    for cluster in CLUSTERS:
        name = f"kubernetes-{cluster}"
        token = secret(layout.token(name))
        yield name, "token", token + "\n"
        # Kubernetes documentation, "Static token file": token, name, id, groups.
        yield name, "tokens.csv", f'{token},operator,operator,"system:masters"\n'
    for service in SERVICES:
        yield service, "nats-password", secret(layout.nats_password(service)) + "\n"
        yield service, "vault-secret-id", secret(layout.secret_id(service)) + "\n"
    yield "grafana", "admin-password", secret(layout.token("grafana")) + "\n"


def nats_configuration(layout: Layout, chosen: Named) -> str:
    """Return the configuration of the bus: the tenant's account, its users and the subjects of each."""
    users = rights.nats_users(chosen.tenant)
    passwords = {user.name: secret(layout.nats_password(user.name)) for user in users}
    settings = nats.NatsConfig(
        chosen.ports["nats"],
        SERVER_DATA,
        host=EVERYWHERE,
        monitor_port=chosen.ports["nats-monitor"],
        # One server without replicas: what it acknowledges must be on the disk.
        sync_always=True,
        account=chosen.tenant,
    )
    return nats.render(settings, users, passwords)


def openbao_configuration(layout: Layout, chosen: Named) -> str:
    """Return the configuration of the secret store; it opens itself and lets the operator in on its first start."""
    settings = openbao.OpenBaoConfig(
        chosen.ports["openbao"],
        chosen.ports["openbao-cluster"],
        OWN / "seal.key",
        SERVER_DATA,
        host=EVERYWHERE,
        initialize=files.initialize(layout),
    )
    return openbao.render(settings)
