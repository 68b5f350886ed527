"""From a hook call to the stored PipelineRun at fixed rates, beside the most that a bare client creates.

    python -m bench.rates [--rates 20 100] [--seconds 10] [--cluster NAME=KUBECONFIG ...]

Calls are made when they are due, whatever became of those before (an open loop), as GitLab makes them: signed,
with a payload that it sent before and real commits. A call's time counts from when it was due until the cluster
announces its run. All calls are of one project, whose pushes are answered in their order, one by one.
"""

import argparse
import asyncio
import itertools
import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.pushes import EXAMPLES, Watcher, quantile
from nautes_cli.client import Api
from nautes_cli.console import say
from nautes_cli.demo.git import run_git
from nautes_cli.demo.story import Story
from nautes_cli.demo.systems import PIPELINE_RUNS, Systems, connect_cluster
from nautes_cli.local import foreign_clusters
from nautes_domain import names
from nautes_localstack.forge.hooks import signing
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.stack import Stack

PROJECT = "orchard/apple-api-src"
IN_FLIGHT = 16
PATIENCE = 180.0


def commits(story: Story, count: int) -> list[str]:
    """Push `count` new commits at once and return them, oldest first, after the one that they follow."""
    copy = story.clone(PROJECT)
    for number in range(count):
        run_git(copy.config, "commit", "--quiet", "--allow-empty", "-m", f"Call {number}", folder=copy.folder)
    run_git(copy.config, "push", "--quiet", "origin", "HEAD:main", folder=copy.folder)
    return run_git(
        copy.config, "rev-list", "--reverse", "-n", str(count + 1), "HEAD", folder=copy.folder
    ).split()


class Caller:
    """Calls the hook of the project as GitLab would."""

    def __init__(self, story: Story) -> None:
        systems = story.systems
        project = systems.project(PROJECT)
        hook = next(iter(systems.gitlab(f"/projects/{project['id']}/hooks")))
        sent = systems.gitlab(f"/projects/{project['id']}/hooks/{hook['id']}/events")[0]
        self._url: str = hook["url"]
        self._payload: Mapping[str, Any] = sent["request_data"]
        path = names.hook_secret_path(names.hook_id(*PROJECT.split("/")))
        self._secret = systems.vault(f"/hook/data/{path}")["data"]

    async def call(self, client: httpx.AsyncClient, before: str, after: str) -> None:
        body = {**self._payload, "before": before, "after": after, "checkout_sha": after, "commits": []}
        key = str(uuid.uuid4())
        attempt = signing.Attempt(
            "push_hooks", key, str(uuid.uuid4()), str(uuid.uuid4()), int(time.time()), "http://forge", "18.5.0",
            self._secret["token"], self._secret.get("signing_token", ""),
        )  # fmt: skip
        content = json.dumps(body).encode()
        answer = await client.post(self._url, content=content, headers=signing.headers(attempt, content))
        answer.raise_for_status()


async def at_rate(caller: Caller, chain: list[str], rate: float) -> dict[str, float]:
    """Make a call for each commit of the chain but the first; return when each was due."""
    due: dict[str, float] = {}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client, asyncio.TaskGroup() as calls:
        begin = time.perf_counter() + 0.1
        for number, (before, after) in enumerate(itertools.pairwise(chain)):
            due[after] = begin + number / rate
            await asyncio.sleep(max(0.0, due[after] - time.perf_counter()))
            calls.create_task(caller.call(client, before, after))
    return due


async def ceiling(kubeconfig: Path, count: int = 600) -> float:
    """Return how many PipelineRuns a second a bare client creates with `IN_FLIGHT` requests at once."""
    access = ClusterAccess.read(kubeconfig)
    with connect_cluster(kubeconfig) as plain:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ceiling"}}
        plain.post("/api/v1/namespaces", json=namespace)
    numbers = iter(range(count))
    path = PIPELINE_RUNS.format(namespace="ceiling")

    async def create(client: httpx.AsyncClient) -> None:
        for number in numbers:
            body = {
                "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": f"run-{number}"},
                "spec": {"pipelineRef": {"name": "x"}, "status": "PipelineRunPending"},
            }  # fmt: skip
            (await client.post(path, json=body)).raise_for_status()

    headers = {"Authorization": f"Bearer {access.token}"}
    async with httpx.AsyncClient(
        base_url=access.server, headers=headers, verify=access.trust(), trust_env=False, timeout=30
    ) as client:
        began = time.perf_counter()
        await asyncio.gather(*(create(client) for _ in range(IN_FLIGHT)))
        return count / (time.perf_counter() - began)


def measure(story: Story, kubeconfig: Path, rate: float, seconds: float, most: float) -> dict[str, float]:
    """Return what one rate gives."""
    chain = commits(story, int(rate * seconds))
    watcher = Watcher(kubeconfig)
    watcher.start()
    due = asyncio.run(at_rate(Caller(story), chain, rate))
    deadline = time.monotonic() + PATIENCE
    while not due.keys() <= watcher.seen.keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    if missing := due.keys() - watcher.seen.keys():
        raise SystemExit(f"{len(missing)} of {len(due)} calls started no run")
    took = [watcher.seen[commit] - at for commit, at in due.items()]
    lasted = max(watcher.seen[commit] for commit in due) - min(due.values())
    return {
        "calls_per_s": rate, "calls": len(due), "runs_per_s": len(due) / lasted,
        "share_of_ceiling": len(due) / lasted / most,
        "p50_ms": 1000 * quantile(took, 0.5), "p99_ms": 1000 * quantile(took, 0.99),
    }  # fmt: skip


@contextmanager
def told(clusters: Mapping[str, Path]) -> Iterator[Story]:
    """Run a stack of its own on which the demo was told."""
    with tempfile.TemporaryDirectory(prefix="nautes-bench-") as folder:
        stack = Stack(Path(folder) / "state", "bench")
        described = stack.up(bound=True, clusters=clusters)
        try:
            work = Path(folder) / "work"
            work.mkdir()
            api = Api(described.api_url, described.tokens["dev"].read_text().strip())
            story = Story(described, Systems(described), api, EXAMPLES, work, lambda step: say(step.title))
            story.tell()
            yield story
        finally:
            stack.down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", nargs="+", type=float, default=[20, 100])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--cluster", action="append", default=[])
    given = parser.parse_args()
    with told(foreign_clusters(given.cluster)) as story:
        kubeconfig = story.stack.clusters["build-east"].kubeconfig
        most = asyncio.run(ceiling(kubeconfig))
        say(f"a bare client creates {most:.0f} runs a second, {IN_FLIGHT} requests at once")
        for rate in given.rates:
            result = measure(story, kubeconfig, rate, given.seconds, most)
            print(json.dumps({key: round(value, 2) for key, value in result.items()}), flush=True)


if __name__ == "__main__":
    main()
