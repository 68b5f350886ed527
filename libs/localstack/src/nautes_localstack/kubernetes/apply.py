"""Who owns which field: managedFields after a write, and server-side apply. Pure.

Follows structured-merge-diff v6, `merge/update.go`, and apimachinery's `managedfields` around it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nautes_localstack.kubernetes import fields
from nautes_localstack.kubernetes.errors import ApiError, apply_conflict
from nautes_localstack.kubernetes.fields import Comparison, Paths
from nautes_localstack.kubernetes.shapes import Object, Shape

_SYSTEM: Final = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
            "managedFields", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds",
        )
    ]
)  # fmt: skip
"""Fields that nobody owns."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: a manager's entry in managedFields. `operation` is Apply or Update."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def named(self) -> str:
        """Return how a conflict names this writer."""
        if self.operation == "Apply":
            return f'"{self.manager}"'
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text + f" using {self.api_version}"


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of one writer, and when they last changed (RFC 3339)."""

    paths: frozenset[fields.Path]
    time: str


Managed = dict[Writer, Owned]


def decode(entries: Any) -> Managed:
    """Return managedFields as sets; entries that cannot be read are left out."""
    managed: Managed = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("fieldsV1"), Mapping):
            continue
        writer = Writer(
            str(entry.get("manager") or ""),
            str(entry.get("operation") or ""),
            str(entry.get("apiVersion") or ""),
            str(entry.get("subresource") or ""),
        )
        managed[writer] = Owned(frozenset(fields.decode(entry["fieldsV1"])), str(entry.get("time") or ""))
    return managed


def encode(managed: Managed) -> list[Object]:
    """Return managedFields in the order of a real server: applied ones first, then by time and name."""
    order = sorted(
        managed,
        key=lambda one: (one.operation, managed[one].time, one.manager, one.api_version, one.subresource),
    )
    entries = []
    for writer in order:
        entry: Object = {
            "manager": writer.manager,
            "operation": writer.operation,
            "apiVersion": writer.api_version,
            "time": managed[writer].time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.encode(managed[writer].paths),
        }
        if writer.subresource:
            entry["subresource"] = writer.subresource
        entries.append(entry)
    return entries


@dataclass(frozen=True)
class Scope:
    """Which fields a write can reach: `status` is written through the subresource alone."""

    shape: Shape
    has_status: bool = False
    status: bool = False

    def own(self, paths: Iterable[fields.Path]) -> Paths:
        """Return the fields that this write may own."""
        if self.status:
            return {path for path in paths if path[0] == "f:status"}
        kept = {path for path in paths if path not in _SYSTEM}
        return {path for path in kept if path[0] != "f:status"} if self.has_status else kept


def updated(
    live: Object | None, new: Object, managed: Managed, writer: Writer, scope: Scope, now: str
) -> Managed:
    """Return the owners after an update, patch or create: who changes a field owns it."""
    change = fields.compare(live or {}, new, scope.shape)
    change = Comparison(scope.own(change.added), scope.own(change.modified), scope.own(change.removed))
    before = managed.get(writer, Owned(frozenset(), ""))
    result = _taken(managed, change, writer, now)
    paths = frozenset((before.paths - change.removed) | change.written)
    return _with(result, writer, paths, before, now)


def applied(
    live: Object | None,
    config: Object,
    managed: Managed,
    writer: Writer,
    scope: Scope,
    now: str,
    *,
    force: bool,
) -> tuple[Object, Managed]:
    """Return the object after server-side apply, and its owners.

    Raises ApiError: 500 for fields that the shape does not know, 409 for fields of others without `force`.
    """
    _check(config, scope.shape)
    shape = scope.shape
    if live is not None and not managed:
        everything = frozenset(scope.own(fields.compare({}, live, shape).added))
        managed = {Writer("before-first-apply", "Update", writer.api_version): Owned(everything, now)}
    base = dict(live or {})
    merged = fields.merge(base, config, shape)
    last = managed.get(writer, Owned(frozenset(), ""))
    ours = frozenset(scope.own(fields.of_value(config, shape)))
    claimed = _with(managed, writer, ours, last, now)
    merged = _pruned(merged, claimed, last.paths, shape)
    change = fields.compare(base, merged, shape)
    change = Comparison(scope.own(change.added), scope.own(change.modified), scope.own(change.removed))
    conflicts = _conflicts(claimed, change, writer)
    if conflicts and not force:
        raise apply_conflict(conflicts)
    return merged, _taken(claimed, change, writer, now)


def _check(config: Object, shape: Shape) -> None:
    try:
        fields.check(config, shape)
    except fields.Undeclared as error:
        metadata = config.get("metadata") or {}
        where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
        kind = f"{config.get('apiVersion')}, Kind={config.get('kind')}"
        message = f"failed to create typed patch object ({where}; {kind}): {error}"
        raise ApiError(500, "", message) from None


def _conflicts(managed: Managed, change: Comparison, writer: Writer) -> list[tuple[str, str]]:
    found = []
    for other in sorted(managed, key=lambda one: (one.manager, one.operation)):
        if other != writer:
            shared = managed[other].paths & change.written
            found += [(other.named(), fields.display(path)) for path in sorted(shared)]
    return found


def _taken(managed: Managed, change: Comparison, writer: Writer, now: str) -> Managed:
    """Return the owners after others lost what the writer changed or removed."""
    result: Managed = {}
    lost = change.written | change.removed
    for other, owned in managed.items():
        paths = owned.paths if other == writer else owned.paths - lost
        if paths:
            result[other] = owned if paths == owned.paths else Owned(paths, now)
    return result


def _with(
    managed: Managed, writer: Writer, paths: frozenset[fields.Path], before: Owned, now: str
) -> Managed:
    result = {other: owned for other, owned in managed.items() if other != writer}
    if paths:
        result[writer] = before if paths == before.paths else Owned(paths, now)
    return result


def _pruned(merged: Object, managed: Managed, last: frozenset[fields.Path], shape: Shape) -> Object:
    """Return the object without what its applier no longer states and nobody else owns."""
    if not last:
        return merged
    gone = fields.with_parents(last, shape)
    pruned = fields.remove(merged, gone, shape)
    everything = fields.with_parents(fields.of_value(merged, shape), shape)
    owned = fields.with_parents({path for one in managed.values() for path in one.paths}, shape)
    left = fields.with_parents(fields.of_value(pruned, shape), shape)
    pruned = fields.remove(merged, everything - left - owned, shape)
    left = fields.with_parents(fields.of_value(pruned, shape), shape)
    result: Object = fields.remove(merged, (everything - left) & gone, shape)
    return result
