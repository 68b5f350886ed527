"""`nautes completion`: the script with which a shell completes commands, options, kinds."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # public, but not in its __all__


class Shell(StrEnum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Write the completion script of a shell, as in `source <(nautes completion bash)`."""
    typer.echo(get_completion_script(prog_name="nautes", complete_var="_NAUTES_COMPLETE", shell=shell.value))
