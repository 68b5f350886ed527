"""Deliveries on disk while the bus cannot take them: one file each, durable before it is answered.

A file is written whole under another name, flushed to the disk and renamed, and the folder is flushed; so after
`kill -9` or power loss there is a whole delivery or none. Names sort in the order of arrival and carry the
project: `<number>-<project id>.json`. Blocking; callers use a thread.
"""

import fcntl
import os
import re
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from nautes_domain.events import Delivery
from nautes_domain.failures import Rejected, Retry

_NAME = re.compile(r"(\d{20})-(\d+)\.json\Z")
_BAD_SUFFIX: Final = ".bad"
_PART_SUFFIX: Final = ".part"


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much may wait. A delivery is about 1 KB."""

    deliveries: int = 100_000
    size: int = 256 * 1024 * 1024
    """Bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Spooled:
    """One waiting delivery: where it stands in the order, whose it is, how large it is."""

    number: int
    project_id: int
    size: int


class Spool:
    """A bounded, ordered, durable set of deliveries in one folder that one process owns. Safe to call from threads."""

    def __init__(self, folder: Path, limits: SpoolLimits) -> None:
        """Claim the folder and list what a former process left. Raises Rejected if another process has it."""
        self._folder = folder
        self._limits = limits
        self._mutex = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._claim = _claim(folder)
        self._waiting: dict[int, Spooled] = dict(self._left_behind())
        self._next = max((*self._waiting, self._highest_bad()), default=0) + 1
        self._size = sum(entry.size for entry in self._waiting.values())
        self._projects = Counter(entry.project_id for entry in self._waiting.values())

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._claim)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many deliveries wait."""
        return len(self._waiting)

    def __contains__(self, project_id: int) -> bool:
        """Whether deliveries of a project wait: newer ones must queue behind them."""
        return self._projects[project_id] > 0

    @property
    def fill(self) -> float:
        """Which share of its bounds is used, 0 to 1: of the number or of the bytes, whichever is more."""
        return max(len(self._waiting) / self._limits.deliveries, self._size / self._limits.size)

    @property
    def is_full(self) -> bool:
        """Whether the next delivery would be refused."""
        return self.fill >= 1

    def append(self, delivery: Delivery) -> None:
        """Put a delivery at the end, on the disk. Raises Retry (code `spool-full` or `spool-unwritable`)."""
        content = delivery.model_dump_json().encode()
        with self._mutex:
            if self.is_full or self._size + len(content) > self._limits.size:
                raise Retry("the spool is full", code="spool-full")
            entry = Spooled(self._next, delivery.project_id, len(content))
            self._next += 1
            try:
                self._write(entry, content)
            except OSError as error:
                raise Retry(
                    f"the spool cannot be written: {error.strerror}", code="spool-unwritable"
                ) from error
            self._waiting[entry.number] = entry
            self._size += entry.size
            self._projects[entry.project_id] += 1

    def waiting(self) -> list[Spooled]:
        """Return what waits, oldest first."""
        with self._mutex:
            return sorted(self._waiting.values())

    def read(self, entry: Spooled) -> Delivery | None:
        """Return a waiting delivery. One that cannot be read is set aside as `.bad`, for people, and is None."""
        path = self._path(entry)
        try:
            return Delivery.model_validate_json(path.read_bytes())
        except (ValidationError, OSError):
            self.set_aside(entry)
            return None

    def remove(self, entry: Spooled) -> None:
        """Forget a delivery that the bus has. After a crash it may come back: the bus knows its id."""
        self._path(entry).unlink(missing_ok=True)
        self._forget(entry)

    def set_aside(self, entry: Spooled) -> None:
        """Keep a delivery that never can be published out of the way, on the disk."""
        path = self._path(entry)
        if path.exists():
            path.rename(path.with_suffix(_BAD_SUFFIX))
        self._forget(entry)

    def _forget(self, entry: Spooled) -> None:
        with self._mutex:
            if self._waiting.pop(entry.number, None) is None:
                return
            self._size -= entry.size
            self._projects[entry.project_id] -= 1
            if not self._projects[entry.project_id]:
                del self._projects[entry.project_id]

    def _path(self, entry: Spooled) -> Path:
        return self._folder / f"{entry.number:020d}-{entry.project_id:d}.json"

    def _write(self, entry: Spooled, content: bytes) -> None:
        path = self._path(entry)
        part = path.with_suffix(_PART_SUFFIX)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _left_behind(self) -> list[tuple[int, Spooled]]:
        found = []
        for item in os.scandir(self._folder):
            if item.name.endswith(_PART_SUFFIX):
                Path(item.path).unlink()
            elif match := _NAME.match(item.name):
                entry = Spooled(int(match[1]), int(match[2]), item.stat().st_size)
                found.append((entry.number, entry))
        return found

    def _highest_bad(self) -> int:
        numbers = (path.name[:20] for path in self._folder.glob(f"*{_BAD_SUFFIX}"))
        return max((int(number) for number in numbers if number.isdigit()), default=0)


def _claim(folder: Path) -> int:
    """Lock the folder for this process; the kernel lets go when the process ends, however it ends."""
    descriptor = os.open(folder / ".claim", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Rejected(
            "another process uses this spool folder",
            what=f"folder/{folder.name}",
            who="platform team",
            next_step="give each gateway its own NAUTES_GATEWAY__SPOOL_DIR",
            code="spool-in-use",
        ) from None
    return descriptor
