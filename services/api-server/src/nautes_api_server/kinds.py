"""The eight kinds that the API serves: their routes, bodies, filters, and the way between bodies and manifests. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic.alias_generators import to_camel

from nautes_api_server.bodies.base import Body, View, filled, manifest_of
from nautes_api_server.bodies.cluster import ClusterBody, ClusterView
from nautes_api_server.bodies.product import (
    CodeRepoBindingBody,
    CodeRepoBindingView,
    CodeRepoBody,
    CodeRepoView,
    EnvironmentBody,
    EnvironmentView,
    ProductBody,
    ProductView,
    ProjectBody,
    ProjectView,
)
from nautes_api_server.bodies.runtimes import (
    DeploymentRuntimeBody,
    DeploymentRuntimeView,
    ProjectPipelineRuntimeBody,
    ProjectPipelineRuntimeView,
)
from nautes_domain import names
from nautes_domain.components import REQUIRED
from nautes_domain.drafts import Spec
from nautes_domain.failures import Violation
from nautes_domain.selectors import Field, Match
from nautes_domain.snapshot import TENANT_KEY

Into = Callable[[str, str, Any, Spec], dict[str, Any]]
"""Product, name, body and the spec before to the spec that is declared."""

FILLED: Final[Mapping[str, Mapping[str, str]]] = {
    category: {"name": name, "namespace": namespace}
    for category, name, namespace in (
        ("deployment", "argocd", "argocd"),
        ("eventListener", "argo-events", "argo-events"),
        ("gateway", "traefik", "traefik"),
        ("multiTenant", "hnc", "hnc-system"),
        ("oauthProxy", "oauth2-proxy", "oauth2-proxy"),
        ("pipeline", "tekton", "tekton-pipelines"),
        ("progressiveDelivery", "argo-rollouts", "argo-rollouts"),
        ("secretManagement", "vault", "vault"),
        ("secretSync", "external-secrets", "external-secrets"),
    )
}
"""Components that a cluster gets where it needs one and nobody chose any, as in the original (sections 2.9 and 7.2)."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where repositories are cloned from; without slashes at the end."""

    http: str
    ssh: str = ""

    def of(self, product: str, repo: str) -> dict[str, str]:
        """Return the addresses of a repository."""
        ssh = f"{self.ssh}/{product}/{repo}.git" if self.ssh else ""
        return {"ssh_url_to_repo": ssh, "http_url_to_repo": f"{self.http}/{product}/{repo}.git"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as the API serves it."""

    kind: str
    """As in manifests."""
    segment: str
    """Its word in paths: `/api/v1/products/{product_name}/environments`."""
    parameter: str
    """The name of the path's last parameter (section 2.3)."""
    body: type[Body]
    view: type[View]
    fields: Mapping[str, Field]
    """What `field_selector` can ask for."""
    into: Into
    tenant: bool = False
    """It lies in the tenant's repository, and not in a product's."""
    kept: frozenset[str] = field(default_factory=frozenset)
    """Fields of the spec that bodies do not have: saving leaves them as they are."""

    def scope(self, product: str) -> str:
        """Return the scope whose repository declares it; `product` counts for nothing where the tenant declares."""
        return TENANT_KEY if self.tenant else names.scope("product", product)

    @property
    def collection(self) -> str:
        """The path of the list."""
        return (
            f"/api/v1/{self.segment}" if self.tenant else f"/api/v1/products/{{product_name}}/{self.segment}"
        )

    @property
    def item(self) -> str:
        """The path of one."""
        return f"{self.collection}/{{{self.parameter}}}"

    def spec(self, product: str, name: str, body: Any, before: Spec) -> dict[str, Any]:
        """Return what is declared when a body is saved over what was there (empty if nothing was)."""
        kept = {key: value for key, value in before.items() if key in self.kept}
        return {**kept, **self.into(product, name, body, before)}

    def shown(self, product: str, name: str, spec: Any, addresses: Addresses) -> View:
        """Return the reply for a manifest."""
        fields = filled(spec)
        if self.kind in {"CodeRepo", "Product"}:
            place = {"name": name, "path": name, **fields.get("git", {}).get("gitlab", {})}
            cloned = addresses.of(product, name) if self.kind == "CodeRepo" else {}
            fields["git"] = {"gitlab": {**place, **cloned}}
        owner = {} if self.tenant or self.kind == "CodeRepoBinding" else {"product": product}
        return self.view.model_validate({**fields, **owner, "name": name})


def _of_product(_: str, name: str, body: ProductBody, __: Spec) -> dict[str, Any]:
    return {"name": name, **manifest_of(body)}


def _owned(product: str, _: str, body: Body, __: Spec) -> dict[str, Any]:
    return {"product": product, **manifest_of(body)}


def _of_repo(product: str, name: str, body: CodeRepoBody, _: Spec) -> dict[str, Any]:
    return {"product": product, "repoName": name, **manifest_of(body)}


def _of_pipeline(_: str, __: str, body: ProjectPipelineRuntimeBody, ___: Spec) -> dict[str, Any]:
    return dict(manifest_of(body))


def _of_cluster(_: str, __: str, body: ClusterBody, before: Spec) -> dict[str, Any]:
    spec = dict(manifest_of(body))
    if "allowedProducts" not in spec and "allowedProducts" in before:
        spec["allowedProducts"] = before["allowedProducts"]
    chosen, there = spec["componentsList"], before.get("componentsList") or {}
    needed = REQUIRED.get((body.usage, body.cluster_type, body.worker_type), frozenset())
    missing = [key for key in FILLED if key in needed - set(chosen)]
    spec["componentsList"] = {**chosen, **{key: there.get(key) or dict(FILLED[key]) for key in missing}}
    return spec


_OWNER: Final[Mapping[str, str]] = {"Project": "J1"}
_OF_NAME: Final[Mapping[str, str]] = {"Product": "P1"}
"""Rules for what contradicts the path, where they are not T4 (the owner) and T2 (the name)."""


def refusals(kind: Kind, product: str, name: str, body: Any) -> Iterator[Violation]:
    """Yield what is wrong with a body besides what the manifest says: what has no place in a manifest.

    A kubeconfig is judged by `kubeconfigs`.
    """
    if isinstance(body, Body):
        for key, said, rule in (
            ("name", name, _OF_NAME.get(kind.kind, "T2")),
            ("product", product, _OWNER.get(kind.kind, "T4")),
            ("product_name", product, "T4"),
        ):
            if body.repeated.get(key, said) != said:
                message, fix = f"contradicts the path, which says {said}", f"write {said}, or leave it out"
                yield Violation("", 0, kind.kind, name, f"spec.{to_camel(key)}", rule, message, fix)
    if not isinstance(body, ClusterBody):
        return
    wrong = vcluster_port(body)
    if wrong:
        yield Violation("", 0, kind.kind, name, "spec.vcluster.httpsNodePort", "C1", wrong, "leave it out")


def vcluster_port(body: ClusterBody) -> str:
    """Return what is wrong with a virtual cluster's port; empty if nothing is. It is that of its address (section 2.9)."""
    asked = body.vcluster.https_node_port if body.vcluster else ""
    try:
        port = urlsplit(body.api_server).port
    except ValueError:
        return ""  # the address is judged by its own rule
    if asked and asked != str(port):
        return f"the port {asked[:20]} is not that of api_server, {port}"
    return ""


_EXACT, _BOOLEAN, _MEMBER = Match.EXACT, Match.BOOLEAN, Match.MEMBER

CLUSTER: Final = Kind(
    "Cluster", "clusters", "cluster_name", ClusterBody, ClusterView,
    {
        "cluster_type": Field("cluster_type", _EXACT), "usage": Field("usage", _EXACT),
        "worker_type": Field("worker_type", _EXACT), "cluster_name": Field("name"),
    },
    _of_cluster, tenant=True,
)  # fmt: skip
PRODUCT: Final = Kind(
    "Product", "products", "product_name", ProductBody, ProductView,
    {"product_name": Field("name")}, _of_product, tenant=True, kept=frozenset({"metaDataPath"}),
)  # fmt: skip
PRODUCT_KINDS: Final = (
    Kind(
        "Project", "projects", "project_name", ProjectBody, ProjectView,
        {"project_name": Field("name"), "product_name": Field("product"), "language": Field("language")}, _owned,
    ),
    Kind(
        "Environment", "environments", "environmentName", EnvironmentBody, EnvironmentView,
        {"cluster": Field("cluster"), "env_type": Field("env_type")}, _owned,
    ),
    Kind(
        "CodeRepo", "coderepos", "coderepoName", CodeRepoBody, CodeRepoView,
        {
            "project": Field("project"), "pipeline_runtime": Field("pipeline_runtime", _BOOLEAN),
            "deployment_runtime": Field("deployment_runtime", _BOOLEAN),
        },
        _of_repo, kept=frozenset({"codeRepoProvider", "url"}),
    ),
    Kind(
        "CodeRepoBinding", "coderepobindings", "coderepo_binding_name", CodeRepoBindingBody, CodeRepoBindingView,
        {"coderepo": Field("coderepo"), "product": Field("product"), "projects.in": Field("projects", _MEMBER)}, _owned,
    ),
    Kind(
        "DeploymentRuntime", "deploymentruntimes", "deploymentruntimeName", DeploymentRuntimeBody, DeploymentRuntimeView,
        {
            "projects_ref.in": Field("projects_ref", _MEMBER), "manifest_source.code_repo": Field("manifest_source.code_repo"),
            "destination": Field("destination.environment"), "destination.environment": Field("destination.environment"),
            "destination.namespaces.in": Field("destination.namespaces", _MEMBER),
        },
        _owned,
    ),
    Kind(
        "ProjectPipelineRuntime", "projectpipelineruntimes", "project_pipeline_runtime_name",
        ProjectPipelineRuntimeBody, ProjectPipelineRuntimeView,
        {
            "project": Field("project"), "project_name": Field("project"), "pipeline_source": Field("pipeline_source"),
            "pipeline_triggers.pipeline": Field("pipeline_triggers.pipeline"),
            "destination": Field("destination.environment"), "destination.environment": Field("destination.environment"),
            "destination.namespace": Field("destination.namespace"),
        },
        _of_pipeline,
    ),
)  # fmt: skip
"""What lies in a product's repository. `destination` cannot be asked for in the original, though it is documented."""

KINDS: Final = (CLUSTER, PRODUCT, *PRODUCT_KINDS)
