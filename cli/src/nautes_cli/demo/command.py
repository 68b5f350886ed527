"""`nautes demo`, the command: a fresh stack, the story, the trace, an exit code."""

import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from nautes_cli.client import Api, ApiError
from nautes_cli.console import ExitCode, console, fail, say
from nautes_cli.inspect import show_trace, statuses, traces
from nautes_cli.local import ClusterOption, foreign_clusters, up_with_progress

if TYPE_CHECKING:
    from nautes_cli.demo.story import StepDone
    from nautes_localstack.description import StackDescription


def demo(
    *,
    examples: Annotated[
        Path, typer.Option(help="Folder with the example manifests.", file_okay=False)
    ] = Path("examples"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running afterwards.")] = False,
    name: Annotated[
        str, typer.Option("--name", "-n", help="Name of the laptop stack that is used.")
    ] = "demo",
    cluster: ClusterOption = None,
) -> None:
    """Show the main job on a fresh laptop stack: a push ends in a PipelineRun, an Argo CD sync and a Vault role.

    The stack of that name is deleted first. Nothing outside of it is touched.
    """
    from nautes_localstack.stack import Stack, StackError, default_state  # noqa: PLC0415

    if not (examples / "management").is_dir():
        fail(f"{examples} holds no examples; run this where they are, or give --examples", ExitCode.USAGE)
    began = monotonic()
    stack = Stack(default_state(name), name)
    try:
        stack.reset()
        up_with_progress(
            stack, services=True, tenant="", clusters=foreign_clusters(cluster), foreground=not keep
        )
    except StackError as error:
        fail(str(error))
    say(f"the laptop stack is ready after {monotonic() - began:.1f} s\n")
    try:
        worked = tell(stack.load(), examples)
    finally:
        if not keep:
            stack.down()
    say(f"\n{'it works' if worked else 'it did not work'}; {monotonic() - began:.1f} s in all")
    if keep:
        say(f"the stack is still running: nautes local status --name {name}")
    if not worked:
        raise typer.Exit(ExitCode.FAILED)


def tell(described: "StackDescription", examples: Path) -> bool:
    """Tell the story on a running stack and show it; return whether everything became true."""
    import httpx  # noqa: PLC0415

    from nautes_cli.demo.git import GitError  # noqa: PLC0415
    from nautes_cli.demo.story import NotReachedError, Story  # noqa: PLC0415
    from nautes_cli.demo.systems import Systems  # noqa: PLC0415

    api = Api(described.api_url, described.tokens["dev"].read_text().strip())
    systems = Systems(described)
    with tempfile.TemporaryDirectory(prefix="nautes-demo-") as work:
        story = Story(described, systems, api, examples, Path(work), _show)
        try:
            commits = story.tell()
            for commit in commits:
                for found in traces(api, commit):
                    show_trace(found)
        except (NotReachedError, GitError, ApiError, httpx.HTTPError) as error:
            _explain(api, str(error))
            return False
        finally:
            systems.close()
            api.close()
    return True


def _show(step: "StepDone") -> None:
    out = console(stderr=True)
    out.print(f"[green]✓[/] {step.title:<66} {step.seconds:5.1f} s")
    for detail in step.details:
        out.print(f"    {detail}", markup=False, soft_wrap=True)


def _explain(api: Api, what: str) -> None:
    """Say what was missed, and what the services say themselves."""
    say(f"✗ {what}")
    try:
        for scope in statuses(api, ""):
            for one in scope["services"]:
                if one["result"] not in {"done", "already"}:
                    say(f"    {scope['scope']}, {one['service']}: {one['result']}: {one['message']}")
    except ApiError as error:
        say(f"    {error}")
