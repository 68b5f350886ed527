"""YAML files on this machine: which there are, and what is in them. Links are reported, never followed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nautes_domain.failures import Violation

SUFFIXES: Final = (".yaml", ".yml")


def below(folder: Path) -> Iterator[Path]:
    """Yield the YAML files in a folder and below, in order; folders that begin with a dot are left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        yield from (Path(parent) / name for name in sorted(names) if name.endswith(SUFFIXES))


def content(path: Path) -> bytes:
    """Return a file's content, no more of it than is needed to refuse it for its size."""
    from nautes_domain.source import MAX_BYTES  # noqa: PLC0415 - the models are slow to import

    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def link(name: str) -> "Violation":
    """Return what is said of a link: it could lead anywhere."""
    from nautes_domain.failures import Violation  # noqa: PLC0415

    return Violation(name, 1, "file", "", "", "symlink", "links are not followed", "put the file itself here")
