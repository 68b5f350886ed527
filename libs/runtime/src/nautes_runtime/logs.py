"""One JSON object per line, with the cause on every line that has one. No values of locals, so no secrets."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from nautes_domain.effects import Cause

SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)
"""`format_exc_info` prints the stack without local variables; structured tracebacks would print them."""

NOISY: Final = ("nats", "uvicorn.error", "faststream", "httpx", "urllib3")
"""Libraries that say at INFO what we say better ourselves."""


def configure(service: str, level: str = "INFO", stream: TextIO = sys.stderr) -> FilteringBoundLogger:
    """Send our own lines and those of the libraries to `stream` as JSON; return the logger of the service."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer = structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[*SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.contextvars.bind_contextvars(service=service)
    return cast(FilteringBoundLogger, structlog.get_logger())


@contextmanager
def bind_cause(cause: Cause, **more: Any) -> Iterator[None]:
    """Put the cause's id, repository and commit on every line logged within, and whatever else is given."""
    named = {"cause": cause.delivery, "repository": cause.repository, "commit": cause.commit}
    with structlog.contextvars.bound_contextvars(**{k: v for k, v in named.items() if v}, **more):
        yield
