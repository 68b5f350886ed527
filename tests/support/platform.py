"""The whole platform on a laptop stack of its own, and what tests do with it: push, wait, look."""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from nautes_cli.client import Api, ApiError
from nautes_cli.demo.story import Story
from nautes_cli.demo.systems import PIPELINE_RUNS, Systems, connect_cluster
from nautes_localstack.stack import Stack
from support.examples import EXAMPLES
from support.processes import wait_until
from support.tekton import FAILED, MERGE, TASK_FAILED, failing_task

REPOSITORY_SECRET = "nautes-repository.orchard.apple-deploy"


class Platform:
    """One running stack with the example tenant and product pushed to it."""

    def __init__(self, stack: Stack, work: Path) -> None:
        self.stack = stack
        self.described = stack.load()
        token = self.described.tokens["dev"].read_text().strip()
        self.api = Api(self.described.api_url, token)
        self.systems = Systems(self.described)
        work.mkdir(exist_ok=True)
        self.story = Story(self.described, self.systems, self.api, EXAMPLES, work, lambda _: None)

    def push(self, project: str, files: dict[str, str | None], message: str = "Change something") -> str:
        """Change files (None removes one) and push, after what others pushed meanwhile; return the commit."""
        copy = self.story.clone(project)
        copy.pull()
        for name, text in files.items():
            path = copy.folder / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return copy.push(message)

    def text(self, project: str, file: str) -> str:
        """Return a file of the working copy."""
        return (self.story.clone(project).folder / file).read_text()

    def until(self, ask: Callable[[], Any], what: str) -> Any:
        """Ask until there is an answer."""
        return self.story.until(ask, what)

    def runs(self, namespace: str = "apple-ci") -> list[dict[str, Any]]:
        """Return the PipelineRuns of the build cluster."""
        found = self.systems.kubernetes("build-east", PIPELINE_RUNS.format(namespace=namespace))
        return found["items"] if found else []

    def runs_of(self, commit: str) -> list[dict[str, Any]]:
        """Return the PipelineRuns that a commit started."""
        return [
            run
            for run in self.runs()
            if run["metadata"].get("annotations", {}).get("nautes.io/commit") == commit
        ]

    def commit_statuses(self, project: str, commit: str) -> dict[str, dict[str, Any]]:
        """Return the newest status of each name beside a commit."""
        found = self.systems.project(project)
        rows = self.systems.gitlab(f"/projects/{found['id']}/repository/commits/{commit}/statuses") or []
        return {row["name"]: row for row in sorted(rows, key=lambda row: row["id"])}

    def run_status(self, project: str, commit: str, state: str = "") -> dict[str, Any] | None:
        """Return the status of the example's pipeline runtime beside a commit, once it is `state` if one is given."""
        found = self.commit_statuses(project, commit).get("nautes/apple-ci")
        return found if found and state in ("", found["status"]) else None

    def play_tekton(self, run: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Write the status of a run, as Tekton's controller does; return the run."""
        metadata = run["metadata"]
        path = f"{PIPELINE_RUNS.format(namespace=metadata['namespace'])}/{metadata['name']}/status"
        with connect_cluster(self.described.clusters["build-east"].kubeconfig) as cluster:
            answer = cluster.patch(path, json={"status": status}, headers={"Content-Type": MERGE})
        return answer.raise_for_status().json()

    def fail_in_tekton(self, run: dict[str, Any]) -> None:
        """Fail the task `unit` of a run, and the run with it."""
        task = failing_task(run)
        path = f"/apis/tekton.dev/v1/namespaces/{task['metadata']['namespace']}/taskruns"
        with connect_cluster(self.described.clusters["build-east"].kubeconfig) as cluster:
            cluster.post(path, json=task).raise_for_status()
            status = cluster.patch(
                f"{path}/{task['metadata']['name']}/status",
                json={"status": TASK_FAILED},
                headers={"Content-Type": MERGE},
            )
            status.raise_for_status()
        self.play_tekton(run, FAILED)

    def decision(self, commit: str) -> dict[str, Any] | None:
        """Return the newest decision about a commit."""
        try:
            found = [one for one in self.api.get("/decisions")["items"] if one["cause"]["commit"] == commit]
        except ApiError:
            return None
        return found[-1] if found else None

    def status(self, product: str, service: str) -> dict[str, Any] | None:
        """Return what a service last made of a product."""
        try:
            found = self.api.get(f"/products/{product}/status")["services"]
        except ApiError:
            return None
        return next((one for one in found if one["service"] == service), None)

    def inventory(self) -> dict[str, Any]:
        """Return what is ours in all systems, by address: for comparing before and after."""
        found: dict[str, Any] = {}
        ours = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dnautes"
        core, rbac, argo = "/api/v1", "/apis/rbac.authorization.k8s.io/v1", "/apis/argoproj.io/v1alpha1"
        for cluster in ("build-east", "run-east"):
            for path in (
                f"{core}/namespaces",
                f"{core}/serviceaccounts",
                f"{rbac}/roles",
                f"{rbac}/rolebindings",
            ):
                for one in self.systems.kubernetes(cluster, f"{path}?{ours}")["items"]:
                    if "deletionTimestamp" not in one["metadata"]:
                        place = one["metadata"].get("namespace", "")
                        found[f"{cluster}{path}/{place}/{one['metadata']['name']}"] = one["metadata"]["uid"]
            for role in (self.systems.vault(f"auth/{cluster}/role?list=true") or {"keys": []})["keys"]:
                found[f"vault/auth/{cluster}/{role}"] = json.dumps(
                    self.systems.vault(f"auth/{cluster}/role/{role}")
                )
        for path in (f"{argo}/applications", f"{argo}/appprojects", f"{core}/namespaces/argocd/secrets"):
            for one in self.systems.kubernetes("management", f"{path}?{ours}")["items"]:
                found[f"argocd/{path}/{one['metadata']['name']}"] = one["metadata"]["uid"]
        for policy in self.systems.vault("sys/policies/acl?list=true")["keys"]:
            found[f"vault/policy/{policy}"] = json.dumps(self.systems.vault(f"sys/policies/acl/{policy}"))
        for project in self.systems.gitlab("/projects?per_page=100&archived=false"):
            hooks = self.systems.gitlab(f"/projects/{project['id']}/hooks")
            found[f"gitlab/{project['path_with_namespace']}"] = sorted(hook["url"] for hook in hooks)
        return found

    def repository_secret(self) -> dict[str, str] | None:
        """Return what Argo CD is told of the example's repository, decoded; None while it is not told anything."""
        path = f"/api/v1/namespaces/argocd/secrets/{REPOSITORY_SECRET}"
        found = self.systems.kubernetes("management", path)
        return found and {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def metrics(self, service: str) -> str:
        """Return what a service counts, in Prometheus' text format."""
        health = self.described.parts[service].health_url
        return httpx.get(health.replace("/readyz", "/metrics")).raise_for_status().text

    def close(self) -> None:
        """Close connections."""
        self.systems.close()
        self.api.close()


@contextmanager
def running_platform(folder: Path, name: str, clusters: Mapping[str, Path] | None = None):
    """Run a stack of its own, tell the demo's story on it, and stop it; `clusters`: kubeconfigs of other clusters."""
    stack = Stack(folder / "state", name)
    stack.up(bound=True, clusters=clusters, traces=True)
    platform = Platform(stack, folder / "work")
    try:
        platform.story.tell()
        wait_until(lambda: settled(platform), timeout=60, what="every scope being done")
        yield platform
    finally:
        platform.close()
        stack.down()


def settled(platform: Platform) -> bool:
    """Say whether every scope of every service is as declared."""
    try:
        scopes = platform.api.get("/scopes")["items"]
    except ApiError:
        return False
    return bool(scopes) and all(scope["result"] == "done" for scope in scopes)
