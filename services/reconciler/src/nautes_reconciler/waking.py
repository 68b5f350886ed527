"""Which scopes a fact of another service concerns. Pure."""

from collections.abc import Iterable, Sequence

from nautes_domain import names
from nautes_domain.events import Fact


def concerned(fact: Fact, product_scopes: Iterable[str]) -> Sequence[str]:
    """Return the scopes to look at again: a cluster may serve every product, a secret serves its own scope."""
    kind, _ = names.split_scope(fact.scope)
    if fact.by == "reconciler":
        return ()
    if kind == "cluster":
        return tuple(product_scopes)
    return (fact.scope,) if kind in {"tenant", "product"} else ()
