"""What is counted, under which labels; and that dashboards and alerts name nothing else."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client.exposition import generate_latest

from nautes_domain.effects import Cause, Effect, Result
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_runtime.metrics import Metrics
from nautes_runtime.streams import Consumer
from nautes_runtime.verdicts import Ack, DeadLetter, Nak, Outcome, outcome

OBSERVE = Path(__file__).parents[3] / "deploy" / "observe"
OF_OTHERS = re.compile(r"(up|nautes_span\w*|process_\w+|python_\w+)\Z")
SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_info", "")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def effect(**changes):
    cause = Cause(delivery="d", repository="secret/place", ref="refs/heads/x", received_at=NOW)
    values = {
        "id": "e", "at": NOW + timedelta(seconds=2), "tenant": "acme", "service": "reconciler", "scope": "product_orchard",
        "cause": cause, "entity": "CodeRepo/apple", "system": "kubernetes/build-east", "object": "Namespace/apple-ci",
        "verb": "create", "because": "it is declared", "result": Result.DONE, "duration": 0.1,
    }  # fmt: skip
    return Effect.model_validate({**values, **changes})


def test_labels_come_from_fixed_sets_and_never_hold_a_name():
    metrics = Metrics("reconciler")
    metrics.effect(effect())
    metrics.effect(effect(system="somewhere/else", verb="invent"))
    metrics.answered("BREW", "/hooks/gitlab/{hook}", 418, 0.1)
    text = generate_latest(metrics.registry).decode()
    assert 'nautes_effects_total{result="done",system="kubernetes",verb="create"} 1.0' in text
    assert 'nautes_effects_total{result="done",system="other",verb="other"} 1.0' in text
    assert 'method="other"' in text
    for name in ("build-east", "apple", "orchard", "secret", "refs/heads", "BREW", "invent"):
        assert name not in text, name


def test_the_time_from_a_push_to_its_effects_is_of_what_was_done():
    metrics = Metrics("reconciler")
    metrics.effect(effect())
    metrics.effect(effect(result=Result.ALREADY))
    metrics.effect(effect(cause=Cause(delivery="nobody pushed")))
    assert (
        metrics.registry.get_sample_value("nautes_push_to_effect_seconds_count", {"system": "kubernetes"})
        == 1
    )
    assert (
        metrics.registry.get_sample_value("nautes_push_to_effect_seconds_sum", {"system": "kubernetes"}) == 2
    )


def test_a_message_is_in_flight_until_it_is_settled_and_waits_only_once():
    metrics, consumer = Metrics("reconciler"), Consumer("WORK", "reconciler-work", "x", 60, 1, 6)
    labels = {"stream": "WORK", "durable": "reconciler-work"}
    metrics.received(consumer, 0.5, 1)
    metrics.received(consumer, 60.0, 2)
    assert metrics.registry.get_sample_value("nautes_messages_in_flight", labels) == 2
    assert metrics.registry.get_sample_value("nautes_message_queue_seconds_count", labels) == 1
    metrics.settled(consumer, Outcome.BLOCKED, 0.1)
    assert metrics.registry.get_sample_value("nautes_messages_in_flight", labels) == 1
    settled = {**labels, "outcome": "blocked"}
    assert metrics.registry.get_sample_value("nautes_messages_settled_total", settled) == 1


@pytest.mark.parametrize(
    ("failure", "end", "word"),
    [
        (None, Ack(), Outcome.ACK),
        (Retry("x"), Nak(1), Outcome.RETRY),
        (Blocked("x", by="y"), Nak(1), Outcome.BLOCKED),
        (ValueError("x"), Nak(1), Outcome.FAILED),
        (Rejected("x"), DeadLetter("x", ""), Outcome.REJECTED),
        (ValueError("x"), DeadLetter("x", ""), Outcome.DEAD),
    ],
)
def test_each_end_of_a_message_has_its_word(failure, end, word):
    assert outcome(failure, end) is word


def expressions():
    for rule in (
        rule
        for group in yaml.safe_load((OBSERVE / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    ):
        yield rule["alert"], rule["expr"]
    for file in (OBSERVE / "grafana" / "dashboards").glob("*.json"):
        found = [json.loads(file.read_text())]
        while found:
            one = found.pop()
            if isinstance(one, dict):
                if isinstance(one.get("expr"), str):
                    yield file.name, one["expr"]
                found.extend(one.values())
            elif isinstance(one, list):
                found.extend(one)


def test_dashboards_and_alerts_name_only_what_is_counted():
    metrics = Metrics("webhook-gateway")
    known = {family.name for family in metrics.registry.collect()}
    known |= {"nautes_spool_deliveries", "nautes_spool_fill_ratio"}  # the gateway's own
    every = {f"{name}{suffix}" for name in known for suffix in SUFFIXES}
    named = {
        (place, name) for place, text in expressions() for name in re.findall(r"\b(?:nautes_\w+|up)\b", text)
    }
    assert len(named) > 20
    assert {one for one in named if one[1] not in every and not OF_OTHERS.match(one[1])} == set()


@pytest.mark.parametrize("file", sorted(OBSERVE.rglob("*.yaml")), ids=lambda file: file.name)
def test_settings_of_the_observers_parse(file):
    assert isinstance(yaml.safe_load(file.read_text()), dict)
