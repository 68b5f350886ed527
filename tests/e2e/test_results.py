"""What becomes of a run stands beside its commit, whatever happens to who follows it. Tekton's part is played here."""

import json

import httpx
import pytest

from support.tekton import RUNNING, SUCCEEDED
from support.tekton import status as tekton_status

SOURCE = "orchard/apple-api-src"


@pytest.fixture
def pushed(platform):
    """A commit and its run, which the code host knows to be pending."""

    def push(text):
        commit = platform.push(SOURCE, {"src/result.txt": f"{text}\n"}, text)
        (run,) = platform.until(lambda: platform.runs_of(commit), "the run")
        platform.until(lambda: platform.run_status(SOURCE, commit, "pending"), "the status pending")
        return commit, run

    return push


def written(platform, commit):
    """Every status that was ever written beside a commit, oldest first."""
    project = platform.systems.project(SOURCE)["id"]
    path = f"/projects/{project}/repository/commits/{commit}/statuses?all=true"
    return [row["status"] for row in platform.systems.gitlab(path)]


def records(platform, commit):
    """The results of all effect records about the statuses of a commit."""
    found = platform.api.get("/effects")["items"]
    return [
        one["result"] for one in found if one["cause"]["commit"] == commit and "CommitStatus" in one["object"]
    ]


def test_a_run_is_pending_then_running_then_a_success(platform, pushed):
    commit, run = pushed("Grow apples")
    platform.play_tekton(run, RUNNING)
    platform.until(lambda: platform.run_status(SOURCE, commit, "running"), "the status running")
    platform.play_tekton(run, SUCCEEDED)
    status = platform.until(lambda: platform.run_status(SOURCE, commit, "success"), "the status success")
    assert status["description"].endswith("on build-east succeeded in 1 min 12 s")
    assert written(platform, commit) == ["success"]  # one status that moved on


def test_a_run_that_fails_says_why_beside_the_commit(platform, pushed):
    commit, run = pushed("Grow rotten apples")
    platform.play_tekton(run, RUNNING)
    platform.fail_in_tekton(run)
    status = platform.until(lambda: platform.run_status(SOURCE, commit, "failed"), "the status failed")
    assert status["description"].startswith('Failed: task unit: "step-unit" exited with code 3')


def test_a_reconciler_that_is_killed_in_between_loses_nothing_and_says_nothing_twice(platform, pushed):
    commit, run = pushed("Grow apples in a storm")
    ended, other = pushed("Grow apples that ripen before it")
    platform.play_tekton(other, SUCCEEDED)
    platform.until(lambda: platform.run_status(SOURCE, ended, "success"), "the status success")
    platform.play_tekton(run, RUNNING)
    platform.until(lambda: platform.run_status(SOURCE, commit, "running"), "the status running")
    platform.stack.kill("reconciler", hold=True)
    platform.play_tekton(run, SUCCEEDED)
    platform.stack.release("reconciler")
    platform.until(lambda: platform.run_status(SOURCE, commit, "success"), "the status success")

    def marked():
        notes = [one["metadata"]["annotations"] for one in platform.runs_of(commit)]
        return [one for one in notes if one.get("nautes.io/reported") == "succeeded"]

    platform.until(marked, "the mark on the run")
    assert [written(platform, one) for one in (commit, ended)] == [["success"], ["success"]]
    assert [records(platform, one) for one in (commit, ended)] == [["done"] * 3, ["done"] * 2]


def test_reports_hold_no_secret(platform, pushed):
    commit, run = pushed("Grow secret apples")
    canary = "glpat-canary-4711-0815"
    message = f"failed to fetch https://bot:{canary}@git.example/x.git"
    platform.play_tekton(run, tekton_status("False", "CouldntGetPipeline", message))
    status = platform.until(lambda: platform.run_status(SOURCE, commit, "failed"), "the status failed")
    assert status["description"].startswith("CouldntGetPipeline: failed to fetch https://git.example/x.git")
    seen = b"".join(log.read_bytes() for log in platform.stack.layout.logs.glob("*.log"))
    seen += json.dumps(platform.api.get("/effects")).encode()
    assert b"canary" not in seen


def test_the_reconcilers_account_cannot_write_what_tekton_writes(platform, pushed):
    """It may mark, stop and delete a run; the status, by which the run is judged, is not its to write."""
    _, run = pushed("Grow honest apples")
    metadata = run["metadata"]
    token = platform.systems.vault("cluster/data/kubernetes/build-east/nautes-reconciler")["data"]
    path = f"/apis/tekton.dev/v1/namespaces/{metadata['namespace']}/pipelineruns/{metadata['name']}"
    described = platform.described.clusters["build-east"]
    answers = {}
    for method, place in (("PATCH", f"{path}/status"), ("PUT", path)):
        answer = httpx.request(
            method,
            f"{described.url}{place}",
            json={"status": SUCCEEDED} if method == "PATCH" else run,
            headers={
                "Authorization": f"Bearer {token['token']}",
                "Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json",
            },
            verify=False,
        )
        answers[method] = answer.status_code
    assert answers == {"PATCH": 403, "PUT": 403}
