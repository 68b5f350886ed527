"""Reads the settings and runs the gateway until SIGTERM or SIGINT; exit code 1 if it cannot."""

import asyncio
import sys

import uvloop

from nautes_domain.failures import Failure
from nautes_runtime import logs, tracing
from nautes_webhook_gateway.app import SERVICE, serve
from nautes_webhook_gateway.settings import GatewaySettings


def main() -> None:
    """Run the service."""
    settings = GatewaySettings()
    log = logs.configure(SERVICE, settings.log.level).bind()
    try:
        end_traces = tracing.start(SERVICE, settings.telemetry)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, log))
        end_traces()
    except Failure as failure:
        log.critical("cannot go on", reason=str(failure), code=failure.code)
        sys.exit(1)


if __name__ == "__main__":
    main()
