"""`nautes run`: which runs there were, and starting, stopping and starting them again."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from nautes_cli import run_logs
from nautes_cli.access import ProductOption, connected
from nautes_cli.client import Api
from nautes_cli.console import (
    EXIT_CODES,
    ExitCode,
    Output,
    OutputOption,
    fail,
    say,
    show_document,
    show_table,
)

app = typer.Typer(help="Look at pipeline runs, start and stop them.", no_args_is_help=True)
DECIDED_WITHIN = 30.0
"""Seconds; the API itself answers earlier."""

RunArgument = Annotated[str, typer.Argument(help="Name of the run, as `nautes run list` shows it.")]


@app.command("list", epilog=EXIT_CODES)
@connected
def listing(
    api: Api,
    *,
    product: ProductOption = "",
    runtime: Annotated[str, typer.Option(help="Only runs of this runtime.")] = "",
    commit: Annotated[str, typer.Option(help="Only runs of this commit, or what begins with it.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List runs, newest first."""
    asked = {"runtime": runtime, "commit": commit}
    query = {key: value for key, value in asked.items() if value}
    found = api.get(_runs(api, product), **query)
    if show_document(found["items"], output):
        return
    rows = [
        (one["name"], one["pipeline"], one["phase"], one["ref"], one["commit"][:8], one["actor"], one["took"])
        for one in found["items"]
    ]
    show_table(("RUN", "PIPELINE", "PHASE", "REF", "COMMIT", "BY", "TOOK"), rows, numeric=("TOOK",))
    if found["total"] > len(rows):
        say(f"{found['total'] - len(rows)} older ones are not shown")


@app.command("show", epilog=EXIT_CODES)
@connected
def show(
    api: Api, run: RunArgument, *, product: ProductOption = "", output: OutputOption = Output.TABLE
) -> None:
    """Show a run: how far it is, why it did not succeed, where it is, and what started it. Ends with 1 if it failed."""
    found = api.get(f"{_runs(api, product)}/{run}")
    if not show_document(found, output):
        show_table(("FIELD", "VALUE"), [(key, str(value)) for key, value in found.items() if value])
        say(f"what it came of: nautes trace {found['delivery']}")
    if found["phase"] == "failed":
        raise typer.Exit(ExitCode.FAILED)


@app.command("start", epilog=EXIT_CODES)
@connected
def start(
    api: Api,
    runtime: Annotated[str, typer.Argument(help="ProjectPipelineRuntime, or runtime/pipeline for only one.")],
    *,
    product: ProductOption = "",
    branch: Annotated[str, typer.Option("--branch", "-b", help="Its head is built.")] = "main",
    repository: Annotated[
        str, typer.Option(help="CodeRepo of the branch; the first that the runtime listens to if not given.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Start a pipeline for the head of a branch, as if it had been pushed. Its triggers decide as they always do."""
    name, _, pipeline = runtime.partition("/")
    asked = {"runtime": name, "pipeline": pipeline, "repository": repository, "branch": branch}
    body = {key: value for key, value in asked.items() if value}
    _ask(api, _runs(api, product), body, output)


@app.command("cancel", epilog=EXIT_CODES)
@connected
def cancel(
    api: Api, run: RunArgument, *, product: ProductOption = "", output: OutputOption = Output.TABLE
) -> None:
    """Stop a run."""
    _ask(api, f"{_runs(api, product)}/{run}/cancel", None, output)


@app.command("retry", epilog=EXIT_CODES)
@connected
def retry(
    api: Api, run: RunArgument, *, product: ProductOption = "", output: OutputOption = Output.TABLE
) -> None:
    """Run the same pipeline for the same commit again."""
    _ask(api, f"{_runs(api, product)}/{run}/retry", None, output)


app.command("logs", epilog=EXIT_CODES)(run_logs.logs)


def _runs(api: Api, product: str) -> str:
    name = product or api.product
    if not name:
        fail("say which product: --product, or a context with one", ExitCode.USAGE)
    return f"/products/{name}/runs"


def _ask(api: Api, path: str, body: Mapping[str, Any] | None, output: Output) -> None:
    """Ask, and show what came of it. Ends with 1 if nothing was done, with 6 if that is not known yet."""
    found = api.call("POST", path, body=body, timeout=DECIDED_WITHIN).body
    if not show_document(found, output):
        _show(found["considered"])
        say(found["summary"] or f"not decided yet; later: nautes trace {found['request']}")
    if not found["decided"]:
        raise typer.Exit(ExitCode.TIMED_OUT)
    if not any(one["fired"] and one["result"] in {"done", "already"} for one in found["considered"]):
        raise typer.Exit(ExitCode.FAILED)


def _show(considered: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            one["runtime"],
            one["trigger"],
            one["run"] or "-",
            one["result"] or "-",
            one["message"] or one["reason"],
        )
        for one in considered
    ]
    if rows:
        show_table(("RUNTIME", "TRIGGER", "RUN", "RESULT", "SINCE"), rows)
