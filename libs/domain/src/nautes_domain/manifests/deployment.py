"""DeploymentRuntime: an environment that is kept equal to manifests in Git."""

from typing import ClassVar, Literal

from nautes_domain.names import Label
from nautes_domain.schema import FolderPath, Manifest, Part, Revision


class ManifestSource(Part):
    """Where the manifests of a deployment lie."""

    code_repo: Label
    target_revision: Revision
    path: FolderPath


class DeploymentDestination(Part):
    """Where a deployment goes; the first namespace is where Argo CD deploys to."""

    environment: Label
    namespaces: tuple[Label, ...] = ()


class DeploymentRuntimeSpec(Part):
    """What is deployed, from where, to where, and as whom."""

    product: Label
    projects_ref: tuple[Label, ...] = ()
    manifest_source: ManifestSource
    destination: DeploymentDestination
    account: Label | None = None


class DeploymentRuntime(Manifest):
    """Keeps an environment equal to manifests in Git."""

    KIND: ClassVar[str] = "DeploymentRuntime"
    kind: Literal["DeploymentRuntime"]
    spec: DeploymentRuntimeSpec

    @property
    def account(self) -> str:
        """The machine account that deploys; the runtime's name where none is given."""
        return self.spec.account or self.name

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces, the destination first; the runtime's name where none is given."""
        return self.spec.destination.namespaces or (self.name,)
