"""`nautes schema`: the JSON Schema of manifests, for editors and other programs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nautes_cli.console import ExitCode, fail, say, show_json


def schema(
    kind: Annotated[str, typer.Argument(help="A kind, such as Environment.")] = "manifest",
    *,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the schemas of all kinds into this folder.")
    ] = None,
) -> None:
    """Show the JSON Schema of a kind; without one, the schema of any manifest."""
    from nautes_domain.schemas import schemas  # noqa: PLC0415 - the models are slow to import

    found = schemas()
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name, one in found.items():
            text = json.dumps(one, indent=2, ensure_ascii=False)
            (write / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        say(f"{len(found)} schemas are in {write}")
    elif kind in found:
        show_json(found[kind])
    else:
        fail(f"there is no kind {kind!r}; there are {', '.join(found)}", ExitCode.USAGE)
