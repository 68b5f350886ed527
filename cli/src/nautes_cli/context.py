"""`nautes context …`: the platforms that you work with."""

from typing import Annotated

import typer

from nautes_cli.access import Access, accessing, config_file, explained
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

app = typer.Typer(help="Which platforms you work with, and which one is in use.", no_args_is_help=True)

ContextArgument = Annotated[str, typer.Argument(metavar="CONTEXT", help="Name of a context.")]


@app.command("list", epilog=EXIT_CODES)
@accessing
def show(access: Access, *, output: OutputOption = Output.TABLE) -> None:
    """Show all contexts; the one in use has a star."""
    file = config_file(access)
    with explained():
        config = file.load()
        rows = [
            {
                "current": name == config.current,
                "name": name,
                "server": context.server,
                "product": context.product,
                "caFile": str(context.ca_file or ""),
                "signedIn": file.token(name) is not None,
            }
            for name, context in config.contexts.items()
        ]
    if not show_document(rows, output):
        cells = [
            ("*" if row["current"] else "", str(row["name"]), str(row["server"]), str(row["product"]), "yes" if row["signedIn"] else "no")
            for row in rows
        ]  # fmt: skip
        show_table(("", "NAME", "SERVER", "PRODUCT", "SIGNED IN"), cells)


@app.command(epilog=EXIT_CODES)
@accessing
def use(access: Access, name: ContextArgument) -> None:
    """Use a context from now on."""
    file = config_file(access)
    with explained():
        config = file.load()
        if name not in config.contexts:
            fail(
                f"there is no context {name!r}; there are {', '.join(config.contexts) or 'none'}",
                ExitCode.USAGE,
            )
        file.save(config.model_copy(update={"current": name}))
    say(f"context {name} is in use")


@app.command("set", epilog=EXIT_CODES)
@accessing
def change(
    access: Access,
    name: ContextArgument,
    *,
    product: Annotated[
        str, typer.Option("--product", "-p", help="The product that is meant where none is named.")
    ] = "",
) -> None:
    """Make a context, or change its address, certificates or product."""
    from nautes_cli.config import Config, Context, checked_server  # noqa: PLC0415 - slow to import
    from nautes_domain.names import is_label  # noqa: PLC0415

    file = config_file(access)
    with explained():
        config = file.load()
        known = config.contexts.get(name)
        if not access.api_server and known is None:
            fail(f"there is no context {name!r} yet: give --api-server", ExitCode.USAGE)
        if not is_label(name):
            fail("a context's name is lower-case letters, digits and inner hyphens", ExitCode.USAGE)
        server = checked_server(access.api_server) if access.api_server else known.server if known else ""
        if known is not None and server != known.server and file.forget_token(name):
            say(
                f"the token of {name} was for {known.server}: sign in again with `nautes login --context {name}`"
            )
        context = Context(
            server=server,
            ca_file=access.ca_file.absolute() if access.ca_file else known.ca_file if known else None,
            product=product or (known.product if known else ""),
        )
        file.save(Config(current=config.current or name, contexts={**config.contexts, name: context}))
    say(f"context {name}: {server}")


@app.command("delete", epilog=EXIT_CODES)
@accessing
def forget(access: Access, name: ContextArgument) -> None:
    """Forget a context and its token."""
    file = config_file(access)
    with explained():
        config = file.load()
        if name not in config.contexts:
            fail(f"there is no context {name!r}", ExitCode.USAGE)
        file.forget_token(name)
        rest = {other: context for other, context in config.contexts.items() if other != name}
        current = "" if config.current == name else config.current
        file.save(config.model_copy(update={"current": current, "contexts": rest}))
    say(f"context {name} is deleted")
