"""The runs of every product as they were told of, in memory: the newest of each, bounded in all."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict

from nautes_domain import names
from nautes_domain.events import Fact
from nautes_domain.runs import FACT_KIND, RunPhase, rank

OF_A_PRODUCT: Final = 1_000
"""Runs of a product that are kept here; older ones are looked up in the stream, one by one."""
IN_ALL: Final = 20_000
"""Of all products: some forty megabytes."""


class RunView(BaseModel):
    """One run, as far as it was told of."""

    model_config = ConfigDict(extra="ignore")

    name: str
    product: str
    runtime: str
    pipeline: str = ""
    cluster: str = ""
    namespace: str = ""
    phase: RunPhase
    words: str = ""
    """Why it did not succeed."""
    took: str = ""
    url: str = ""
    repository: str = ""
    ref: str = ""
    commit: str = ""
    actor: str = ""
    delivery: str = ""
    project_id: int = 0
    created_at: datetime | None = None
    finished_at: datetime | None = None


class KnownRuns:
    """Folds what is told of runs. A run never goes back, so what is told twice or late changes nothing."""

    def __init__(self, *, of_a_product: int = OF_A_PRODUCT, in_all: int = IN_ALL) -> None:
        self._of_a_product = of_a_product
        self._in_all = in_all
        self._runs: dict[str, dict[str, RunView]] = {}
        self._kept = 0
        self._left_out: dict[str, int] = {}

    def take(self, fact: Fact) -> None:
        """Take in a fact; those that are of no run do not count."""
        kind, product = names.split_scope(fact.scope)
        if fact.kind != FACT_KIND or kind != "product":
            return
        runs = self._runs.setdefault(product, {})
        view = RunView.model_validate({**fact.data, "name": fact.name, "product": product})
        known = runs.get(view.name)
        if known is not None and rank(view.phase) < rank(known.phase):
            return
        self._kept += known is None
        runs[view.name] = view
        if len(runs) > self._of_a_product:
            self._forget(product)
        if self._kept > self._in_all:
            self._forget(max(self._runs, key=lambda one: len(self._runs[one])))

    def of(self, product: str) -> Mapping[str, RunView]:
        """Return the runs of a product by name, in the order in which they were first told of."""
        return MappingProxyType(self._runs.get(product, {}))

    def left_out(self, product: str) -> int:
        """Return how many older runs of a product are not kept here."""
        return self._left_out.get(product, 0)

    def _forget(self, product: str) -> None:
        """Forget the oldest run of a product."""
        runs = self._runs[product]
        del runs[next(iter(runs))]
        self._kept -= 1
        self._left_out[product] = self._left_out.get(product, 0) + 1


def folded(facts: Iterable[Fact], product: str) -> Mapping[str, RunView]:
    """Return the runs of a product by name, however many there are."""
    known = KnownRuns(of_a_product=10**9, in_all=10**9)
    for fact in facts:
        if fact.scope == names.scope("product", product):
            known.take(fact)
    return known.of(product)
