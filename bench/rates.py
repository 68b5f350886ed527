"""From a hook call to the stored PipelineRun at fixed rates, beside the most that a bare client creates.

    python -m bench.rates [--rates 20 100 200] [--seconds 10] [--projects 8] [--cluster NAME=KUBECONFIG ...]

Calls are made when they are due, whatever became of those before (an open loop), as GitLab makes them: signed,
with a payload that it sent before and real commits. A call's time counts from when it was due until the cluster
announces its run. Projects take turns; pushes of one project are answered in their order, one by one.
"""

import argparse
import asyncio
import itertools
import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.pushes import EXAMPLES, Watcher, quantile
from bench.repositories import commits, declare, path_of
from nautes_cli.client import Api
from nautes_cli.console import say
from nautes_cli.demo.story import PRODUCT, Story
from nautes_cli.demo.systems import PIPELINE_RUNS, Systems, connect_cluster
from nautes_cli.local import foreign_clusters
from nautes_domain import names
from nautes_localstack.forge.hooks import signing
from nautes_localstack.kubeconfigs import ClusterAccess
from nautes_localstack.stack import Stack

ALL_RUNS = "/apis/tekton.dev/v1/pipelineruns"
IN_FLIGHT = 16
PATIENCE = 180.0


class Caller:
    """Calls the hook of one project as GitLab would."""

    def __init__(self, story: Story, repository: str) -> None:
        systems = story.systems
        project = systems.project(path_of(repository))
        hook = next(iter(systems.gitlab(f"/projects/{project['id']}/hooks")))
        sent = systems.gitlab(f"/projects/{project['id']}/hooks/{hook['id']}/events")[0]
        self._url: str = hook["url"]
        self._payload: Mapping[str, Any] = sent["request_data"]
        path = names.hook_secret_path(names.hook_id(PRODUCT, repository))
        self._secret = systems.vault(f"/hook/data/{path}")["data"]

    async def call(self, client: httpx.AsyncClient, before: str, after: str) -> None:
        commit = {**self._payload["commits"][-1], "id": after}
        body = {**self._payload, "before": before, "after": after, "checkout_sha": after, "commits": [commit]}
        key = str(uuid.uuid4())
        attempt = signing.Attempt(
            "push_hooks", key, str(uuid.uuid4()), str(uuid.uuid4()), int(time.time()), "http://forge", "18.5.0",
            self._secret["token"], self._secret.get("signing_token", ""),
        )  # fmt: skip
        content = json.dumps(body).encode()
        answer = await client.post(self._url, content=content, headers=signing.headers(attempt, content))
        answer.raise_for_status()


Call = tuple[Caller, str, str]
"""Whose hook is called, and the commits before and after."""


def calls_of(story: Story, repositories: Sequence[str], count: int) -> list[Call]:
    """Push commits to all repositories and return the calls that tell of them, the repositories by turns."""
    each = -(-count // len(repositories))
    told = []
    for repository in repositories:
        caller = Caller(story, repository)
        pairs = itertools.pairwise(commits(story, repository, each))
        told.append([(caller, before, after) for before, after in pairs])
    return [call for turn in zip(*told, strict=True) for call in turn][:count]


async def at_rate(calls: Sequence[Call], rate: float) -> dict[str, float]:
    """Make the calls at a rate; return when each was due, by its commit."""
    due: dict[str, float] = {}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client, asyncio.TaskGroup() as made:
        begin = time.perf_counter() + 0.1
        for number, (caller, before, after) in enumerate(calls):
            due[after] = begin + number / rate
            await asyncio.sleep(max(0.0, due[after] - time.perf_counter()))
            made.create_task(caller.call(client, before, after))
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


def measure(watcher: Watcher, calls: Sequence[Call], rate: float, most: float) -> dict[str, float]:
    """Return what one rate gives."""
    due = asyncio.run(at_rate(calls, rate))
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
    parser.add_argument("--rates", nargs="+", type=float, default=[20, 100, 200])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--projects", type=int, default=8)
    parser.add_argument("--cluster", action="append", default=[])
    given = parser.parse_args()
    with told(foreign_clusters(given.cluster)) as story:
        kubeconfig = story.stack.clusters["build-east"].kubeconfig
        repositories = declare(story, given.projects)
        most = asyncio.run(ceiling(kubeconfig))
        say(f"a bare client creates {most:.0f} runs a second, {IN_FLIGHT} requests at once")
        watcher = Watcher(kubeconfig, ALL_RUNS)
        watcher.start()
        for rate in given.rates:
            calls = calls_of(story, repositories, int(rate * given.seconds))
            result = measure(watcher, calls, rate, most)
            print(json.dumps({key: round(value, 2) for key, value in result.items()}), flush=True)


if __name__ == "__main__":
    main()
