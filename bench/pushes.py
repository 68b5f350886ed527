"""From `git push` to the PipelineRun on the laptop stack: p50 and p99, as a ratio to a bare create of a run.

    python -m bench.pushes [count]

Times are taken by one watcher on the cluster: a run counts when the cluster announces it.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from nautes_cli.client import Api
from nautes_cli.console import say
from nautes_cli.demo.git import run_git
from nautes_cli.demo.story import Story
from nautes_cli.demo.systems import PIPELINE_RUNS, Systems, connect_cluster
from nautes_localstack.stack import Stack

EXAMPLES = Path(__file__).parents[1] / "examples"
RUNS = PIPELINE_RUNS.format(namespace="apple-ci")


class Watcher(threading.Thread):
    """Remembers when the cluster announced the run of each commit."""

    def __init__(self, kubeconfig: Path, runs: str = RUNS) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, float] = {}
        self._runs = runs
        self._client = connect_cluster(kubeconfig)

    def run(self) -> None:
        with self._client.stream(
            "GET", self._runs, params={"watch": "true", "timeoutSeconds": "900"}, timeout=None
        ) as lines:
            for line in lines.iter_lines():
                event = json.loads(line)
                notes = event["object"]["metadata"].get("annotations", {})
                self.seen.setdefault(notes.get("nautes.io/commit", ""), time.perf_counter())


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def bare_create(kubeconfig: Path, count: int = 100) -> float:
    """Return the median seconds of creating a PipelineRun with nothing around it."""
    client = connect_cluster(kubeconfig)
    client.post(
        "/api/v1/namespaces", json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bare"}}
    )
    body = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": {"pipelineRef": {"name": "x"}}}
    times = []
    for number in range(count):
        began = time.perf_counter()
        body["metadata"] = {"name": f"run-{number}"}
        client.post(PIPELINE_RUNS.format(namespace="bare"), json=body).raise_for_status()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure(story: Story, kubeconfig: Path, count: int) -> dict[str, float]:
    """Push `count` times, one after the other, and return what was seen."""
    watcher = Watcher(kubeconfig)
    watcher.start()
    copy = story.clone("orchard/apple-api-src")
    began: dict[str, float] = {}
    pushed: dict[str, float] = {}
    for number in range(count):
        run_git(copy.config, "commit", "--quiet", "--allow-empty", "-m", f"Push {number}", folder=copy.folder)
        commit = run_git(copy.config, "rev-parse", "HEAD", folder=copy.folder).strip()
        began[commit] = time.perf_counter()
        run_git(copy.config, "push", "--quiet", "origin", "HEAD:main", folder=copy.folder)
        pushed[commit] = time.perf_counter()
        if number % 50 == 49:
            say(f"{number + 1} pushes")
    deadline = time.monotonic() + 60
    while not began.keys() <= watcher.seen.keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    missing = began.keys() - watcher.seen.keys()
    if missing:
        raise SystemExit(f"{len(missing)} of {count} pushes started no run")
    whole = [watcher.seen[commit] - began[commit] for commit in began]
    after = [max(0.0, watcher.seen[commit] - pushed[commit]) for commit in began]
    git = [pushed[commit] - began[commit] for commit in began]
    return {
        "pushes": count,
        "git_push_p50_ms": 1000 * quantile(git, 0.5),
        "push_to_run_p50_ms": 1000 * quantile(whole, 0.5),
        "push_to_run_p99_ms": 1000 * quantile(whole, 0.99),
        "after_git_returned_p50_ms": 1000 * quantile(after, 0.5),
        "after_git_returned_p99_ms": 1000 * quantile(after, 0.99),
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="nautes-bench-") as folder:
        stack = Stack(Path(folder) / "state", "bench")
        stack.up(bound=True)
        try:
            described = stack.load()
            token = described.tokens["dev"].read_text().strip()
            work = Path(folder) / "work"
            work.mkdir()
            systems = Systems(described)
            story = Story(
                described,
                systems,
                Api(described.api_url, token),
                EXAMPLES,
                work,
                lambda step: say(step.title),
            )
            story.tell()
            kubeconfig = described.clusters["build-east"].kubeconfig
            bare = bare_create(kubeconfig)
            result = measure(story, kubeconfig, count)
            result["bare_create_p50_ms"] = 1000 * bare
            result["ratio_to_bare_create"] = result["push_to_run_p50_ms"] / result["bare_create_p50_ms"]
            result["rss_mib"] = {part.name: round(part.rss / 1024**2) for part in stack.status().parts}  # type: ignore[assignment]
        finally:
            stack.down()
    print(
        json.dumps(
            {key: round(value, 1) if isinstance(value, float) else value for key, value in result.items()},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
