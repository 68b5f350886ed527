"""Writing what the servers read before they start: configurations, passwords, folders."""

import secrets
import shutil
from collections.abc import Sequence

from nautes_localstack import nats, openbao, rights
from nautes_localstack.layout import SERVICES, Chosen, Layout, secret, write_private
from nautes_localstack.openbao import Request
from nautes_localstack.parts import Part


def write(layout: Layout, chosen: Chosen, parts: Sequence[Part]) -> None:
    """Write every file that does not depend on a running server. Doing it again changes no secret."""
    for part in parts:
        layout.data(part.name).mkdir(mode=0o700, exist_ok=True)
    # The servers are told their administrator's token, not asked for it.
    secret(layout.token("root"))
    for part in parts:
        if part.name.startswith("kubernetes-"):
            secret(layout.token(part.name))
    users = rights.nats_users(chosen.tenant)
    passwords = {user.name: secret(layout.nats_password(user.name)) for user in users}
    settings = nats.NatsConfig(
        chosen.ports["nats"],
        layout.data("nats"),
        monitor_port=chosen.ports["nats-monitor"],
        # One server without replicas: what it acknowledges must be on the disk.
        sync_always=True,
    )
    write_private(layout.config / "nats.json", nats.render(settings, users, passwords))
    _openbao(layout, chosen)


def _openbao(layout: Layout, chosen: Chosen) -> None:
    if not layout.seal_key.exists():
        write_private(layout.seal_key, secrets.token_bytes(openbao.SEAL_KEY_BYTES))
    if not layout.vault_opened.exists():
        # A first start that was cut short leaves a server that nobody can log in to, and nothing in it.
        shutil.rmtree(layout.data("openbao"), ignore_errors=True)
        layout.data("openbao").mkdir(mode=0o700)
    for role in (*SERVICES, rights.OPERATOR):
        secret(layout.secret_id(role))
    settings = openbao.OpenBaoConfig(
        chosen.ports["openbao"],
        chosen.ports["openbao-cluster"],
        layout.seal_key,
        layout.data("openbao"),
        initialize=initialize(layout),
    )
    write_private(layout.config / "openbao.json", openbao.render(settings))


def initialize(layout: Layout) -> list[Request]:
    """Return the calls of the very first start: the mounts, and the operator's login who does all the rest."""
    operator = rights.OPERATOR
    return [
        *openbao.mount_requests(),
        openbao.policy_request(operator, rights.VAULT[operator]),
        *openbao.role_requests(operator, layout.role_id(operator), secret(layout.secret_id(operator))),
    ]
