"""What the paths, queries and headers of the eight kinds say, and how they are described to clients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Header, Path, Query

from nautes_api_server import paging
from nautes_api_server.kinds import Kind
from nautes_api_server.problems import Problem
from nautes_api_server.routes.following import Seconds
from nautes_api_server.seeing import Place
from nautes_api_server.wishes import Conditions
from nautes_domain import names, selectors

LONGEST_WAIT: Final = 300.0
MOST_COMMITS: Final = 100

Selector = Annotated[
    str,
    Query(max_length=selectors.LONGEST, description="key=value, key!=value, key in (a,b); joined by commas."),
]
Limit = Annotated[
    int | None, Query(ge=1, le=paging.MOST, description="Most items of one part; all of them if left out.")
]
After = Annotated[str, Query(max_length=253, description="The `next` of the part before.")]
Known = Annotated[
    str, Header(alias="If-None-Match", max_length=1_000, description="304 if it has this ETag still.")
]
Most = Annotated[int, Query(ge=1, le=MOST_COMMITS, description="Most commits.")]
Watch = Annotated[bool, Query(description="Follow the list instead: server-sent events, as of a product.")]
SkipCheck = Annotated[
    bool,
    Query(description="Leave out referential checks. Needs the role of a maintainer, and is recorded."),
]
DryRun = Annotated[bool, Query(description="Change nothing, and return the plan.")]
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait until it is reconciled.")]
IfMatch = Annotated[str, Header(max_length=1_000, description="Only if it has this ETag.")]
IfNoneMatch = Annotated[str, Header(max_length=1_000, description="`*`: only if it is not there yet.")]
ProductName = Annotated[str, Path(description="Name of the product.")]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    limit: int | None
    after: str
    known: str
    """ETag of what the caller has."""


def page_asked(limit: Limit = None, after: After = "", known: Known = "") -> Page:
    """Read which part of a list is asked for."""
    return Page(limit, after, known)


@dataclass(frozen=True, slots=True)
class Following:
    """Whether a list is to be followed, and for how long."""

    watch: bool
    seconds: int


def following_asked(*, watch: Watch = False, seconds: Seconds = 300) -> Following:
    """Read whether a list is to be followed."""
    return Following(watch, seconds)


def listing(kind: Kind) -> Callable[..., Place]:
    """Return the dependency that reads the path of a list."""

    def of_tenant() -> Place:
        return Place(kind, "")

    def of_product(product_name: ProductName) -> Place:
        return _checked(Place(kind, product_name))

    return of_tenant if kind.tenant else of_product


def naming(kind: Kind) -> Callable[..., Place]:
    """Return the dependency that reads the path of an entity."""
    about = Path(alias=kind.parameter, description=f"Name of the {kind.kind}.")

    def of_tenant(name: Annotated[str, about]) -> Place:
        return _checked(Place(kind, "", name))

    def of_product(product_name: ProductName, name: Annotated[str, about]) -> Place:
        return _checked(Place(kind, product_name, name))

    return of_tenant if kind.tenant else of_product


def skipping(kind: Kind) -> Callable[..., bool]:
    """Return the dependency that reads `insecure_skip_check`: products have none, for clusters it does nothing."""

    def asked(*, insecure_skip_check: SkipCheck = False) -> bool:
        return insecure_skip_check and not kind.tenant

    def never() -> bool:
        return False

    return never if kind.kind == "Product" else asked


def conditions(if_match: IfMatch = "", if_none_match: IfNoneMatch = "") -> Conditions:
    """Read the headers of a conditional write."""
    return Conditions(if_match, if_none_match)


def _checked(place: Place) -> Place:
    """Raise a problem (400) for what cannot be a name: it is not looked up anywhere (threat T24)."""
    for name in (place.product, place.name):
        if name and not names.is_label(name):
            words = f"{name[:80]!r} is not a name: use 1 to 63 lower-case letters, digits and inner hyphens"
            raise Problem(400, "VALIDATOR", words)
    return place
