"""What is scraped, and what somebody is told of."""

from pathlib import Path

import pytest
import yaml

from nautes_localstack.layout import SERVICES
from support import k8s

ALERTS = Path(k8s.ROOT).parent / "deploy" / "observe" / "alerts.yaml"


@pytest.fixture
def groups(production):
    (rules,) = k8s.of_kind(production, "PrometheusRule").values()
    return {group["name"]: group["rules"] for group in rules["spec"]["groups"]}


def test_the_health_port_of_every_service_is_scraped_under_its_name(production):
    (monitor,) = k8s.of_kind(production, "PodMonitor").values()
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    assert set(expression["values"]) == set(SERVICES)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("health", "/metrics")
    assert [one["targetLabel"] for one in endpoint["relabelings"]] == ["service"]


def test_every_alert_says_what_is_lost_and_what_to_do_next(groups):
    for rules in groups.values():
        for rule in rules:
            assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "next"}, rule["alert"]


def test_alerts_of_a_cluster_are_about_this_namespace(groups):
    assert all('namespace="nautes"' in rule["expr"] for rule in groups["nautes-kubernetes"])


def test_alerts_on_the_services_are_those_of_every_deployment(groups):
    (ours,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert groups["nautes"] == ours["rules"]
