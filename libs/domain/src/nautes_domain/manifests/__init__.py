"""What people write in Git: the kinds of `nautes.resource.nautes.io/v1alpha1` and their fields.

Fields and their meaning are those of Nautes v0.4.2 (CRDs in `config/crd/bases`), with these differences:
references are human names and never numeric ids; `Cluster.spec.allowedProducts` and the kind Tenant are
ours; Product and CodeRepo take the REST body's `git` too. `status` is the platform's and never declared.
What a field must refer to is judged in `validation`.
"""

from collections.abc import Mapping
from typing import Any, Final

from nautes_domain.manifests.artifacts import ArtifactRepo, ProjectArtifactRepo
from nautes_domain.manifests.clusters import Cluster, Component, ComponentsList
from nautes_domain.manifests.deployment import DeploymentRuntime
from nautes_domain.manifests.pipeline import (
    AdditionalGit,
    CalendarSource,
    CatchUp,
    EventSource,
    GitLabSource,
    Hook,
    Hooks,
    Pipeline,
    PipelineTrigger,
    ProjectPipelineRuntime,
)
from nautes_domain.manifests.product import CodeRepo, CodeRepoBinding, Environment, Project
from nautes_domain.manifests.tenant import (
    ArtifactRepoProvider,
    CodeRepoProvider,
    Product,
    ProductProvider,
    Tenant,
)

__all__ = [
    "KINDS", "PRODUCT_KINDS", "TENANT_KINDS", "AdditionalGit", "ArtifactRepo", "ArtifactRepoProvider", "CalendarSource",
    "CatchUp", "Cluster",
    "CodeRepo", "CodeRepoBinding", "CodeRepoProvider", "Component", "ComponentsList", "DeploymentRuntime",
    "Environment", "EventSource", "GitLabSource", "Hook", "Hooks", "Pipeline", "PipelineTrigger", "Product",
    "ProductProvider", "Project", "ProjectArtifactRepo", "ProjectPipelineRuntime", "Tenant",
]  # fmt: skip

TENANT_KINDS: Final[tuple[type[Any], ...]] = (
    Tenant, CodeRepoProvider, ProductProvider, ArtifactRepoProvider, Cluster, Product,
)  # fmt: skip
"""What lies in the tenant's repository."""

PRODUCT_KINDS: Final[tuple[type[Any], ...]] = (
    Project, Environment, CodeRepo, CodeRepoBinding, ArtifactRepo, ProjectArtifactRepo,
    ProjectPipelineRuntime, DeploymentRuntime,
)  # fmt: skip
"""What lies in a product's repository, parents first."""

KINDS: Final[Mapping[str, type[Any]]] = {kind.KIND: kind for kind in (*TENANT_KINDS, *PRODUCT_KINDS)}
