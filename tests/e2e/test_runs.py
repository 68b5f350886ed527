"""`nautes run` and `nautes trigger test --last`, as people and scripts call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import tekton
from support.examples import tree

SOURCE = "orchard/apple-api-src"
NAUTES = str(Path(sys.executable).with_name("nautes"))


@pytest.fixture
def nautes(platform):
    def call(*arguments, code=0, token="dev"):
        access = (
            "--api", platform.described.api_url, "--token-file", str(platform.described.tokens[token]),
        )  # fmt: skip
        done = subprocess.run([NAUTES, *arguments, *access], capture_output=True, text=True, check=False)
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout) if "json" in arguments else done

    return call


def test_a_run_is_listed_shown_cancelled_retried_and_another_started(platform, nautes):
    commit = platform.push(SOURCE, {"src/ask.py": "1\n"}, "Ask")
    (run,) = platform.until(lambda: platform.runs_of(commit), "the run")
    name = run["metadata"]["name"]
    where = ("--product", "orchard", "--output", "json")
    platform.until(lambda: nautes("run", "list", "--commit", commit, *where), "the run in the list")
    (row,) = nautes("run", "list", "--commit", commit, *where)
    assert (row["name"], row["runtime"], row["phase"], row["commit"]) == (name, "apple-ci", "pending", commit)
    assert nautes("run", "show", name, *where)["cluster"] == "build-east"

    stopped = nautes("run", "cancel", name, *where)
    assert [(one["run"], one["result"]) for one in stopped["considered"]] == [(name, "done")]
    (run,) = platform.runs_of(commit)
    assert run["spec"]["status"].startswith("Cancelled")
    platform.play_tekton(run, tekton.CANCELLED)
    platform.until(lambda: nautes("run", "show", name, *where)["phase"] == "cancelled", "its end")

    again = nautes("run", "retry", name, *where)
    (fired,) = [one for one in again["considered"] if one["fired"]]
    assert {one["metadata"]["name"] for one in platform.runs_of(commit)} == {name, fired["run"]}

    started = nautes("run", "start", "apple-ci", *where)
    assert [one["result"] for one in started["considered"] if one["fired"]] == ["done"]
    assert len(platform.runs_of(commit)) == 3
    asked = [run for run in platform.runs_of(commit) if run["metadata"]["name"] != name]
    assert {run["metadata"]["annotations"]["nautes.io/actor"] for run in asked} == {"dev"}
    assert name in nautes("run", "list", "--product", "orchard").stdout


def test_what_does_not_start_says_why_and_what_is_hidden_is_not_there(nautes):
    where = ("--product", "orchard", "--output", "json")
    nothing = nautes("run", "start", "apple-ci", "--branch", "no-such-branch", *where, code=1)
    assert nothing["summary"] == "orchard/apple-api-src has no branch no-such-branch"
    assert "there is no" in nautes("run", "show", "apple-ci-none", "--product", "orchard", code=1).stderr
    hidden = nautes("run", "list", "--product", "orchard", code=1, token="nautes-api-server")
    absent = nautes("run", "list", "--product", "quarry", code=1, token="nautes-api-server")
    assert hidden.stderr.replace("orchard", "x") == absent.stderr.replace("quarry", "x")


def test_the_last_deliveries_are_held_against_declarations_once_more(platform, nautes):
    commit = platform.push(SOURCE, {"src/last.py": "1\n"}, "Last")
    platform.until(lambda: platform.decision(commit), "the decision")
    folder = str(platform.story.clone("orchard/default.project").folder)
    where = ("--product", "orchard", "--repository", "apple-api-src", "--folder", folder)
    rows = nautes("trigger", "test", "--last", "1", *where, "--output", "json")
    now = {(one["runtime"], one["trigger"]): (one["fired"], one["then"]) for one in rows}
    assert set(now.values()) <= {(True, "yes"), (False, "no")}
    assert (True, "yes") in now.values()
    assert "WOULD FIRE" in nautes("trigger", "test", "--last", "3", *where).stdout


def test_path_filters_are_looked_at_for_what_was_pushed(platform, nautes, tmp_path):
    platform.push(SOURCE, {"src/filtered.py": "1\n"}, "Source")
    commit = platform.push(SOURCE, {"README.md": "words\n"}, "Words")
    platform.until(lambda: platform.decision(commit), "the decision")
    for file, text in tree("orchard/default.project").items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(
            text.replace(b"events: [push_events]", b"events: [push_events], paths: [src]")
        )
    where = ("--product", "orchard", "--repository", "apple-api-src", "--folder", str(tmp_path))
    rows = nautes("trigger", "test", "--last", "2", *where, "--output", "json")
    found = [(one["fired"], one["note"]) for one in rows if one["runtime"] == "apple-ci"]
    assert found == [(True, ""), (False, "")]
