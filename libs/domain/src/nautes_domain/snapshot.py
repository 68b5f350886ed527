"""What is kept in the buckets `desired` and `index`: the last good tree of each scope, and who owns a project. Values only."""

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from nautes_domain import names
from nautes_domain.catalog import ProductCatalog, TenantCatalog, read_product, read_tenant
from nautes_domain.effects import Cause, Record
from nautes_domain.failures import Rejected

TENANT_KEY: Final = names.scope("tenant")


def _pack(files: Mapping[str, bytes]) -> str:
    text = json.dumps({path: base64.b64encode(data).decode() for path, data in sorted(files.items())})
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode()


def _unpack(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    packed = json.loads(zlib.decompress(base64.b64decode(value)))
    return {path: base64.b64decode(data) for path, data in packed.items()}


Files = Annotated[Mapping[str, bytes], BeforeValidator(_unpack), PlainSerializer(_pack, return_type=str)]
"""Files by path; compressed on the wire, since a bucket's values are bounded."""


class Snapshot(Record):
    """The declarations of one scope at one commit, less what is broken in it: valid as a whole, or they would not be here."""

    scope: str
    """`tenant` or `product_<name>`."""
    commit: str
    project_id: int
    """Id of the configuration project on the code host."""
    cause: Cause
    files: Files = Field(repr=False)
    deletions_allowed: bool = False
    """The commit confirms that it removes much (trailer `Nautes-Allow-Deletions: all`)."""
    held: tuple[str, ...] = ()
    """Files that the commit changed and broke: they stand here as they were last good, or not at all."""
    suspended: str = ""
    """Why nothing may be started from it, though it was valid when it was pushed: a cluster was withdrawn, …"""

    @property
    def name(self) -> str:
        """The product's name; empty for the tenant."""
        return names.split_scope(self.scope)[1]


class IndexedProject(Record):
    """Who a project of the code host is, by the only key that a delivery is trusted for: its id."""

    project_id: int
    group: str
    """Product, or the tenant's group."""
    name: str
    path: str
    url: str = ""
    """Address for clones over HTTP, without credentials."""


class CalendarMark(Record):
    """How far a calendar was dealt with."""

    declared: str
    """Digest of its declaration: what is declared anew begins anew."""
    until: datetime
    """Everything up to here fired, or was passed over."""


class StartedRun(Record):
    """A run that was started once: its name, the key, derives from what it answers, so it is not started again."""

    cluster: str
    namespace: str
    delivery: str


def calendar_key(product: str, runtime: str, source: str) -> str:
    """Return the key of a calendar in bucket `index`."""
    return f"calendar_{names.label(product)}.{names.label(runtime)}.{names.label(source)}"


def project_key(project_id: int) -> str:
    """Return the key of a project in bucket `index`."""
    return f"project_{project_id:d}"


def tenant_catalog(snapshot: Snapshot) -> TenantCatalog:
    """Return the catalog of a tenant snapshot; Rejected if it is not valid after all."""
    catalog, problems = read_tenant(snapshot.files)
    if problems:
        raise Rejected("the stored snapshot is not valid", problems, what=snapshot.scope, code="bad-snapshot")
    return catalog


def product_catalog(snapshot: Snapshot) -> ProductCatalog:
    """Return the catalog of a product snapshot; Rejected if it is not valid after all."""
    catalog, problems = read_product(snapshot.name, snapshot.files)
    if problems:
        raise Rejected("the stored snapshot is not valid", problems, what=snapshot.scope, code="bad-snapshot")
    return catalog
