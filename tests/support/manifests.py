"""Manifests of the original's command line, and what `apply` makes of any manifests."""

from functools import cache
from pathlib import Path

from nautes_cli.ordering import to_apply
from nautes_cli.reading import read

ORIGINAL = Path(__file__).parents[1] / "fixtures" / "original-cli"


@cache
def original(name):
    return (ORIGINAL / f"{name}.yaml").read_text()


def read_text(text, **how):
    return read({"given.yaml": text.encode()}, named=frozenset({"given.yaml"}), **how)


def bodies(text, **how):
    """The requests of a text: path and body by entity, in the order of `apply`. Nothing may be wrong with it."""
    batch = read_text(text, **how)
    assert not batch.problems, batch.problems
    return {entry.entity: (entry.path, dict(entry.body)) for entry in to_apply(batch.entries)}
