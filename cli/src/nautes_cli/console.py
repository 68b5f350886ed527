"""What every command shares: output as table or JSON, exit codes, messages. Imports little, since all load it.

Results go to standard output, everything said along the way to standard error.
"""

import json
import sys
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console


class ExitCode(IntEnum):
    """What scripts may rely on. 2 is the command line parser's own code for wrong usage."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    DIFFERENT = 4
    NOT_SIGNED_IN = 5
    TIMED_OUT = 6


EXIT_CODES = (
    "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 not running or not reachable, "
    "4 there are differences (where a command is asked for them), 5 not signed in, 6 not done in time."
)


class Output(StrEnum):
    """How reports are shown."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class ObjectOutput(StrEnum):
    """How entities are shown."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to show the result.", case_sensitive=False)
]
ObjectOutputOption = Annotated[
    ObjectOutput,
    typer.Option(
        "--output",
        "-o",
        help="`name` writes kind/name, one a line, for other programs.",
        case_sensitive=False,
    ),
]


def say(message: str) -> None:
    """Tell the person at the terminal; not part of the result."""
    typer.echo(message, err=True)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Say what went wrong and end with an exit code."""
    typer.secho(message, err=True, fg=typer.colors.RED if code is ExitCode.FAILED else None)
    raise typer.Exit(code)


def show_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_document(value: Any, output: Output | ObjectOutput) -> bool:
    """Write a value as JSON or YAML if that is what was asked for; say whether it was."""
    if output == Output.JSON:
        show_json(value)
    elif output == Output.YAML:
        import yaml  # noqa: PLC0415 - only who asks for YAML pays for it

        typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
    return output in {Output.JSON, Output.YAML}


def show_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[str] = ()
) -> None:
    """Write a table to standard output; columns named in `numeric` are set to the right.

    Into a pipe no line is cut or wrapped, so that other programs can read it.
    """
    from rich.table import Table  # noqa: PLC0415 - only commands with a table pay for it

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    out = console()
    if not out.is_terminal:
        out.width = 10_000
    out.print(table)


def console(*, stderr: bool = False) -> "Console":
    """Return the terminal to write to."""
    from rich.console import Console  # noqa: PLC0415 - only commands that draw pay for it

    return Console(stderr=stderr, highlight=False, file=sys.stderr if stderr else sys.stdout)
