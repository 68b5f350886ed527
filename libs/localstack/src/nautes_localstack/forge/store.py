"""The state: records in memory, written through to SQLite one by one, so that nothing answered is lost.

SQLite's write-ahead log keeps what was committed when the process is killed; `synchronous=NORMAL` gives up
only the last writes of a power cut (SQLite documentation, "PRAGMA synchronous"). A write takes some tens of
microseconds, so it is done right in the event loop.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from nautes_localstack.forge import records

R = TypeVar("R", bound=records.Record)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (kind TEXT, id INTEGER, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequences (kind TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""


class Table(Generic[R]):
    """All records of one kind by id."""

    def __init__(self, database: sqlite3.Connection, model: type[R]) -> None:
        self._database = database
        self._kind = model.__name__.lower()
        found = database.execute("SELECT id, body FROM records WHERE kind = ? ORDER BY id", (self._kind,))
        self._rows = {number: model.model_validate_json(body) for number, body in found}
        last = database.execute("SELECT last FROM sequences WHERE kind = ?", (self._kind,)).fetchone()
        self._last = int(last[0]) if last else 0

    def __iter__(self) -> Iterator[R]:
        """All records, oldest first, as they are now."""
        return iter(list(self._rows.values()))

    def get(self, number: int) -> R | None:
        """Return a record by id."""
        return self._rows.get(number)

    def where(self, condition: Callable[[R], bool]) -> list[R]:
        """Return the records that meet a condition, oldest first."""
        return [row for row in self._rows.values() if condition(row)]

    def first(self, condition: Callable[[R], bool]) -> R | None:
        """Return the oldest record that meets a condition."""
        return next((row for row in self._rows.values() if condition(row)), None)

    def next_id(self) -> int:
        """Take an id; it is never given again, not even after a crash."""
        self._last += 1
        self._database.execute(
            "INSERT OR REPLACE INTO sequences (kind, last) VALUES (?, ?)", (self._kind, self._last)
        )
        return self._last

    def put(self, row: R) -> R:
        """Store a record, new or changed, and return it."""
        self._database.execute(
            "INSERT OR REPLACE INTO records (kind, id, body) VALUES (?, ?, ?)",
            (self._kind, row.id, row.model_dump_json()),
        )
        self._rows[row.id] = row
        return row

    def change(self, row: R, **values: object) -> R:
        """Store a record with some values changed and return it; the same record costs nothing."""
        changed = row.model_copy(update=values)
        return row if changed == row else self.put(changed)

    def delete(self, number: int) -> None:
        """Forget a record; one that is gone is no error."""
        self._database.execute("DELETE FROM records WHERE kind = ? AND id = ?", (self._kind, number))
        self._rows.pop(number, None)

    def delete_where(self, condition: Callable[[R], bool]) -> None:
        """Forget all records that meet a condition."""
        for row in self.where(condition):
            self.delete(row.id)


class Store:
    """All tables of one forge. One process at a time: a second one gets sqlite3.OperationalError."""

    def __init__(self, path: Path) -> None:
        # Autocommit: one statement is one transaction, unless `together` says otherwise.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
        self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)
        self.users = Table(self._database, records.User)
        self.tokens = Table(self._database, records.AccessToken)
        self.groups = Table(self._database, records.Group)
        self.projects = Table(self._database, records.Project)
        self.members = Table(self._database, records.Member)
        self.hooks = Table(self._database, records.Hook)
        self.hook_events = Table(self._database, records.HookEvent)
        self.deploy_keys = Table(self._database, records.DeployKey)
        self.merge_requests = Table(self._database, records.MergeRequest)
        self.pipelines = Table(self._database, records.Pipeline)
        self.statuses = Table(self._database, records.Status)
        self.jobs = Table(self._database, records.Job)
        self.runners = Table(self._database, records.Runner)
        self.notes = Table(self._database, records.Note)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make several writes one transaction. Must not be left for another task in between (no `await`)."""
        self._database.execute("BEGIN")
        try:
            yield
        finally:
            # Memory already has the writes: what was said to the tables stays said.
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
