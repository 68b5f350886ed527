"""`nautes`: the command line. Each group of commands lives in a module of its own and is added here."""

import typer

from nautes_cli import apply, context, get, hooks, inspect, local, login, plan, run, trigger, watch
from nautes_cli.access import Access, accessing
from nautes_cli.completion import completion
from nautes_cli.console import EXIT_CODES
from nautes_cli.demo.command import demo
from nautes_cli.lint import HELP, lint
from nautes_cli.schema import schema

app = typer.Typer(
    name="nautes",
    help="Declare in Git, see what a push will do, and what it did.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # they may hold secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Groups and commands, in the order of `nautes --help`. A module imports what is slow inside its commands.
for command in (
    login.login,
    login.logout,
    apply.apply,
    apply.remove,
    plan.plan,
    plan.diff,
    get.get,
    get.delete,
    get.history,
    watch.watch,
):
    app.command(epilog=EXIT_CODES)(command)
app.command(epilog=EXIT_CODES)(inspect.status)
app.command(epilog=EXIT_CODES)(inspect.trace)
app.command(epilog=HELP)(lint)
app.command(epilog=EXIT_CODES)(schema)
app.command(epilog=EXIT_CODES)(demo)
app.command(epilog=EXIT_CODES)(completion)
app.add_typer(context.app, name="context")
app.add_typer(run.app, name="run")
app.add_typer(trigger.app, name="trigger")
app.add_typer(hooks.app, name="hooks")
app.add_typer(local.app, name="local")


@app.callback()
@accessing
def nautes(_: Access) -> None:
    """Declare in Git, see what a push will do, and what it did."""


def main() -> None:
    """Run the command that was asked for."""
    app()


if __name__ == "__main__":
    main()
