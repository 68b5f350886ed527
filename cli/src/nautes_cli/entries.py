"""One entity as it is sent to the API, and where it was declared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nautes_cli.kinds import Kind

Key = tuple[str, str, str]
"""What tells an entry from all others: kind, product, name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entity: what `apply` saves and `remove` deletes."""

    kind: Kind
    name: str
    product: str
    """The product that it belongs to; empty for clusters and products."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """JSON of the request. It is sent and never shown."""
    place: str = ""
    """File and line."""

    @property
    def entity(self) -> str:
        """`Kind/name`."""
        return f"{self.kind.name}/{self.name}"

    @property
    def path(self) -> str:
        """Its path below `/api/v1`."""
        return self.kind.path(self.product, self.name)

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return (self.kind.name, self.product, self.name)
