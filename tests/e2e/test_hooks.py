"""Hooks on the running platform: a push makes a run with tasks before and after, which are then played task by task."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from nautes_cli.demo.git import run_git
from nautes_cli.demo.systems import PIPELINE_RUNS
from support.hook_server import server
from support.platform import settled
from support.processes import wait_until
from support.ssh import needs_ssh
from support.tekton import FAILED, RUNNING
from support.tekton_tasks import TaskPlayer, decoded

SOURCE, CONFIG, MANAGEMENT = "orchard/apple-api-src", "orchard/default.project", "acme/management"
RUNTIME = "projects/apple-api/apple-hooked.yaml"
TENANT = "nautes/overlays/production/tenant/acme.yaml"
NAMESPACE = "apple-hooked"
MANIFEST = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata:
  name: apple-hooked
spec:
  project: apple-api
  pipelineSource: apple-api-src
  destination: {{environment: build, namespace: apple-hooked}}
  isolation: shared
  pipelines:
    - {{name: build, path: ci/build.yaml}}
  eventSources:
    - name: branches
      gitlab: {{repoName: apple-api-src, revision: "hooked/*", events: [push_events]}}
  pipelineTriggers:
    - {{eventSource: branches, pipeline: build}}
  hooks:
    preHooks:
      - {{name: list-path, vars: {{path: {path}}}}}
      - {{name: wait-for, alias: chat-is-up, vars: {{url: "{url}", seconds: "5"}}}}
    postHooks:
      - {{name: call-webhook, alias: tell, vars: {{url: "{url}", text: "$HOME `id` {{}}"}}}}
"""


@pytest.fixture(scope="module")
def trusting(platform):
    """The tenant declares by what hooks know its servers; that ends with the tests."""
    needs_ssh()
    before = platform.text(MANAGEMENT, TENANT)
    known = platform.described.gitlab_known_hosts.read_text()
    pem = trustme.CA().cert_pem.bytes().decode()
    blocks = (("sshKnownHosts", known), ("certificateAuthorities", pem))
    text = before + "".join(
        f"  {name}: |\n" + "".join(f"    {line}\n" for line in value.splitlines()) for name, value in blocks
    )
    platform.push(MANAGEMENT, {TENANT: text}, "Declare what hooks trust")
    wait_until(lambda: "sshKnownHosts" in declared(platform), timeout=60, what="the tenant's declaration")
    yield
    platform.push(CONFIG, {RUNTIME: None}, "No more hooks\n\nNautes-Allow-Deletions: all")
    wait_until(lambda: beside(platform) == {}, timeout=60, what="keys and authorities being gone")
    platform.push(MANAGEMENT, {TENANT: before}, "Trust as before")
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")


def declared(platform):
    """Return the tenant's declaration once it was taken in."""
    commit = platform.story.clone(MANAGEMENT)
    head = run_git(commit.config, "rev-parse", "HEAD", folder=commit.folder).strip()
    status = platform.commit_statuses(MANAGEMENT, head).get("nautes/declarations", {})
    return platform.text(MANAGEMENT, TENANT) if status.get("status") == "success" else ""


def beside(platform):
    """Return what hooks find in the runtime's namespace, by kind."""
    objects = {"Secret": "secrets/nautes.hook-keys", "ConfigMap": "configmaps/nautes.authorities"}
    found = {
        kind: platform.systems.kubernetes("build-east", f"/api/v1/namespaces/{NAMESPACE}/{path}")
        for kind, path in objects.items()
    }
    return {kind: decoded({"kind": kind, **one}) for kind, one in found.items() if one}


def run_of(platform, branch, path, url):
    """Declare the runtime, push a branch, and return the commit and its run."""
    wanted = platform.push(
        CONFIG, {RUNTIME: MANIFEST.format(path=path, url=url)}, "Put hooks around the build"
    )

    def in_force():
        status = platform.status("orchard", "reconciler")
        return status and (status["commit"], status["result"]) == (wanted, "done")

    platform.until(in_force, "the runtime")
    platform.until(lambda: beside(platform).keys() == {"Secret", "ConfigMap"}, "keys and authorities")
    copy = platform.story.clone(SOURCE)

    def git(*arguments):
        return run_git(copy.config, *arguments, folder=copy.folder).strip()

    git("checkout", "--quiet", "-B", branch, "origin/main")
    (copy.folder / "src").mkdir(exist_ok=True)
    (copy.folder / "src" / "hooked.txt").write_text(branch)
    git("add", "--all")
    git("commit", "--quiet", "--message", f"Grow on {branch}")
    commit = git("rev-parse", "HEAD")
    git("push", "--quiet", "origin", branch)
    git("checkout", "--quiet", "main")

    def started():
        found = platform.systems.kubernetes("build-east", PIPELINE_RUNS.format(namespace=NAMESPACE))
        runs = [
            one
            for one in (found or {"items": []})["items"]
            if one["metadata"]["annotations"]["nautes.io/commit"] == commit
        ]
        return runs[0] if runs else None

    return commit, platform.until(started, "the run")


def play(platform, run, work, fails=()):
    data = beside(platform)
    return TaskPlayer(run, lambda kind, _name: data[kind], work).play(fails)


@pytest.mark.usefixtures("trusting")
def test_tasks_run_in_their_order_and_the_result_is_known(platform, tmp_path):
    with server() as (url, heard):
        commit, run = run_of(platform, "hooked/one", "ci", url)
        played = play(platform, run, tmp_path)
    assert [(one.name, one.succeeded) for one in played] == [
        ("nautes-pre-list-path", True),
        ("nautes-pre-chat-is-up", True),
        ("test", True),
        ("nautes-post-tell", True),
    ], played
    assert played[0].output.splitlines() == ["ci/build.yaml"]  # read over SSH with the repository's own key
    (said,) = heard
    assert said == {
        "text": "$HOME `id` {}",
        "run": run["metadata"]["name"],
        "status": "Succeeded",
        "repository": "apple-api-src",
        "pipelineRepository": "apple-api-src",
        "pipelineRevision": "hooked/one",
        "namespace": NAMESPACE,
        "ref": "refs/heads/hooked/one",
        "commit": commit,
    }


@pytest.mark.usefixtures("trusting")
def test_a_hook_that_fails_keeps_the_pipeline_from_running_and_those_after_it_say_so(platform, tmp_path):
    with server() as (url, heard):
        commit, run = run_of(platform, "hooked/two", "nowhere", url)
        played = play(platform, run, tmp_path)
    assert [(one.name, one.succeeded) for one in played] == [
        ("nautes-pre-list-path", False),
        ("nautes-post-tell", True),
    ]
    assert "nothing lies at nowhere" in played[0].output
    assert [one["status"] for one in heard] == ["Failed"]
    platform.play_tekton(run, RUNNING)
    platform.play_tekton(run, FAILED)

    def told():
        found = platform.commit_statuses(SOURCE, commit).get("nautes/apple-hooked")
        return found and found["status"] == "failed"

    platform.until(told, "the status failed")


@pytest.mark.usefixtures("trusting")
def test_no_key_is_in_a_run_a_record_or_a_log(platform):
    (key,) = (value for name, value in beside(platform)["Secret"].items() if name.endswith(".key"))
    secret = key.splitlines()[2].encode()
    runs = platform.systems.kubernetes("build-east", PIPELINE_RUNS.format(namespace=NAMESPACE))
    seen = json.dumps([runs, platform.api.get("/effects")]).encode()
    seen += b"".join(log.read_bytes() for log in platform.stack.layout.logs.glob("*.log"))
    assert secret not in seen


def test_the_command_line_shows_hooks(platform):
    nautes = str(Path(sys.executable).with_name("nautes"))
    access = ("--api", platform.described.api_url, "--token-file", str(platform.described.tokens["dev"]))

    def call(*arguments):
        return subprocess.run(
            [nautes, "hooks", *arguments, *access], capture_output=True, text=True, check=True
        )

    listed = json.loads(call("list", "-o", "json").stdout)
    assert [one["name"] for one in listed] == ["call-webhook", "list-path", "wait-for"]
    shown = call("show", "wait-for")
    assert "url" in shown.stdout
    assert "wait-for stands before pipelines of tekton" in shown.stderr
