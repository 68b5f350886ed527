"""The tenant itself, its products, and the systems which serve all of them."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from nautes_domain.names import Label
from nautes_domain.schema import GitPlace, GitUrl, Manifest, Part, Text

Address = Annotated[
    str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._/-]*)?$", max_length=500)
]
"""An HTTP address without user, query or fragment: credentials never stand in a URL."""


Certificates = Annotated[
    str,
    StringConstraints(
        pattern=r"^(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n?)*$",
        max_length=200_000,
    ),
]
"""Certificates as PEM, one after the other. No private key is ever one of them."""

KnownHosts = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9.,:\[\]_-]+ [a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\n]*)?\n?)*$", max_length=50_000
    ),
]
"""Lines as in `known_hosts` (OpenSSH, sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), host names in the clear."""


class TenantSpec(Part):
    """What holds for all products of the tenant."""

    display_name: str = ""
    reserved_namespaces: tuple[Label, ...] = ()
    """Namespaces that no product may use on any cluster, besides those which are always reserved."""
    certificate_authorities: Certificates = ""
    """Who vouches for the tenant's own servers: what hooks of pipelines trust besides their image's own authorities."""
    ssh_known_hosts: KnownHosts = ""
    """By which keys hooks of pipelines know the code host over SSH."""


class Tenant(Manifest):
    """One code host, secret store and set of clusters, and the products on them. Named as its group on the code host."""

    KIND: ClassVar[str] = "Tenant"
    kind: Literal["Tenant"]
    spec: TenantSpec = TenantSpec()


class CodeRepoProviderSpec(Part):
    """Where repositories of code are reached."""

    http_address: Address
    ssh_address: Annotated[str, StringConstraints(pattern=r"^ssh://[A-Za-z0-9._-]+@[A-Za-z0-9.\[\]:-]+$")]
    api_server: Address
    provider_type: Literal["gitlab", "github"]
    """`github` is part of the format, but nothing serves it yet."""


class CodeRepoProvider(Manifest):
    """The tenant's code host."""

    KIND: ClassVar[str] = "CodeRepoProvider"
    kind: Literal["CodeRepoProvider"]
    spec: CodeRepoProviderSpec


class ProductProviderSpec(Part):
    """Where products are groups: the only type is `coderepo`."""

    type: Literal["coderepo"]
    name: Label
    """Name of a CodeRepoProvider."""


class ProductProvider(Manifest):
    """What tells which products there are. A tenant has at most one."""

    KIND: ClassVar[str] = "ProductProvider"
    kind: Literal["ProductProvider"]
    spec: ProductProviderSpec


class ArtifactRepoProviderSpec(Part):
    """Where repositories of packages are reached."""

    url: Address
    api_server: Address
    provider_type: Text


class ArtifactRepoProvider(Manifest):
    """A server that holds repositories of packages."""

    KIND: ClassVar[str] = "ArtifactRepoProvider"
    kind: Literal["ArtifactRepoProvider"]
    spec: ArtifactRepoProviderSpec


class ProductSpec(Part):
    """A product is a group on the code host; `name` is its path."""

    name: Label
    meta_data_path: GitUrl = ""
    """URL of its `default.project`; found by its path when empty."""
    git: GitPlace | None = None
    """How its group looks on the code host."""


class Product(Manifest):
    """Everything of one team that is built and run together."""

    KIND: ClassVar[str] = "Product"
    kind: Literal["Product"]
    spec: ProductSpec
