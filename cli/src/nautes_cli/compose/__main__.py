"""`python -m nautes_cli.compose prepare|setup|demo|token`: the jobs of docker-compose.yml."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from nautes_cli.compose import addresses, full, preparing, setting_up
from nautes_cli.demo import command
from nautes_localstack import running
from nautes_localstack.bootstrap import SetupError
from nautes_localstack.layout import Layout, secret


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="nautes_cli.compose", description=__doc__)
    parser.add_argument("job", choices=("prepare", "setup", "demo", "token"))
    parser.add_argument("user", nargs="?", default="dev", help="whose token to print")
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--code-host", choices=addresses.CODE_HOSTS, default=addresses.FORGE)
    parser.add_argument("--clusters", choices=addresses.CLUSTER_KINDS, default=addresses.LOCAL)
    parser.add_argument("--argocd", default="", help="address of Argo CD's manifests, for k3s")
    parser.add_argument("--tekton", default="", help="address of Tekton's manifests, for k3s")
    parser.add_argument("--examples", type=Path, default=Path("/examples"))
    return parser.parse_args()


def main() -> int:
    """Do one job; return the exit code."""
    given = arguments()
    layout, chosen = Layout(addresses.STATE), addresses.named(given.tenant, given.code_host)
    match given.job:
        case "token":
            return show_token(layout, given.user)
        case "demo":
            described = running.describe(layout, chosen, "compose", datetime.now(UTC), None)
            return 0 if command.tell(described, given.examples) else 1
        case "prepare":
            preparing.prepare(layout, chosen)
            return 0
    manifests = full.Manifests(argocd=given.argocd, tekton=given.tekton)
    try:
        asyncio.run(setting_up.set_up(layout, chosen, given.clusters, manifests))
    except (SetupError, OSError, ValueError) as error:
        sys.stderr.write(
            f"the set-up stopped: {error}\n"
            "see the logs of the container that is meant, then: docker compose up --wait\n"
            "a first start that was cut short is begun anew by: docker compose down --volumes\n"
        )
        return 1
    return 0


def show_token(layout: Layout, user: str) -> int:
    """Print a user's token of the code host: somebody asked for it."""
    if not layout.token(user).exists():
        sys.stderr.write(f"there is no token of {user}\n")
        return 1
    sys.stdout.write(secret(layout.token(user)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
