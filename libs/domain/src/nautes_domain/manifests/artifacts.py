"""Artifact repositories: packages that projects read and publish. As in the original, images are not among them."""

from typing import ClassVar, Literal

from nautes_domain.names import Label
from nautes_domain.schema import Manifest, Part, Text


class ArtifactRepoSpec(Part):
    """One repository of packages at a provider."""

    artifact_repo_provider: Label
    """Name of an ArtifactRepoProvider of the tenant."""
    product: Label
    projects: tuple[Label, ...] | None = None
    """Projects that may use it; none when empty, as with repositories of code."""
    repo_name: Text
    """Its name at the provider."""
    repo_type: Literal["remote", "local", "virtual"]
    package_type: Literal["maven", "python", "go"]


class ArtifactRepo(Manifest):
    """A repository of packages that belongs to a product."""

    KIND: ClassVar[str] = "ArtifactRepo"
    kind: Literal["ArtifactRepo"]
    spec: ArtifactRepoSpec


class ProjectArtifactRepoSpec(Part):
    """Which project publishes where."""

    project: Label
    artifact_repo: Label


class ProjectArtifactRepo(Manifest):
    """Where the packages of a project go."""

    KIND: ClassVar[str] = "ProjectArtifactRepo"
    kind: Literal["ProjectArtifactRepo"]
    spec: ProjectArtifactRepoSpec
