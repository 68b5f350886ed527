"""What of `k8s/` follows from the rights of the services: `python -m support.k8s_rights` writes it anew.

A unit test compares, so that the laptop and a cluster never differ in who may do what.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from nautes_localstack import nats, rights
from nautes_localstack.layout import SERVICES
from support.k8s import ROOT, SECRETS_READER

TENANT = "*"
"""One bus serves one tenant, whose name is a setting; nats-server puts no variables into subjects."""

_PREFACE = "# Written by `python -m support.k8s_rights`; passwords come from the Secret nats-users.\n"


def files() -> Mapping[Path, str]:
    """Return the content of every file that is derived."""
    policies = {name: rights.VAULT[name] for name in SERVICES if rights.VAULT[name]}
    policies[SECRETS_READER] = {"nautes/data/*": ("read",)}
    return {
        ROOT / "base" / "nats" / "users.conf": _users(),
        **{
            ROOT / "vault" / f"{name}.json": json.dumps(
                {"path": {path: {"capabilities": list(verbs)} for path, verbs in rules.items()}}, indent=2
            )
            + "\n"
            for name, rules in policies.items()
        },
    }


def variable(user: str) -> str:
    """Return the name of the variable that holds a user's password, quoted."""
    return f"PASSWORD_{user.upper().replace('-', '_')}"


def _users() -> str:
    """Return the users with their rights; only the passwords are no JSON but references to variables."""
    users = rights.nats_users(TENANT)
    document = json.loads(
        nats.render(
            nats.NatsConfig(4222, Path("/data")), users, {user.name: f"${user.name}" for user in users}
        )
    )
    text = json.dumps({"users": document["authorization"]["users"]}, indent=2)
    for user in users:
        text = text.replace(f'"${user.name}"', f"${variable(user.name)}")
    return f"{_PREFACE}authorization {text}\n"


def main() -> None:
    """Write the files."""
    for path, content in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
