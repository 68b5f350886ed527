"""The supervisor's process: `python -m nautes_localstack --state FOLDER`. `nautes local up` starts it."""

import argparse
import os
import sys
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="nautes_localstack", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the stack")
    parser.add_argument("--name", default="local", help="what to call the stack")
    parser.add_argument("--tenant", default="", help="tenant; only the first start chooses")
    parser.add_argument("--services", default="", help="services to run, separated by commas")
    parser.add_argument(
        "--cluster", action="append", default=[], help="NAME=KUBECONFIG of a cluster that runs elsewhere"
    )
    parser.add_argument(
        "--progress-fd", type=int, default=-1, help="descriptor for progress, a JSON object a line"
    )
    parser.add_argument("--traces", action="store_true", help="have the services write their spans")
    parser.add_argument("--detach", action="store_true", help="go on in the background")
    parser.add_argument("--bound", action="store_true", help="stop when the starter ends")
    return parser.parse_args()


def main() -> int:
    """Run until SIGTERM. Exit code 0 after an orderly stop, 1 if the stack did not come up."""
    given = arguments()
    if given.detach and os.fork():
        # The grandchild belongs to nobody: its starter neither waits for it nor takes it along.
        os._exit(0)
    # Imported after the fork: the starter waits for the exit above.
    from nautes_localstack.running import Given, run  # noqa: PLC0415

    return run(
        Given(
            state=given.state,
            name=given.name,
            tenant=given.tenant,
            services=tuple(name for name in given.services.split(",") if name),
            clusters={name: Path(file) for name, _, file in (one.partition("=") for one in given.cluster)},
            traces=given.traces,
            progress=given.progress_fd,
            bound=given.bound,
        ),
        os.environ,  # noqa: TID251 - this is where the environment is read
    )


if __name__ == "__main__":
    sys.exit(main())
