"""In which order entities are applied and removed. Pure.

The seed's order: clusters, product, environment, project, code repository, authorisation, pipeline runtime,
deployment runtime. Removal is exactly the reverse: what needs something goes before it.
"""

from collections.abc import Iterable, Sequence

from nautes_cli.entries import Entry, Key


def to_apply(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return entries with what is needed first; entries of one kind stay as they were written.

    Of clusters the hosts come first, since virtual clusters run on them.
    """
    return tuple(sorted(entries, key=lambda entry: (entry.kind.order, _rests_on_a_host(entry))))


def to_remove(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return exactly the reverse of `to_apply`."""
    return to_apply(entries)[::-1]


def to_await(ordered: Sequence[Entry]) -> frozenset[Key]:
    """Return the keys of entries after which the platform must have caught up before the next one can be judged.

    Products are judged by what the tenant declares, and the other way round: the last entry of a repository is
    waited for if entries of the other level follow it.
    """
    return frozenset(
        entry.key
        for at, entry in enumerate(ordered)
        if _is_last(at, ordered) and any(bool(other.product) != bool(entry.product) for other in ordered[at:])
    )


def last_of_each(ordered: Sequence[Entry]) -> frozenset[Key]:
    """Return the keys of the last entry of each repository: when it is reconciled, so is all before it."""
    return frozenset(entry.key for at, entry in enumerate(ordered) if _is_last(at, ordered))


def _is_last(at: int, ordered: Sequence[Entry]) -> bool:
    return all(other.product != ordered[at].product for other in ordered[at + 1 :])


def _rests_on_a_host(entry: Entry) -> bool:
    return entry.kind.name == "Cluster" and bool(entry.body.get("host_cluster"))
