"""`nautes run logs`: what a run writes, as it writes it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from nautes_cli.access import ProductOption, connected
from nautes_cli.client import Api
from nautes_cli.console import ExitCode, Output, OutputOption, fail, say

INTERRUPTED: Final = 130


@connected
def logs(  # noqa: PLR0913 - each option is a parameter
    api: Api,
    run: Annotated[str, typer.Argument(help="Name of the run, as `nautes run list` shows it.")],
    *,
    product: ProductOption = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended; wait for its begin.")
    ] = False,
    task: Annotated[str, typer.Option(help="Only this task (a job, on GitLab CI).")] = "",
    step: Annotated[str, typer.Option(help="Only this step.")] = "",
    tail: Annotated[
        int | None, typer.Option(min=0, help="Only the last so many lines of each step.", show_default=False)
    ] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Begin each line with its time.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a run wrote, read from its cluster. Developers of the repository that it builds may."""
    name = product or api.product
    if not name:
        fail("say which product: --product, or a context with one", ExitCode.USAGE)
    if output is Output.YAML:
        fail("logs are shown as text, or with -o json as an object a line", ExitCode.USAGE)
    asked = {"follow": "true" if follow else "", "task": task, "step": step}
    query = {key: value for key, value in asked.items() if value}
    query |= {} if tail is None else {"tail": str(tail)}
    prefixed = not (task and step)
    try:
        for line in api.lines(f"/products/{name}/runs/{run}/logs", **query):
            if line is None:
                continue
            if line.get("ended"):
                _end(line)
            if output is Output.JSON:
                typer.echo(json.dumps(line, ensure_ascii=False))
            else:
                typer.echo(shown(line, prefixed=prefixed, timestamps=timestamps))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def shown(line: Mapping[str, Any], *, prefixed: bool, timestamps: bool) -> str:
    """Return a line for people: where it comes from, unless only one step was asked for, and its text."""
    place = f"{line['task']} : {line['step']}" if line.get("step") else line["task"]
    at = str(line.get("at") or "-") if timestamps else ""
    before = [part for part in (at, f"[{place}]" if prefixed else "") if part]
    return " ".join([*before, str(line["text"])])


def _end(line: Mapping[str, Any]) -> None:
    """Say what is not shown; end with 1 if it broke off."""
    if line.get("note"):
        say(str(line["note"]))
    if line.get("message"):
        fail(str(line["message"]))
    raise typer.Exit(ExitCode.OK)
