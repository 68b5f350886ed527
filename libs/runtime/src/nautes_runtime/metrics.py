"""What a service counts and times, for Prometheus: requests, messages, lag, effects. Never a name, ref, id or secret.

Names and units follow the Prometheus documentation, "Metric and label naming". Every label takes its values from
a set that the code fixes: what people name (repositories, clusters, scopes) would make a series each. One object
per service and process, with a registry of its own.
"""

from collections.abc import Callable
from importlib.metadata import version
from platform import python_version
from typing import Final

import prometheus_client
from nats.js.api import ConsumerInfo
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from nautes_domain.effects import Effect, Result
from nautes_domain.plan import Verb
from nautes_runtime.streams import Consumer
from nautes_runtime.verdicts import Outcome

# A second series for each counter and bucket set, with the time of its start, which nothing of ours reads.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

SYSTEMS: Final = frozenset({"argocd", "gitlab", "kubernetes", "vault"})
VERBS: Final = frozenset(verb.value for verb in Verb)
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_DURABLE: Final = ("stream", "durable")
OTHER: Final = "other"
"""What a label says of a value that is in no fixed set."""

REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MESSAGE_SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
PUSH_SECONDS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0)


class Metrics:
    """The instruments of one service. Safe to call from threads."""

    def __init__(self, service: str) -> None:
        self.registry = _registry_of(service)
        self._requests = self._counter(
            "nautes_http_requests", "Requests answered.", "method", "route", "code"
        )
        self._request_seconds = self._histogram(
            "nautes_http_request_duration_seconds", "From the headers to the end of the answer.",
            REQUEST_SECONDS, "method", "route",
        )  # fmt: skip
        self.requests_in_flight = Gauge(
            "nautes_http_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self._received = self._counter(
            "nautes_messages_received", "Messages taken from a durable, redelivered ones too.", *_DURABLE
        )
        self._settled = self._counter(
            "nautes_messages_settled",
            "Messages that a handler is done with, by outcome.",
            *_DURABLE,
            "outcome",
        )
        self._in_flight = self._gauge(
            "nautes_messages_in_flight", "Messages in a handler's hands.", *_DURABLE
        )
        self._message_seconds = self._histogram(
            "nautes_message_duration_seconds", "From taking a message to its acknowledgement.",
            MESSAGE_SECONDS, *_DURABLE,
        )  # fmt: skip
        self._queue_seconds = self._histogram(
            "nautes_message_queue_seconds", "From being stored to being taken for the first time.",
            PUSH_SECONDS, *_DURABLE,
        )  # fmt: skip
        self._pending = self._gauge("nautes_consumer_pending", "Messages never delivered yet.", *_DURABLE)
        self._ack_pending = self._gauge(
            "nautes_consumer_ack_pending", "Messages delivered and not settled.", *_DURABLE
        )
        self._redelivered = self._gauge(
            "nautes_consumer_redelivered", "Unsettled messages delivered more than once.", *_DURABLE
        )
        self._dead = self._counter("nautes_dead_letters", "Messages that were put aside.", "stream")
        self._effects = self._counter(
            "nautes_effects", "Side effects recorded, applied or refused.", "system", "verb", "result"
        )
        self._push_seconds = self._histogram(
            "nautes_push_to_effect_seconds", "From receiving a push to each effect that it had.",
            PUSH_SECONDS, "system",
        )  # fmt: skip

    def watch(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Show what a function returns, read in the health thread whenever somebody asks."""
        Gauge(name, help_text, registry=self.registry).set_function(read)

    def answered(self, method: str, route: str, code: int, seconds: float) -> None:
        """Count one HTTP request. `route` is a path template of ours, never a path."""
        known = method if method in METHODS else OTHER
        self._requests.labels(known, route, str(code)).inc()
        self._request_seconds.labels(known, route).observe(seconds)

    def received(self, consumer: Consumer, queued: float, attempts: int) -> None:
        """Count one message that a handler was given, `queued` seconds after it was stored."""
        self._received.labels(*consumer.key).inc()
        self._in_flight.labels(*consumer.key).inc()
        if attempts == 1:
            self._queue_seconds.labels(*consumer.key).observe(max(0.0, queued))

    def settled(self, consumer: Consumer, outcome: Outcome, seconds: float) -> None:
        """Count one message that a handler is done with."""
        self._settled.labels(*consumer.key, outcome.value).inc()
        self._in_flight.labels(*consumer.key).dec()
        self._message_seconds.labels(*consumer.key).observe(seconds)

    def lag(self, consumer: Consumer, info: ConsumerInfo) -> None:
        """Show what the server says of a durable."""
        self._pending.labels(*consumer.key).set(info.num_pending or 0)
        self._ack_pending.labels(*consumer.key).set(info.num_ack_pending or 0)
        self._redelivered.labels(*consumer.key).set(info.num_redelivered or 0)

    def dead(self, stream: str) -> None:
        """Count one message of a stream that was put aside."""
        self._dead.labels(stream).inc()

    def effect(self, effect: Effect) -> None:
        """Count one effect, and how long after its push it was had."""
        system = effect.system.partition("/")[0]
        system = system if system in SYSTEMS else OTHER
        verb = effect.verb if effect.verb in VERBS else OTHER
        self._effects.labels(system, verb, effect.result.value).inc()
        pushed = effect.cause.received_at
        if pushed is not None and effect.result is Result.DONE:
            self._push_seconds.labels(system).observe(max(0.0, (effect.at - pushed).total_seconds()))

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(name, help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)


def _registry_of(service: str) -> CollectorRegistry:
    """Return a registry that tells of the process and of what runs in it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    build = Info("nautes_build", "What runs here.", registry=registry)
    build.info({"service": service, "version": version("nautes-runtime"), "python": python_version()})
    return registry
