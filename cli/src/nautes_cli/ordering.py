"""In which order entities are applied and removed. Pure.

The seed's order: clusters, product, environment, project, code repository, authorisation, pipeline runtime,
deployment runtime. Removal is exactly the reverse: what needs something goes before it.
"""

from collections.abc import Iterable

from nautes_cli.entries import Entry


def to_apply(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return entries with what is needed first; entries of one kind stay as they were written.

    Of clusters the hosts come first, since virtual clusters run on them.
    """
    return tuple(sorted(entries, key=lambda entry: (entry.kind.order, _rests_on_a_host(entry))))


def to_remove(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return exactly the reverse of `to_apply`."""
    return to_apply(entries)[::-1]


def _rests_on_a_host(entry: Entry) -> bool:
    return entry.kind.name == "Cluster" and bool(entry.body.get("host_cluster"))
