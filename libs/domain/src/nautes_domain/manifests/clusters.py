"""Cluster: where things run, what serves them there, and which products may use it. The tenant's to declare."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from nautes_domain.names import Label
from nautes_domain.schema import Manifest, Part, Text

API_SERVER: Final = r"^https?://([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$"
DOMAIN: Final = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?$"


class Component(Part):
    """Which implementation serves one category on a cluster, and where."""

    name: Text
    namespace: Label
    additions: Mapping[str, str] = Field(default_factory=dict)
    """Properties of the component; which there are is known to `components`."""


class ComponentsList(Part):
    """The ten categories of components; each is optional here, `validation` knows which are required."""

    cert_management: Component | None = None
    deployment: Component | None = None
    event_listener: Component | None = None
    gateway: Component | None = None
    multi_tenant: Component | None = None
    pipeline: Component | None = None
    progressive_delivery: Component | None = None
    secret_management: Component | None = None
    secret_sync: Component | None = None
    oauth_proxy: Component | None = None

    def chosen(self) -> Iterator[tuple[str, Component]]:
        """Yield each category that is served, under its name in the manifest, with its component."""
        for name, field in type(self).model_fields.items():
            component = getattr(self, name)
            if component is not None:
                yield field.alias or name, component

    def namespaces(self) -> frozenset[str]:
        """Return the namespaces which belong to components."""
        return frozenset(component.namespace for _, component in self.chosen())


class ClusterResource(Part):
    """A cluster-scoped kind that a product may deploy."""

    kind: Text
    group: Text


class ClusterSpec(Part):
    """Where a cluster is and what it is for."""

    api_server: Annotated[str, StringConstraints(pattern=API_SERVER)]
    """Address of the API server: scheme, dotted host or IP address, port. No user, path or query."""
    cluster_type: Literal["physical", "virtual"]
    cluster_kind: Literal["kubernetes"] = "kubernetes"
    usage: Literal["host", "worker"]
    host_cluster: Label | Literal[""] = ""
    """The host that carries a virtual cluster."""
    primary_domain: Annotated[str, StringConstraints(pattern=DOMAIN)] = ""
    """Base of the host names of components; the API server's host where it is empty."""
    worker_type: Literal["", "pipeline", "deployment"] = ""
    components_list: ComponentsList
    reserved_namespaces_allowed_products: Mapping[str, tuple[Label, ...]] = Field(default_factory=dict)
    product_allowed_cluster_resources: Mapping[Label, tuple[ClusterResource, ...]] = Field(
        default_factory=dict
    )
    allowed_products: tuple[Label, ...] = ()
    """Products which may use this cluster; nobody else may (security rule 3)."""


class Cluster(Manifest):
    """A Kubernetes cluster of the tenant."""

    KIND: ClassVar[str] = "Cluster"
    kind: Literal["Cluster"]
    spec: ClusterSpec
