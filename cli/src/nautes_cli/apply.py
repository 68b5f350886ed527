"""`nautes apply`, `remove`, `plan`: what files declare is saved, removed, or only asked about."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nautes_cli import changing, files
from nautes_cli.access import ProductOption, connected
from nautes_cli.changing import (
    Asked,
    ContinueOption,
    DryRunOption,
    InsecureOption,
    TimeoutOption,
    WaitOption,
)
from nautes_cli.client import Api
from nautes_cli.console import ExitCode, ObjectOutput, ObjectOutputOption, fail, say
from nautes_cli.ordering import to_apply, to_remove
from nautes_cli.planning import planning

if TYPE_CHECKING:
    from nautes_cli.reading import Batch

STDIN: Final = "-"

FilesOption = Annotated[
    list[str],
    typer.Option(
        "--file", "-f", help="A file or folder with manifests, or - for standard input; may be given often."
    ),
]


@connected
def apply(  # noqa: PLR0913 - each option is a parameter
    api: Api,
    file: FilesOption,
    *,
    product: ProductOption = "",
    insecure: InsecureOption = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = 60,
    continue_on_error: ContinueOption = False,
    output: ObjectOutputOption = ObjectOutput.TABLE,
) -> None:
    """Save what files declare, in the order in which one needs the other.

    Clusters first, then product, environment, project, code repository, authorisation, pipeline runtime and
    deployment runtime. Manifests of the original's command line are taken as they are. Nothing is sent if one
    of the files is wrong.
    """
    entries = to_apply(batch_of(file, product or api.product).entries)
    asked = Asked(insecure=insecure, dry_run=dry_run, wait=wait, timeout=timeout)
    act = changing.saving(api, asked, entries)
    act = planning(act) if dry_run else act
    changing.carry_out(entries, act, go_on=continue_on_error or dry_run, output=output)


@connected
def remove(  # noqa: PLR0913 - each option is a parameter
    api: Api,
    file: FilesOption,
    *,
    product: ProductOption = "",
    insecure: InsecureOption = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = 60,
    continue_on_error: ContinueOption = False,
    output: ObjectOutputOption = ObjectOutput.TABLE,
) -> None:
    """Remove what files declare, in exactly the reverse order of `apply`.

    What is not there is no failure: the same command can be given again.
    """
    entries = to_remove(batch_of(file, product or api.product).entries)
    asked = Asked(insecure=insecure, dry_run=dry_run, wait=wait, timeout=timeout)
    act = changing.removing(api, asked, entries)
    changing.carry_out(entries, act, go_on=continue_on_error, output=output)


def batch_of(given: Sequence[str], product: str) -> "Batch":
    """Return what files ask for; ends the command if anything in them is wrong."""
    from nautes_cli.reading import read  # noqa: PLC0415 - the models are slow to import

    texts, named = _texts(given)
    batch = read(texts, product=product, named=named)
    for note in batch.notes:
        say(note)
    if batch.problems:
        for problem in batch.problems:
            typer.secho(str(problem), err=True, fg=typer.colors.RED)
        fail(f"{len(batch.problems)} violations; nothing was sent")
    if not batch.entries:
        fail("there is nothing in these files that the API takes", ExitCode.USAGE)
    return batch


def _texts(given: Sequence[str]) -> tuple[dict[str, bytes], frozenset[str]]:
    """Return the content of files by name, and which of them were given by name."""
    from nautes_domain.source import MAX_BYTES  # noqa: PLC0415

    texts: dict[str, bytes] = {}
    named = set()
    for one in given:
        path = Path(one)
        if one == STDIN:
            texts["standard input"] = sys.stdin.buffer.read(MAX_BYTES + 1)
            named.add("standard input")
        elif path.is_dir():
            texts.update((file.as_posix(), _regular(file)) for file in files.below(path))
        else:
            texts[path.as_posix()] = _content(path)
            named.add(path.as_posix())
    return texts, frozenset(named)


def _regular(path: Path) -> bytes:
    """Return the content of a file in a folder that was given; a link there could lead anywhere."""
    if path.is_symlink():
        fail(str(files.link(path.as_posix())))
    return _content(path)


def _content(path: Path) -> bytes:
    try:
        return files.content(path)
    except OSError as error:
        fail(f"{path}: {error.strerror}", ExitCode.USAGE)
