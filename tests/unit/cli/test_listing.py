"""Entities in five forms; what is piped holds nothing but the result."""

import json

import pytest
import yaml

from nautes_cli.client import Event, read_events
from nautes_cli.console import ObjectOutput
from nautes_cli.kinds import KINDS
from nautes_cli.listing import cell, show_entities
from nautes_cli.watch import News, line

KIND = KINDS["DeploymentRuntime"]
FOUND = {
    "name": "apple-test", "product": "orchard", "projects_ref": ["apple-api", "apple-web"], "account": "",
    "manifest_source": {"code_repo": "apple-deploy", "target_revision": "main", "path": "overlays/test"},
    "destination": {"environment": "test", "namespaces": ["apple-test"]},
}  # fmt: skip


def shown(capsys, output, **how):
    show_entities(KIND, [FOUND, {"name": "bare"}], output, **how)
    return capsys.readouterr().out


def test_a_table_has_one_line_for_each_and_the_wide_one_has_more_columns(capsys):
    heading, first, second = shown(capsys, ObjectOutput.TABLE).splitlines()
    assert heading.split() == ["NAME", "REPOSITORY", "REVISION", "PATH", "ENVIRONMENT"]
    assert first.split() == ["apple-test", "apple-deploy", "main", "overlays/test", "test"]
    assert second.split() == ["bare"]
    heading, first, _ = shown(capsys, ObjectOutput.WIDE).splitlines()
    assert heading.split()[-3:] == ["NAMESPACES", "PROJECTS", "ACCOUNT"]
    assert "apple-api,apple-web" in first


def test_json_and_yaml_are_documents_and_nothing_else(capsys):
    assert json.loads(shown(capsys, ObjectOutput.JSON)) == [FOUND, {"name": "bare"}]
    assert yaml.safe_load(shown(capsys, ObjectOutput.YAML)) == [FOUND, {"name": "bare"}]
    assert json.loads(shown(capsys, ObjectOutput.JSON, single=True)) == FOUND


def test_names_are_one_a_line(capsys):
    assert shown(capsys, ObjectOutput.NAME) == "deploymentruntime/apple-test\ndeploymentruntime/bare\n"


@pytest.mark.parametrize(
    ("value", "path", "text"),
    [
        ({"a": {"b": True}}, "a.b", "yes"),
        ({"a": {"x": {"name": "p"}, "y": None, "z": {"name": "q"}}}, "a.*.name", "p,q"),
        ({"a": [{"name": "p"}, {}]}, "a.*.name", "p"),
        ({"a": "two\nlines  "}, "a", "two lines"),
        ({"a": 3}, "a.b", ""),
        ({}, "a.*.b", ""),
    ],
)
def test_a_cell_is_what_stands_at_its_path_in_one_line(value, path, text):
    assert cell(value, path) == text


def test_server_sent_events_are_read_by_the_standard():
    stream = iter(
        [": hello", "", "id: 7", "event: status", 'data: {"a":', "data: 1}", "", "data: no json", "", "id: 8"]
    )
    (event,) = read_events(stream)
    assert (event.id, event.name, event.data) == ("7", "status", {"a": 1})


def told(news, name, kind, thing=None):
    return news.of(Event("", name, {"kind": kind, "name": "x", "object": thing}))


def test_what_was_told_before_a_break_is_not_told_again():
    news = News()
    news.begin()
    assert told(news, "added", "Environment", {"a": 1}) == "added"
    assert told(news, "modified", "Environment", {"a": 2}) == "modified"
    news.begin()
    assert told(news, "added", "Environment", {"a": 2}) == ""
    assert told(news, "added", "Project", {"a": 2}) == "added"
    assert told(news, "deleted", "Project") == "deleted"
    assert told(news, "deleted", "Project") == ""
    assert news.of(Event("", "end", {})) == ""
    news.begin()
    assert told(news, "added", "Environment", {"a": 3}) == "modified"


def test_a_status_is_one_line_with_the_reason_of_what_is_not_done():
    services = [
        {"service": "reconciler", "result": "done", "message": ""},
        {"service": "secret-broker", "result": "blocked", "message": "no login yet"},
    ]
    words = line(
        "modified",
        {"kind": "Status", "name": "orchard", "object": {"result": "blocked", "services": services}},
    )
    assert words.endswith("orchard is blocked: reconciler done, secret-broker blocked (no login yet)")
