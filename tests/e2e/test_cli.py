"""`nautes status` and `nautes trace` as people and scripts call them."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

NAUTES = str(Path(sys.executable).with_name("nautes"))


def nautes(platform, *arguments, token="dev"):
    access = ("--api", platform.described.api_url, "--token-file", str(platform.described.tokens[token]))
    return subprocess.run([NAUTES, *arguments, *access], capture_output=True, text=True, check=False)


def test_status_tells_per_service_how_far_declarations_are_applied(platform):
    done = nautes(platform, "status", "orchard", "--output", "json")
    assert done.returncode == 0, done.stderr
    (scope,) = json.loads(done.stdout)
    assert scope["result"] == "done"
    assert {one["service"] for one in scope["services"]} >= {"declarations", "reconciler", "secret-broker"}
    table = nautes(platform, "status")
    assert "product_orchard" in table.stdout
    assert "cluster_build-east" in table.stdout


def test_trace_tells_what_a_commit_led_to_and_why(platform):
    commit = platform.push("orchard/apple-api-src", {"src/trace.py": "1\n"}, "Be traced")
    platform.until(lambda: platform.decision(commit), "the decision")
    done = nautes(platform, "trace", commit[:10], "--output", "json")
    assert done.returncode == 0, done.stderr
    (trace,) = json.loads(done.stdout)
    # The status beside the commit is told by who follows the run: before the decision is written, or after.
    steps = [step for step in trace["steps"] if "CommitStatus" not in step["text"]]
    assert [step["what"] for step in steps] == ["delivery", "effect", "decision"]
    run = platform.runs_of(commit)[0]["metadata"]["name"]
    assert run in steps[1]["text"]
    words = nautes(platform, "trace", commit)
    assert "not fired, since it deploys apple-deploy" in words.stderr


def test_trace_tells_how_a_run_ended(platform):
    commit = platform.push("orchard/apple-api-src", {"src/fall.py": "1\n"}, "Fall over")
    (run,) = platform.until(lambda: platform.runs_of(commit), "the run")
    platform.fail_in_tekton(run)

    def told():
        (trace,) = json.loads(nautes(platform, "trace", commit, "--output", "json").stdout)
        return [step for step in trace["steps"] if "CommitStatus" in step["text"] and "unit" in step["text"]]

    (step,) = platform.until(told, "the end of the run in the trace")
    assert (step["what"], step["service"], step["result"]) == ("effect", "reconciler", "done")
    assert 'Failed: task unit: "step-unit" exited with code 3' in step["text"]
    assert run["metadata"]["name"] in nautes(platform, "trace", commit).stdout


def test_what_is_not_known_ends_with_one_and_says_so(platform):
    done = nautes(platform, "trace", "ffffffffff")
    assert done.returncode == 1
    assert "nothing is known" in done.stderr
    done = nautes(platform, "status", "vineyard")
    assert done.returncode == 1
    assert "there is no product 'vineyard' that you may see" in done.stderr


@pytest.mark.parametrize(
    "path", ["/scopes", "/effects", "/products/orchard/status", "/trace/x", "/deliveries"]
)
def test_nobody_sees_anything_without_a_token_of_the_code_host(platform, path):
    url = f"{platform.described.api_url}/api/v1{path}"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"PRIVATE-TOKEN": "wrong"}):
        answer = httpx.get(url, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_stranger_sees_neither_products_nor_that_they_exist(platform):
    api = platform.described.api_url
    token = platform.described.tokens["nautes-api-server"].read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    for product in ("orchard", "vineyard"):
        answer = httpx.get(f"{api}/api/v1/products/{product}/status", headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (404, "PRODUCT_NOT_FOUND")
    for listing in ("scopes", "effects", "decisions", "deliveries"):
        assert httpx.get(f"{api}/api/v1/{listing}", headers=headers).json()["items"] == []


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_refused(platform, since):
    headers = {"Authorization": f"Bearer {platform.described.tokens['dev'].read_text().strip()}"}
    answer = httpx.get(
        f"{platform.described.api_url}/api/v1/effects", params={"since": since}, headers=headers
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "BAD_TIME")
