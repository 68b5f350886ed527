"""`python -m nautes_localstack.forge`: run the forge until SIGTERM or SIGINT."""

import argparse
import signal
import sys
from pathlib import Path

import structlog
import uvicorn

from nautes_localstack.forge.app import Settings, build


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nautes_localstack.forge", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--ssh-port", type=int, default=0, help="port of Git over SSH; without it there is none"
    )
    parser.add_argument("--state", type=Path, required=True, help="folder for database and repositories")
    parser.add_argument(
        "--root-token-file", type=Path, required=True, help="file with the token of user root"
    )
    parser.add_argument("--external-url", default="", help="address as others see it")
    parser.add_argument(
        "--allow-local-hooks",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether webhooks may go to loopback and private addresses (GitLab: outbound requests)",
    )
    return parser.parse_args()


def main() -> int:
    """Run; return the exit code."""
    arguments = _arguments()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    token = arguments.root_token_file.read_text().strip()
    if not token:
        sys.stderr.write("the root token file is empty\n")
        return 2
    url = arguments.external_url or f"http://{arguments.host}:{arguments.port}"
    app = build(
        Settings(
            arguments.state,
            url,
            token,
            arguments.allow_local_hooks,
            ssh_address=arguments.host,
            ssh_port=arguments.ssh_port,
        )
    )
    for how in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises what stopped it once more at the end; an ordered stop is a success here.
        signal.signal(how, lambda _number, _frame: None)
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
