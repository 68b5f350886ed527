"""Dashboards, alerts and scrape configurations speak of metrics and services that exist."""

import json
import re
from pathlib import Path

import yaml

from nautes_localstack.layout import SERVICES
from nautes_runtime.metrics import Metrics
from nautes_webhook_gateway.app import watch_spool

FOLDER = Path(__file__).parents[3] / "deploy" / "observe"
METRIC = re.compile(r"\b(?:nautes|process)_[a-z_]+\b")


class NoSpool:
    fill = 0.0

    def __len__(self):
        return 0


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())


def dashboards():
    return [json.loads(path.read_text()) for path in (FOLDER / "grafana" / "dashboards").glob("*.json")]


def expressions():
    for group in load("alerts.yaml")["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield target["expr"]


def test_every_metric_of_ours_is_shown_or_watched():
    asked = {name for text in expressions() for name in METRIC.findall(text)}
    families = {re.sub(r"_(total|bucket|info)$", "", name) for name in asked}
    metrics = Metrics("svc")
    watch_spool(metrics, NoSpool())
    ours = {family.name for family in metrics.registry.collect() if family.name.startswith("nautes_")}
    assert ours - families == set()


def test_every_alert_says_what_is_lost_and_what_to_do():
    for group in load("alerts.yaml")["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "next"}
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_service_is_scraped_and_rules_are_found():
    config = load("prometheus.yaml")
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "nautes"]
    assert job["static_configs"][0]["targets"] == [f"{service}:8081" for service in SERVICES]
    assert [(FOLDER / name).exists() for name in config["rule_files"]] == [True]


def test_the_collector_uses_what_it_defines():
    config = load("collector.yaml")
    defined = {
        name for kind in ("receivers", "processors", "exporters", "connectors") for name in config[kind]
    }
    used = {
        name
        for pipeline in config["service"]["pipelines"].values()
        for names in pipeline.values()
        for name in names
    }
    assert used == defined


def test_panels_stand_side_by_side_and_name_their_source():
    (source,) = load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    load("grafana/provisioning/dashboards/nautes.yaml")
    for dashboard in dashboards():
        taken = set()
        for panel in dashboard["panels"]:
            box = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(box["x"], box["x"] + box["w"])
                for y in range(box["y"], box["y"] + box["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells
            if panel["type"] != "row":
                assert panel["datasource"]["uid"] == source["uid"]
