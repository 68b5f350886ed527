"""Clusters: body and reply of section 2.4 of the original. `allowed_products` and four categories are ours to take."""

from typing import Any

from pydantic import ConfigDict, Field, SecretStr, model_validator

from nautes_api_server.bodies.base import NAME, Body, View, one_of, required_one_of


class ComponentBody(Body):
    """Which implementation serves one category, and where."""

    name: str
    namespace: str
    additions: dict[str, str] = Field(default_factory=dict)


class ComponentsListBody(Body):
    """The components of a cluster. What is empty is not chosen: where the cluster needs it, it stays or is filled in."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_chosen(cls, value: Any) -> Any:
        return {key: one for key, one in value.items() if one != {}} if isinstance(value, dict) else value

    cert_management: ComponentBody | None = None
    deployment: ComponentBody | None = None
    event_listener: ComponentBody | None = None
    gateway: ComponentBody | None = None
    multi_tenant: ComponentBody | None = None
    pipeline: ComponentBody | None = None
    progressive_delivery: ComponentBody | None = None
    secret_management: ComponentBody | None = None
    secret_sync: ComponentBody | None = None
    oauth_proxy: ComponentBody | None = None


class ClusterResourceBody(Body):
    """A cluster-scoped kind that a product may deploy."""

    kind: str
    group: str


class VclusterBody(Body):
    """A virtual cluster's place on its host."""

    https_node_port: str = ""
    """The port of `api_server`, if it is given."""


class ClusterBody(Body):
    """A Kubernetes cluster of the tenant."""

    REPEATED = NAME

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "api_server": "https://10.8.0.21:31501", "cluster_kind": "kubernetes", "cluster_type": "virtual", "usage": "worker",
                "host_cluster": "metal-a", "worker_type": "pipeline", "primary_domain": "10.8.0.21.nip.io",
                "vcluster": {"https_node_port": "31501"},
                "components_list": {
                    "multi_tenant": {"name": "hnc", "namespace": "hnc-system", "additions": {"syncResourceTypes": "tekton.dev/Pipeline"}},
                    "secret_sync": {"name": "external-secrets", "namespace": "external-secrets"},
                    "gateway": {"name": "traefik", "namespace": "traefik"}, "deployment": {"name": "argocd", "namespace": "argocd"},
                    "event_listener": {"name": "argo-events", "namespace": "argo-events"},
                    "pipeline": {"name": "tekton", "namespace": "tekton-pipelines"},
                },
                "reserved_namespaces_allowed_products": {"tekton-pipelines": ["orchard"]},
                "product_allowed_cluster_resources": {"orchard": [{"kind": "ClusterRole", "group": "rbac.authorization.k8s.io"}]},
                "allowed_products": ["orchard"],
            }
        }
    )  # fmt: skip

    api_server: str
    cluster_kind: str = one_of("kubernetes", default="kubernetes")
    cluster_type: str = required_one_of("physical", "virtual")
    usage: str = required_one_of("host", "worker")
    host_cluster: str = ""
    worker_type: str = one_of("pipeline", "deployment")
    primary_domain: str = ""
    vcluster: VclusterBody | None = Field(default=None, exclude=True)
    kubeconfig: SecretStr | None = Field(default=None, exclude=True)
    """Text or base64 of one: it is held to a closed model (rule C7) and moved to the secret store. No answer, commit
    or record holds it."""
    components_list: ComponentsListBody
    reserved_namespaces_allowed_products: dict[str, list[str]] = Field(default_factory=dict)
    product_allowed_cluster_resources: dict[str, list[ClusterResourceBody]] = Field(default_factory=dict)
    allowed_products: tuple[str, ...] = ()
    """Ours: products that may use this cluster. Left out, it stays as it is."""


class ComponentView(View):
    """A component of a cluster."""

    name: str = ""
    namespace: str = ""
    additions: dict[str, str] = Field(default_factory=dict)


class ComponentsListView(View):
    """The components of a cluster."""

    cert_management: ComponentView | None = None
    deployment: ComponentView | None = None
    event_listener: ComponentView | None = None
    gateway: ComponentView | None = None
    multi_tenant: ComponentView | None = None
    pipeline: ComponentView | None = None
    progressive_delivery: ComponentView | None = None
    secret_management: ComponentView | None = None
    secret_sync: ComponentView | None = None
    oauth_proxy: ComponentView | None = None


class ClusterResourceView(View):
    """A cluster-scoped kind."""

    kind: str = ""
    group: str = ""


class ClusterView(View):
    """A cluster."""

    name: str
    api_server: str = ""
    cluster_kind: str = ""
    cluster_type: str = ""
    usage: str = ""
    host_cluster: str = ""
    worker_type: str = ""
    primary_domain: str = ""
    components_list: ComponentsListView = ComponentsListView()
    reserved_namespaces_allowed_products: dict[str, list[str]] = Field(default_factory=dict)
    product_allowed_cluster_resources: dict[str, list[ClusterResourceView]] = Field(default_factory=dict)
    allowed_products: tuple[str, ...] = ()
