"""`nautes local`: the whole platform on this machine, without containers."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nautes_cli.console import (
    EXIT_CODES,
    ExitCode,
    Output,
    OutputOption,
    console,
    fail,
    say,
    show_document,
    show_table,
)

if TYPE_CHECKING:
    from nautes_localstack.description import PartStatus, Progress, StackDescription, StackStatus
    from nautes_localstack.stack import Stack

app = typer.Typer(
    help="Run the whole platform on this machine: bus, secret store, code host, Kubernetes APIs, services.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)

NameOption = Annotated[
    str,
    typer.Option("--name", "-n", help="Which stack; its state is kept in your state folder under this name."),
]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="Keep the state in this folder instead.", file_okay=False)
]
ClusterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster",
        metavar="NAME=KUBECONFIG",
        help="Use a cluster that runs elsewhere instead of the small one of that name; give it at every start.",
    ),
]


def foreign_clusters(given: list[str] | None) -> dict[str, Path]:
    """Return kubeconfigs by cluster; ends with a usage error for what is not NAME=FILE."""
    found = {}
    for one in given or ():
        name, _, file = one.partition("=")
        if not name or not Path(file).is_file():
            fail(f"--cluster {one}: it must be NAME=KUBECONFIG, with a file that exists", ExitCode.USAGE)
        found[name] = Path(file)
    return found


def _stack(name: str, state: Path | None) -> "Stack":
    from nautes_localstack.stack import Stack, default_state  # noqa: PLC0415 - `nautes --help` must be quick

    return Stack(state or default_state(name), name)


@app.command(epilog=EXIT_CODES)
def up(  # noqa: PLR0913 - each option is a parameter
    *,
    name: NameOption = "local",
    state: StateOption = None,
    services: Annotated[
        bool,
        typer.Option(
            "--with-services/--without-services", help="Start the five services, or only what they need."
        ),
    ] = True,
    tenant: Annotated[
        str, typer.Option(help="Name of the tenant; chosen by the first start.", show_default="acme")
    ] = "",
    cluster: ClusterOption = None,
    traces: Annotated[
        bool, typer.Option("--traces", help="Have the services write the spans of what they do, for tracing.")
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", "-f", help="Stay, show the logs, stop everything with Ctrl-C.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start everything and return when it works.

    Addresses and data are kept: after `down`, `up` continues where it was.
    """
    from nautes_localstack.stack import StackError  # noqa: PLC0415

    stack = _stack(name, state)
    try:
        described = up_with_progress(
            stack,
            services=services,
            tenant=tenant,
            clusters=foreign_clusters(cluster),
            foreground=foreground,
            traces=traces,
        )
    except StackError as error:
        fail(str(error))
    if not show_document(described.model_dump(mode="json"), output):
        _show_addresses(described)
    if foreground:
        _stay(stack)


@app.command(epilog=EXIT_CODES)
def down(*, name: NameOption = "local", state: StateOption = None) -> None:
    """Stop everything in order; data and addresses are kept."""
    if not _stack(name, state).down():
        fail("nothing is running", ExitCode.NOT_RUNNING)
    say("stopped")


@app.command(epilog=EXIT_CODES)
def status(
    *, name: NameOption = "local", state: StateOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show each part: process, port, memory, health. Ends with 1 if a part does not work."""
    from nautes_localstack.stack import NotRunningError  # noqa: PLC0415

    try:
        found = _stack(name, state).status()
    except NotRunningError as error:
        fail(str(error), ExitCode.NOT_RUNNING)
    if not show_document(found.model_dump(mode="json"), output):
        _show_status(found)
    if not found.healthy:
        raise typer.Exit(ExitCode.FAILED)


@app.command(epilog=EXIT_CODES)
def logs(
    part: Annotated[str, typer.Argument(help="A part, as `status` names it; all parts by default.")] = "",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-l", min=0, help="How many of the last lines of each.")
    ] = 20,
    name: NameOption = "local",
    state: StateOption = None,
) -> None:
    """Show the logs of one part or of all, whether the stack runs or not."""
    folder = _stack(name, state).layout.logs
    files = sorted(folder.glob("*.log"))
    if part:
        known = ", ".join(file.stem for file in files) or "none yet"
        files = [file for file in files if file.stem == part]
        if not files:
            fail(f"there is no log of {part!r} (there are: {known})", ExitCode.USAGE)
    _print_logs(files, lines, named=not part, go_on=lambda: follow)


@app.command(epilog=EXIT_CODES)
def address(
    part: Annotated[str, typer.Argument(help="A cluster, or: api, code-host, hooks, secret-store, bus.")],
    *,
    name: NameOption = "local",
    state: StateOption = None,
) -> None:
    """Write the address of a cluster or of another part, for scripts: `$(nautes local address build-east)`."""
    described = _described(name, state)
    addresses = {cluster: it.url for cluster, it in described.clusters.items()} | {
        "api": described.api_url,
        "code-host": described.gitlab_url,
        "hooks": described.gateway_url,
        "secret-store": described.vault_address,
        "bus": described.nats_url,
    }
    if part not in addresses:
        fail(f"there is no part {part!r}; there are {', '.join(addresses)}", ExitCode.USAGE)
    typer.echo(addresses[part])


@app.command(epilog=EXIT_CODES)
def file(
    what: Annotated[
        str, typer.Argument(metavar="CLUSTER|USER", help="A cluster, or a user of the code host such as dev.")
    ],
    *,
    name: NameOption = "local",
    state: StateOption = None,
) -> None:
    """Write where a cluster's kubeconfig or a user's token lies, for scripts."""
    described = _described(name, state)
    paths = {cluster: it.kubeconfig for cluster, it in described.clusters.items()} | described.tokens
    if what not in paths:
        fail(f"there is no cluster and no user {what!r}; there are {', '.join(paths)}", ExitCode.USAGE)
    typer.echo(paths[what])


def _described(name: str, state: Path | None) -> "StackDescription":
    from nautes_localstack.stack import NotRunningError  # noqa: PLC0415

    try:
        return _stack(name, state).load()
    except NotRunningError as error:
        fail(str(error), ExitCode.NOT_RUNNING)


@app.command(epilog=EXIT_CODES)
def reset(
    *,
    name: NameOption = "local",
    state: StateOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop everything and delete its data: repositories, secrets, clusters, history."""
    from nautes_localstack.stack import StackError  # noqa: PLC0415

    stack = _stack(name, state)
    root = stack.layout.root
    if not root.exists():
        fail(f"there is no stack in {root}", ExitCode.NOT_RUNNING)
    if not yes:
        typer.confirm(f"Delete everything in {root}?", abort=True, err=True)
    try:
        stack.reset()
    except StackError as error:
        fail(str(error))
    say(f"{root} is deleted")


def up_with_progress(
    stack: "Stack",
    *,
    services: bool,
    tenant: str,
    clusters: Mapping[str, Path],
    foreground: bool,
    traces: bool = False,
) -> "StackDescription":
    """Start a stack and show every part as it becomes ready. Raises StackError."""
    terminal = console(stderr=True)
    signs = {"ready": "[green]✓[/]", "crashed": "[yellow]![/]", "failed": "[red]✗[/]"}
    with terminal.status("starting …") as spinner:
        waiting: dict[str, None] = {}

        def show(progress: "Progress") -> None:
            if progress.state == "starting":
                waiting[progress.part] = None
            else:
                waiting.pop(progress.part, None)
            if sign := signs.get(progress.state):
                terminal.print(f"{sign} {progress.part:<24} {progress.seconds:5.1f} s  {progress.message}")
            spinner.update(f"waiting for {', '.join(waiting) or 'the set-up'} …")

        return stack.up(
            show, services=services, tenant=tenant, clusters=clusters, traces=traces, bound=foreground
        )


def _stay(stack: "Stack") -> None:
    files = sorted(stack.layout.logs.glob("*.log"))
    try:
        say("Ctrl-C stops everything")
        _print_logs(files, 0, named=True, go_on=stack.is_running)
        fail("the stack has stopped")
    except KeyboardInterrupt:
        say("stopping …")
    finally:
        stack.down()


def _show_addresses(described: "StackDescription") -> None:
    rows = [
        ("code host", described.gitlab_url, f"token of user dev: {described.tokens['dev']}"),
        (
            "secret store",
            described.vault_address,
            f"secret id of operator: {described.vault_secret_ids['operator']}",
        ),
        ("bus", described.nats_url, f"password of operator: {described.nats_passwords['operator']}"),
        *(
            (f"cluster {name}", it.url, f"kubeconfig: {it.kubeconfig}")
            for name, it in described.clusters.items()
        ),
    ]
    if "webhook-gateway" in described.parts:
        rows.append(("hooks", described.gateway_url, ""))
    if "api-server" in described.parts:
        rows.append(("API", described.api_url, ""))
    show_table(("WHAT", "ADDRESS", "ACCESS"), rows)


def _show_status(found: "StackStatus") -> None:
    headings = ("PART", "HEALTHY", "PID", "PORT", "MEMORY", "UPTIME", "RESTARTS")
    show_table(headings, [_row(part) for part in found.parts], numeric=headings[2:])
    total = sum(part.rss for part in found.parts)
    say(f"stack {found.name}, tenant {found.tenant}: {_mebibytes(total)} in {len(found.parts)} parts")


def _row(part: "PartStatus") -> tuple[str, ...]:
    healthy = "yes" if part.healthy else "no" if part.running else "not running"
    return (
        part.name,
        healthy,
        str(part.pid),
        str(part.port),
        _mebibytes(part.rss),
        f"{part.uptime:.0f} s",
        str(part.restarts),
    )


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"


def _print_logs(files: list[Path], lines: int, *, named: bool, go_on: Callable[[], bool]) -> None:
    ends: dict[Path, int] = {}
    for file in files:
        content = file.read_bytes()
        ends[file] = len(content)
        last = content.splitlines()[-lines:] if lines else []
        _print_lines(file, last, named=named)
    while go_on():
        time.sleep(0.2)
        for file, end in ends.items():
            size = file.stat().st_size if file.exists() else 0
            # A log that became shorter was moved aside: it begins anew.
            begin = end if size >= end else 0
            if size > begin:
                with file.open("rb") as source:
                    source.seek(begin)
                    new = source.read()
                # Only whole lines; the rest comes with its end.
                whole = new[: new.rfind(b"\n") + 1]
                _print_lines(file, whole.splitlines(), named=named)
                begin += len(whole)
            ends[file] = begin


def _print_lines(file: Path, lines: list[bytes], *, named: bool) -> None:
    prefix = f"{file.stem} | " if named else ""
    for line in lines:
        typer.echo(prefix + line.decode("utf-8", "replace"))
