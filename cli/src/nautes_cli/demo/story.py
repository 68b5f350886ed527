"""The steps of the demo: what is pushed, and what must be there afterwards in the systems themselves."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeVar

from nautes_cli.client import Api
from nautes_cli.demo.git import Clone, clone, copy_tree, credentials
from nautes_cli.demo.systems import APPLICATION, PIPELINE_RUNS, REPOSITORIES, Systems
from nautes_domain import names
from nautes_localstack.description import StackDescription

PRODUCT: Final = "orchard"
PATIENCE: Final = 60.0
"""Seconds that any single thing may take."""

Found = TypeVar("Found")


class NotReachedError(Exception):
    """Something that should have become true did not."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step, as it is shown."""

    title: str
    seconds: float
    details: tuple[str, ...]


@dataclass(slots=True)
class Story:
    """The demo on one running stack. Each step pushes, waits, and reads back."""

    stack: StackDescription
    systems: Systems
    api: Api
    examples: Path
    work: Path
    show: Callable[[StepDone], None]
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        """Prepare git with the developer's token."""
        self.config = credentials(self.work, "dev", self.stack.tokens["dev"].read_text().strip())

    def tell(self) -> tuple[str, str]:
        """Run all steps; return the commits of the declarations and of the source push."""
        self._tenant()
        declared = self._product()
        self._manifests()
        return declared, self._source()

    def _tenant(self) -> None:
        tenant = self.stack.tenant
        with self._step("the tenant declares two clusters and a product") as details:
            project = names.project_path(tenant, names.TENANT_PROJECT)
            self.until(lambda: self.hooked(project), f"a hook on {project}")
            copy = self.clone(project)
            addresses = {
                f"https://{name}.clusters.example:6443": it.url for name, it in self.stack.clusters.items()
            }
            copy_tree(self.examples / "management", copy.folder, addresses)
            commit = copy.push("Declare two clusters and the product orchard")
            details.append(f"git push {project} {commit[:8]}")
            config = names.project_path(PRODUCT, names.CONFIG_PROJECT)
            self.until(lambda: self.hooked(config), f"a hook on {config}")
            details.append(f"GitLab: group {PRODUCT}, project {config}, hooks")
            registered = self.until(self._registered, "both clusters in Argo CD")
            details.append(f"Argo CD: cluster secrets {', '.join(registered)}")

    def _product(self) -> str:
        with self._step("the product declares repositories, environments and runtimes") as details:
            project = names.project_path(PRODUCT, names.CONFIG_PROJECT)
            copy = self.clone(project)
            count = copy_tree(self.examples / PRODUCT / names.CONFIG_PROJECT, copy.folder, {})
            commit = copy.push("Declare what orchard is built of and where it runs")
            details.append(f"git push {project} {commit[:8]} ({count} files)")
            for repository in ("apple-api-src", "apple-web-src", "apple-deploy"):
                path = names.project_path(PRODUCT, repository)
                found = self.until(lambda path=path: self.hooked(path), f"a hook on {path}")  # type: ignore[misc]
                key = f"/projects/{found['id']}/deploy_keys"
                self.until(lambda key=key: self.systems.gitlab(key), f"a deploy key on {path}")  # type: ignore[misc]
            details.append("GitLab: three projects, each with hook and deploy key")
            account = "/api/v1/namespaces/apple-ci/serviceaccounts/apple-builder"
            self.until(lambda: self.systems.kubernetes("build-east", account), "the build account")
            details.append("build-east: namespace apple-ci, account apple-builder, its role and binding")
            application = self.until(self.application, "the Application")
            path = application["spec"]["source"]["path"]
            details.append(f"Argo CD: Application {application['metadata']['name']} deploys {path}")
            url = application["spec"]["source"]["repoURL"]
            secret = self.until(
                lambda: self._readable(url), "the key with which Argo CD reads the repository"
            )
            details.append(f"Argo CD: Secret {secret} reads {url} with the repository's own key")
            for cluster, account in (("build-east", "apple-builder"), ("run-east", "apple-deployer")):
                details.append(f"Vault: {self._vault_role(cluster, account)}")
            return commit

    def _manifests(self) -> None:
        with self._step("a push of manifests refreshes the Application") as details:
            copy = self.clone(names.project_path(PRODUCT, "apple-deploy"))
            copy_tree(self.examples / PRODUCT / "apple-deploy", copy.folder, {})
            commit = copy.push("Say hello from test")
            details.append(f"git push {PRODUCT}/apple-deploy {commit[:8]}")

            def refreshed() -> Any:
                found = self.application()
                annotations = found["metadata"].get("annotations", {}) if found else {}
                return annotations if annotations.get("nautes.io/refreshed-commit") == commit else None

            annotations = self.until(refreshed, "the refresh of the Application")
            asked = annotations.get("argocd.argoproj.io/refresh", "taken up")
            details.append(f"Argo CD: refresh {asked} for {commit[:8]}")

    def _source(self) -> str:
        with self._step("a push of source starts a pipeline") as details:
            copy = self.clone(names.project_path(PRODUCT, "apple-api-src"))
            copy_tree(self.examples / PRODUCT / "apple-api-src", copy.folder, {})
            commit = copy.push("Build apples")
            details.append(f"git push {PRODUCT}/apple-api-src {commit[:8]}")

            def run() -> Any:
                path = PIPELINE_RUNS.format(namespace="apple-ci")
                found = self.systems.kubernetes("build-east", path) or {"items": []}
                annotations = ((one, one["metadata"].get("annotations", {})) for one in found["items"])
                return next(
                    (one for one, notes in annotations if notes.get("nautes.io/commit") == commit), None
                )

            found = self.until(run, "the PipelineRun")
            account = found["spec"]["taskRunTemplate"]["serviceAccountName"]
            details.append(f"Tekton: PipelineRun apple-ci/{found['metadata']['name']} as {account}")
            return commit

    @contextmanager
    def _step(self, title: str) -> Iterator[list[str]]:
        details: list[str] = []
        began = monotonic()
        yield details
        self.show(StepDone(title, monotonic() - began, tuple(details)))

    def clone(self, project: str) -> Clone:
        """Return a working copy of a project; the same one when asked again."""
        folder = self.work / project.replace("/", "-")
        if folder.exists():
            return Clone(folder, self.config)
        return clone(f"{self.stack.gitlab_url}/{project}.git", folder, self.config)

    def until(self, ask: Callable[[], Found | None], what: str) -> Found:
        """Ask until there is an answer. Raises NotReachedError when patience ends."""
        deadline = monotonic() + PATIENCE
        while not (found := ask()):
            if monotonic() > deadline:
                raise NotReachedError(f"{what} did not appear within {PATIENCE:.0f} s")
            sleep(0.05)
        return found

    def hooked(self, path: str) -> Any:
        """Return a project once it has a hook."""
        project = self.systems.project(path)
        hooks = self.systems.gitlab(f"/projects/{project['id']}/hooks") if project else None
        return project if hooks else None

    def _registered(self) -> list[str] | None:
        path = "/api/v1/namespaces/argocd/secrets?labelSelector=argocd.argoproj.io%2Fsecret-type%3Dcluster"
        found = self.systems.kubernetes("management", path) or {"items": []}
        registered = sorted(one["metadata"]["name"] for one in found["items"])
        return registered if len(registered) >= 2 else None

    def _readable(self, url: str) -> str | None:
        found = self.systems.kubernetes("management", REPOSITORIES) or {"items": []}
        encoded = base64.b64encode(url.encode()).decode()
        return next(
            (str(one["metadata"]["name"]) for one in found["items"] if one["data"].get("url") == encoded),
            None,
        )

    def application(self) -> Any:
        """Return the example's Application."""
        path = APPLICATION.format(name=names.dotted(PRODUCT, "apple-test"))
        return self.systems.kubernetes("management", path)

    def _vault_role(self, cluster: str, account: str) -> str:
        path = f"/auth/{cluster}/role/{PRODUCT}.{account}"
        role = self.until(lambda: self.systems.vault(path), f"the Vault role of {account}")
        policies = ", ".join(role.get("token_policies") or [])
        namespaces = ", ".join(role["bound_service_account_namespaces"])
        return f"auth/{cluster}/role/{PRODUCT}.{account} for {namespaces}, policy {policies}"
