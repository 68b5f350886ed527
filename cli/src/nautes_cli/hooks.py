"""`nautes hooks`: which tasks may stand before and after pipelines, and what they ask for."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from nautes_cli.access import connected
from nautes_cli.client import Api
from nautes_cli.console import EXIT_CODES, Output, OutputOption, say, show_document, show_table

app = typer.Typer(help="Look at the hooks that pipeline runtimes may name.", no_args_is_help=True)


@app.command("list", epilog=EXIT_CODES)
@connected
def listing(api: Api, *, output: OutputOption = Output.TABLE) -> None:
    """List the hooks that the platform offers."""
    found = api.get("/hooks")
    if show_document(found["items"], output):
        return
    rows = [(one["name"], one["component"], _place(one), one["description"]) for one in found["items"]]
    show_table(("HOOK", "COMPONENT", "STANDS", "DOES"), rows)


@app.command("show", epilog=EXIT_CODES)
@connected
def show(
    api: Api,
    hook: Annotated[str, typer.Argument(help="Name of the hook, as `nautes hooks list` shows it.")],
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a hook does, which variables it takes and what it is told and finds beside it."""
    found = api.get(f"/hooks/{hook}")
    if show_document(found, output):
        return
    say(f"{found['name']} stands {_place(found)} pipelines of {found['component']}. {found['description']}")
    needed = found["vars_definition"].get("required", [])
    rows = [
        (name, "yes" if name in needed else "", one.get("description", ""), one.get("pattern", ""))
        for name, one in found["vars_definition"].get("properties", {}).items()
    ]
    show_table(("VARIABLE", "NEEDED", "MEANS", "PATTERN"), rows)
    if found["wants"]:
        say(f"it is told {', '.join(found['wants'])}")
    for folder, resource in found["requested_resources"].items():
        say(f"it finds {resource} in {folder}{' if there is any' * (folder in found['optional_resources'])}")


def _place(hook: Mapping[str, Any]) -> str:
    places = (("before", hook["is_pre_hook"]), ("after", hook["is_post_hook"]))
    return " and ".join(word for word, there in places if there)
