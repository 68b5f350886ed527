"""`nautes local` without anything running: help, exit codes, questions."""

import json

import pytest
from typer.testing import CliRunner

from nautes_cli.__main__ import app

run = CliRunner()


def test_help_names_the_commands_and_the_exit_codes():
    told = run.invoke(app, ["local", "--help"])
    assert told.exit_code == 0
    for word in ("up", "down", "status", "logs", "reset", "Exit codes"):
        assert word in told.output


@pytest.mark.parametrize("command", [["status"], ["status", "-o", "json"], ["down"], ["reset", "--yes"]])
def test_without_a_stack_the_exit_code_is_3(tmp_path, command):
    result = run.invoke(app, ["local", *command, "--state", str(tmp_path / "none")])
    assert result.exit_code == 3
    assert result.stdout == ""


def test_a_wrong_option_is_wrong_usage(tmp_path):
    assert run.invoke(app, ["local", "status", "-o", "xml", "--state", str(tmp_path)]).exit_code == 2


def test_logs_of_an_unknown_part_name_the_known_ones(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "nats.log").write_text("one\ntwo\n")
    result = run.invoke(app, ["local", "logs", "nat", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert "nats" in result.stderr


def test_logs_are_shown_when_nothing_runs(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "nats.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "logs" / "forge.log").write_text("four\n")
    one = run.invoke(app, ["local", "logs", "nats", "--lines", "2", "--state", str(tmp_path)])
    both = run.invoke(app, ["local", "logs", "--state", str(tmp_path)])
    assert one.stdout == "two\nthree\n"
    assert both.stdout.splitlines() == ["forge | four", "nats | one", "nats | two", "nats | three"]


def test_reset_asks_and_keeps_everything_when_told_no(tmp_path):
    (tmp_path / "chosen.json").write_text(json.dumps({"tenant": "acme", "ports": {}}))
    result = run.invoke(app, ["local", "reset", "--state", str(tmp_path)], input="n\n")
    assert result.exit_code == 1
    assert (tmp_path / "chosen.json").exists()


def test_reset_deletes_a_stopped_stack(tmp_path):
    (tmp_path / "chosen.json").write_text("{}")
    assert run.invoke(app, ["local", "reset", "--yes", "--state", str(tmp_path)]).exit_code == 0
    assert not tmp_path.exists()


def test_reset_does_not_delete_what_is_no_stack(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    result = run.invoke(app, ["local", "reset", "--yes", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert (tmp_path / "thesis.txt").exists()
