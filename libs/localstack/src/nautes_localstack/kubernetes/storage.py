"""The state: one SQLite file with the objects, the last changes, and what the server knows of itself.

One counter numbers all changes; it is the resourceVersion. The last changes are kept with what was there
before, so that watches can resume and lists can be read as they were (Kubernetes API concepts,
"Resource versions"). Bodies are JSON without `apiVersion` and `kind`, which depend on how one asks.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from nautes_localstack.kubernetes.shapes import Object

HISTORY: Final = 10_000
"""Changes that are kept at least, unless told otherwise."""

Change = Literal["ADDED", "MODIFIED", "DELETED"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    uid TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)
);
CREATE INDEX IF NOT EXISTS objects_by_namespace ON objects (namespace);
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT NOT NULL, dependent TEXT NOT NULL, PRIMARY KEY (owner, dependent)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_by_dependent ON owners (dependent);
CREATE TABLE IF NOT EXISTS changes (
    version INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL, body TEXT NOT NULL, previous TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_by_resource ON changes (resource, version);
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored object. `resource` is its qualified plural, `deployments.apps`."""

    resource: str
    namespace: str
    name: str
    uid: str
    version: int
    body: str

    def load(self) -> Object:
        """Return the object."""
        found: Object = json.loads(self.body)
        return found


@dataclass(frozen=True, slots=True)
class Event:
    """One change; `body` is the object after it (for DELETED the last one), `previous` before it or empty."""

    version: int
    type: Change
    resource: str
    namespace: str
    name: str
    body: str
    previous: str


class Store:
    """The state of one server. Used by one thread."""

    def __init__(self, path: Path, *, history: int = HISTORY) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A crash of the process loses nothing; only one of the machine could lose the last moments.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._history = history
        oldest, newest = self._db.execute("SELECT min(version), max(version) FROM changes").fetchone()
        self.version: int = newest or 0
        """The newest resourceVersion."""
        self.compacted: int = (oldest or 1) - 1
        """What was before this resourceVersion is forgotten."""
        self.listeners: list[Callable[[Event], None]] = []

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def fact(self, key: str) -> str:
        """Return what is noted under a key, or nothing."""
        row = self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def note(self, key: str, value: str) -> None:
        """Note something for the next start."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def get(self, resource: str, namespace: str, name: str) -> Row | None:
        """Return one object."""
        return self._one("resource = ? AND namespace = ? AND name = ?", resource, namespace, name)

    def find(self, uid: str) -> Row | None:
        """Return the object with this uid, whatever it is."""
        return self._one("uid = ?", uid)

    def collection(self, resource: str, namespace: str = "") -> list[Row]:
        """Return the objects of a resource by namespace and name; no namespace means all of them."""
        if namespace:
            return self._many("resource = ? AND namespace = ?", resource, namespace)
        return self._many("resource = ?", resource)

    def inside(self, namespace: str) -> list[Row]:
        """Return all that is in a namespace."""
        return self._many("namespace = ?", namespace)

    def dependents(self, uid: str) -> list[Row]:
        """Return the objects that name this uid as an owner."""
        return self._many("uid IN (SELECT dependent FROM owners WHERE owner = ?)", uid)

    def orphans(self) -> list[Row]:
        """Return the objects that name an owner which is not there."""
        return self._many(
            "uid IN (SELECT dependent FROM owners WHERE owner NOT IN (SELECT uid FROM objects))"
        )

    def list_at(self, resource: str, namespace: str, version: int) -> list[Row]:
        """Return the objects as they were at a resourceVersion, which must not be compacted."""
        found = {(row.namespace, row.name): row for row in self.collection(resource, namespace)}
        for event in reversed(self.since(version, resource, namespace)):
            place = (event.namespace, event.name)
            if event.previous:
                metadata = json.loads(event.previous)["metadata"]
                before = int(metadata["resourceVersion"])
                found[place] = Row(resource, *place, metadata["uid"], before, event.previous)
            else:
                found.pop(place, None)
        return [found[place] for place in sorted(found)]

    def since(self, version: int, resource: str, namespace: str = "", limit: int = -1) -> list[Event]:
        """Return the changes of a resource after a resourceVersion, oldest first."""
        where, values = "resource = ? AND version > ?", [resource, version]
        if namespace:
            where, values = f"{where} AND namespace = ?", [*values, namespace]
        found = self._db.execute(
            f"SELECT * FROM changes WHERE {where} ORDER BY version LIMIT ?",  # noqa: S608 - no text of others
            (*values, limit),
        )
        return [Event(*row) for row in found]

    def write(self, change: Change, resource: str, obj: Object, previous: str = "") -> Object:
        """Store or remove an object; return it with its new resourceVersion. Listeners hear of it."""
        version = self.version + 1
        metadata = obj["metadata"] = {**obj["metadata"], "resourceVersion": str(version)}
        namespace, name, uid = metadata.get("namespace", ""), metadata["name"], metadata["uid"]
        stored = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
        body = json.dumps(stored, separators=(",", ":"), ensure_ascii=False)
        event = Event(version, change, resource, namespace, name, body, previous)
        owners = {str(one.get("uid")) for one in metadata.get("ownerReferences") or ()}
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")
        try:
            if change == "DELETED":
                execute("DELETE FROM objects WHERE uid = ?", (uid,))
            else:
                row = (resource, namespace, name, uid, version, body)
                execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", row)
            self._write_owners(uid, owners if change != "DELETED" else (), fresh=change == "ADDED")
            execute(
                "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (version, change, resource, namespace, name, body, previous),
            )
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise
        self.version = version
        self._forget()
        for listener in self.listeners:
            listener(event)
        return obj

    def _write_owners(self, uid: str, owners: Iterable[str], *, fresh: bool) -> None:
        if not fresh:
            self._db.execute("DELETE FROM owners WHERE dependent = ?", (uid,))
        for owner in owners:
            self._db.execute("INSERT OR IGNORE INTO owners VALUES (?, ?)", (owner, uid))

    def _forget(self) -> None:
        # In lots of a tenth, so that most writes have nothing to remove.
        if self.version - self.compacted > self._history + max(self._history // 10, 1):
            self.compacted = self.version - self._history
            self._db.execute("DELETE FROM changes WHERE version <= ?", (self.compacted,))

    def _one(self, where: str, *values: str) -> Row | None:
        rows = self._many(where, *values)
        return rows[0] if rows else None

    def _many(self, where: str, *values: str) -> list[Row]:
        query = f"SELECT * FROM objects WHERE {where} ORDER BY resource, namespace, name"  # noqa: S608 - no text of others
        return [Row(*row) for row in self._db.execute(query, values)]
