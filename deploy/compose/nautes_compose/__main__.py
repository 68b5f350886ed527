"""`python -m nautes_compose prepare|setup|demo|token`: the jobs of docker-compose.yml."""

import argparse
import asyncio
import sys
from pathlib import Path

from nautes_compose import addresses
from nautes_localstack.bootstrap import SetupError
from nautes_localstack.layout import Layout, secret


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="nautes_compose", description=__doc__)
    parser.add_argument("job", choices=("prepare", "setup", "demo", "token"))
    parser.add_argument("user", nargs="?", default="dev", help="whose token to print")
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--code-host", choices=addresses.CODE_HOSTS, default="forge")
    parser.add_argument("--clusters", choices=("local", "k3s"), default="local")
    parser.add_argument("--examples", type=Path, default=Path("/examples"))
    return parser.parse_args()


def main() -> int:
    """Do one job; return the exit code."""
    given = arguments()
    layout, chosen = addresses.layout(), addresses.named(given.tenant, given.code_host)
    if given.job == "token":
        return show_token(layout, given.user)
    if given.job == "demo":
        # Only the demo needs the command line's packages.
        from nautes_compose import story  # noqa: PLC0415

        story.tell(layout, chosen, given.examples)
        return 0
    if given.job == "prepare":
        from nautes_compose.preparing import prepare  # noqa: PLC0415

        prepare(layout, chosen)
        return 0
    from nautes_compose.setting_up import set_up  # noqa: PLC0415

    try:
        asyncio.run(set_up(layout, chosen, given.clusters))
    except (SetupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
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
