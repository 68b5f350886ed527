"""`nautes plan` and `nautes diff`: what `apply` would change, from the plans that it would apply. Changes nothing.

What cannot be judged yet, since it needs another entity of the same files, is told as such.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from nautes_cli import applying, changing
from nautes_cli.access import ProductOption, connected
from nautes_cli.apply import FilesOption, batch_of
from nautes_cli.applying import Outcome
from nautes_cli.changing import Asked, InsecureOption
from nautes_cli.client import Api
from nautes_cli.console import ExitCode, ObjectOutput, ObjectOutputOption, say
from nautes_cli.ordering import to_apply
from nautes_cli.planning import changes, planning, unified

ExitCodeOption = Annotated[
    bool, typer.Option("--exit-code", help="End with 4 if there are changes, for scripts.")
]


@connected
def plan(
    api: Api,
    file: FilesOption,
    *,
    product: ProductOption = "",
    insecure: InsecureOption = False,
    exit_code: ExitCodeOption = False,
    output: ObjectOutputOption = ObjectOutput.TABLE,
) -> None:
    """Show what `apply` would do: each change of a file in Git, with its reason."""
    done = _planned(api, file, product, insecure=insecure, output=output)
    if exit_code and any(changes(outcome.answer) for outcome in done):
        raise typer.Exit(ExitCode.DIFFERENT)


@connected
def diff(
    api: Api,
    file: FilesOption,
    *,
    product: ProductOption = "",
    insecure: InsecureOption = False,
    exit_code: ExitCodeOption = False,
) -> None:
    """Show what `apply` would change in Git, line by line, as a unified diff."""
    found = ""
    done = _planned(api, file, product, insecure=insecure, output=None)
    for outcome in done:
        found += "".join(unified(change) for change in changes(outcome.answer))
    typer.echo(found, nl=False)
    if exit_code and found:
        raise typer.Exit(ExitCode.DIFFERENT)


def _planned(
    api: Api, file: Sequence[str], product: str, *, insecure: bool, output: ObjectOutput | None
) -> Sequence[Outcome]:
    """Return the plan of every entry; ends the command if one would be refused."""
    entries = to_apply(batch_of(file, product or api.product).entries)
    act = planning(changing.saving(api, Asked(insecure=insecure, dry_run=True), entries))
    if output is not None:
        return changing.carry_out(entries, act, go_on=True, output=output)
    done = list(applying.run(entries, act, go_on=True))
    for outcome in done:
        if outcome.result in applying.BAD:
            say(f"{outcome.entry.entity} {outcome.result.value}: {outcome.message}")
        elif outcome.message and not outcome.answer:
            say(f"{outcome.entry.entity} {outcome.message}")
    code = changing.exit_code(done)
    if code:
        raise typer.Exit(code)
    return done
