"""Reading the manifests out of a repository archive, in memory and within limits. Pure; nothing is unpacked to disk."""

import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from nautes_domain.failures import Rejected, Retry

SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a repository is read, in bytes and in files. Files other than manifests are skipped over."""

    packed: int = 16 * 1024 * 1024
    """Size of the compressed archive."""
    unpacked: int = 128 * 1024 * 1024
    """Size of everything in it: what a small archive may swell to."""
    total: int = 8 * 1024 * 1024
    """Sum of the manifests."""
    file: int = 256 * 1024
    """One manifest."""
    files: int = 2_000
    """Number of manifests."""
    entries: int = 100_000
    """Number of files and folders of any kind."""


DEFAULT_LIMITS: Final = Limits()


class _Bounded(io.RawIOBase):
    """A gzip stream that stops swelling at a limit."""

    def __init__(self, packed: bytes, limit: int) -> None:
        super().__init__()
        self._source = io.BytesIO(packed)
        self._inflate = zlib.decompressobj(wbits=31)
        self._ready = b""
        self._left = limit

    def readable(self) -> bool:
        """Say yes."""
        return True

    def drain(self) -> None:
        """Read to the end; raise EOFError when the archive breaks off before it."""
        while self.read(64 * 1024):
            pass
        if not self._inflate.eof:
            raise EOFError

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, fewer only at the end; raise Rejected beyond the limit."""
        while len(self._ready) < size and not self._inflate.eof:
            piece = self._inflate.unconsumed_tail or self._source.read(64 * 1024)
            if not piece:
                break
            grown = self._inflate.decompress(piece, 256 * 1024)
            self._left -= len(grown)
            if self._left < 0:
                _refuse("the repository is too large to read", code="too-large")
            self._ready += grown
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken


def manifests(packed: bytes, commit: str, limits: Limits = DEFAULT_LIMITS) -> Mapping[str, bytes]:
    """Return all manifests in a `tar.gz` made by `git archive`, by path.

    Symlinks, submodules, special files and sizes beyond the limits raise Rejected; an archive of another
    commit, or one that breaks off, raises Retry.
    """
    found: dict[str, bytes] = {}
    seen = _Seen()
    total = 0
    stream = _Bounded(packed, limits.unpacked)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for path, member in _entries(archive, seen, limits):
                if not path.endswith(SUFFIXES):
                    continue
                total += member.size
                if member.size > limits.file or total > limits.total or len(found) >= limits.files:
                    _refuse(f"{path} exceeds the size that is read", code="too-large")
                found[path] = _content(archive, member)
            _same_commit(archive, commit)
        stream.drain()
    except (tarfile.TarError, zlib.error, EOFError, UnicodeError):
        raise Retry("the repository archive broke off", code="gitlab-unavailable") from None
    seen.check_submodules()
    return found


class _Seen:
    """Folders and the folders that hold something: Git knows no empty folder, so one is a submodule."""

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.filled: set[str] = set()
        self.count = 0

    def add(self, path: str, *, folder: bool) -> None:
        """Remember one entry."""
        self.count += 1
        if folder:
            self.folders.add(path)
        self.filled.add(path.rpartition("/")[0])

    def check_submodules(self) -> None:
        """Raise Rejected when a folder is empty."""
        for folder in sorted(self.folders - self.filled):
            if folder:
                _refuse(f"{folder} is a submodule", code="submodule")


def _entries(archive: tarfile.TarFile, seen: _Seen, limits: Limits) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for member in archive:
        # `git archive --prefix`: everything lies in one folder named after project and commit.
        path = member.name.partition("/")[2].rstrip("/")
        seen.add(path, folder=member.isdir())
        if seen.count > limits.entries:
            _refuse("the repository has too many files", code="too-large")
        if member.issym() or member.islnk():
            _refuse(f"{path} is a symbolic link", code="symlink")
        if member.isdir():
            continue
        if not member.isreg():
            _refuse(f"{path} is a special file", code="symlink")
        yield path, member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    content = stream.read() if stream is not None else b""
    if len(content) != member.size:
        raise EOFError
    return content


def _same_commit(archive: tarfile.TarFile, commit: str) -> None:
    """`git archive` writes the commit into the archive's global comment (git-archive(1))."""
    written = archive.pax_headers.get("comment", commit)
    if written != commit:
        raise Retry("GitLab sent the archive of another commit", code="gitlab-unavailable")


def _refuse(why: str, *, code: str) -> NoReturn:
    raise Rejected(
        why,
        who="whoever pushed the commit",
        next_step="keep manifests as plain files, small and few",
        code=code,
    )
