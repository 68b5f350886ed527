"""`nautes trigger test` on the example product: the same verdicts as on the platform, without one."""

import json

import pytest
from typer.testing import CliRunner

from nautes_cli.__main__ import app
from support import gitlab_payloads as gitlab
from support.examples import EXAMPLES, changed

FOLDER = EXAMPLES / "orchard" / "default.project"
FILE = "projects/apple-api/apple-ci.yaml"


@pytest.fixture
def run(tmp_path):
    def command(payload, *arguments, folder=FOLDER):
        file = tmp_path / "payload.json"
        file.write_text(payload if isinstance(payload, str) else json.dumps(payload))
        return CliRunner().invoke(
            app, ["trigger", "test", "--payload", str(file), "-f", str(folder), *arguments]
        )

    return command


def test_what_would_fire_and_why_not(run):
    result = run(gitlab.push(), "-o", "json")
    assert result.exit_code == 0, result.output
    ci, test = json.loads(result.stdout)
    assert (ci["runtime"], ci["fired"], ci["reason"]) == ("apple-ci", True, "push on main of apple-api-src")
    assert ci["run"].startswith("apple-ci-")
    assert (test["runtime"], test["fired"], test["reason"]) == (
        "apple-test",
        False,
        "it deploys apple-deploy",
    )


def test_a_table_for_people(run):
    result = run(gitlab.push("idea"))
    assert "idea does not match main" in result.stdout
    assert "0 of 2 would fire" in result.stderr


def test_paths_are_said_or_let_pass(run, tmp_path):
    folder = tmp_path / "declared"
    text = changed()[FILE].decode().replace("events: [push_events]", "events: [push_events], paths: [src]")
    for path, content in changed({FILE: text}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    assert "no --changed was given" in run(gitlab.push(), folder=folder).stdout
    result = run(gitlab.push(), "--changed", "docs/a", folder=folder)
    assert "none of 1 changed paths matches src" in result.stdout


@pytest.mark.parametrize(
    ("payload", "arguments", "words"),
    [("{", (), "cannot be read as JSON"), ("[]", (), "not-an-object"), ({"object_kind": "push"}, (), "no-project"),
     (gitlab.push(ref="main"), (), "bad-ref"), (gitlab.push(), ("--repository", "pears"), "declares no CodeRepo 'pears'")],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(run, payload, arguments, words):
    result = run(payload, *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_declarations_that_are_wrong_are_all_named(run, tmp_path):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "a.yaml").write_text("kind: Pod\n")
    result = run(gitlab.push(), folder=tmp_path)
    assert result.exit_code == 1
    assert "envs/a.yaml:1" in result.stderr
    assert "1 violations" in result.stderr


def test_references_that_lead_nowhere_are_named(run, tmp_path):
    for path, content in changed().items():
        (tmp_path / "declared" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "declared" / path).write_bytes(
            content.replace(b"eventSource: source", b"eventSource: sauce")
        )
    result = run(gitlab.push(), folder=tmp_path / "declared")
    assert result.exit_code == 1
    assert "'sauce' does not exist" in result.stderr


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ci/build.yaml", "ci/build.yaml"),
        ("ci/gone.yaml", "there is no file ci/gone.yaml"),
        ("ci/*.yaml", "ci/*.yaml means ci/build.yaml"),
        ("ci/over/", "ci/over/ builds the run build-main"),
        ("ci/broken/", "ci/broken/kustomization.yaml:1 'helmCharts' is not built here"),
        ("ci/linked.yaml", "there is no file ci/linked.yaml"),
    ],
)
def test_what_would_start_is_looked_up_in_a_checkout(run, tmp_path, path, words):
    text = changed()[FILE].decode().replace("path: ci/build.yaml", f"path: {path}")
    pipeline = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: build}\nspec: {}\n"
    over = {"kustomization.yaml": "resources: [run.yaml]\nnameSuffix: -main\n", "run.yaml": pipeline}
    files = {
        **{f"declared/{name}": content.decode() for name, content in changed({FILE: text}).items()},
        **{f"code/ci/over/{name}": content for name, content in over.items()},
        "code/ci/build.yaml": pipeline,
        "code/ci/broken/kustomization.yaml": "helmCharts: []\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "code/ci/linked.yaml").symlink_to(tmp_path / "payload.json")
    folder = tmp_path / "declared"
    result = run(gitlab.push(), "--pipelines", str(tmp_path / "code"), "-o", "json", folder=folder)
    assert result.exit_code == 0, result.output
    ci, test = json.loads(result.stdout)
    assert words in ci["note"]
    assert test["note"] == ""
