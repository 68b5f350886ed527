"""`nautes get`, `delete`, `history` and `watch`: entities by kind and name."""

from typing import Annotated

import typer

from nautes_cli import changing
from nautes_cli.access import ProductOption, connected
from nautes_cli.changing import (
    Asked,
    ContinueOption,
    DryRunOption,
    InsecureOption,
    TimeoutOption,
    WaitOption,
)
from nautes_cli.client import Api
from nautes_cli.console import (
    ExitCode,
    ObjectOutput,
    ObjectOutputOption,
    Output,
    OutputOption,
    fail,
    say,
    show_document,
    show_table,
)
from nautes_cli.entries import Entry
from nautes_cli.kinds import KINDS, WORDS, Kind, kind_of
from nautes_cli.listing import show_entities


def _kinds(incomplete: str) -> list[str]:
    """Return what completes a kind: its usual words first."""
    usual = [kind.words[0] for kind in KINDS.values()]
    matches = [word for word in usual if word.startswith(incomplete.lower())]
    return matches or [word for word in WORDS if word.startswith(incomplete.lower())]


KindArgument = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="A kind, such as environment, env or envs: "
        + ", ".join(kind.words[0] for kind in KINDS.values()),
        autocompletion=_kinds,
    ),
]
NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="All of the kind if no name is given.")
]


@connected
def get(
    api: Api,
    kind: KindArgument,
    names: NamesArgument = None,
    *,
    product: ProductOption = "",
    selector: Annotated[
        str,
        typer.Option(
            "--field-selector",
            "-l",
            metavar="KEY=VALUE,…",
            help="Only those for which all of it holds; also KEY!=VALUE and KEY in (A,B).",
        ),
    ] = "",
    output: ObjectOutputOption = ObjectOutput.TABLE,
) -> None:
    """Show entities: all of a kind, or those with these names."""
    chosen, product = _kind(kind), product or api.product
    _needs_product(chosen, product)
    if names:
        found = [api.get(chosen.path(product, name)) for name in names]
        show_entities(chosen, found, output, single=len(found) == 1)
        return
    query = {"field_selector": selector} if selector else {}
    found = api.items(chosen.path(product), **query)
    show_entities(chosen, found, output)
    if not found and output in {ObjectOutput.TABLE, ObjectOutput.WIDE}:
        say(f"there is no {chosen.words[0]}" + (f" in {product}" if chosen.in_product else ""))


@connected
def delete(  # noqa: PLR0913 - each option is a parameter
    api: Api,
    kind: KindArgument,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="What to delete.")],
    *,
    product: ProductOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    if_match: Annotated[
        str, typer.Option("--if-match", metavar="ETAG", help="Delete it only if it is still this one.")
    ] = "",
    insecure: InsecureOption = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = 60,
    continue_on_error: ContinueOption = False,
    output: ObjectOutputOption = ObjectOutput.TABLE,
) -> None:
    """Delete entities by name, after asking for each: y, n, or A for all that are left."""
    chosen, product = _kind(kind), product or api.product
    _needs_product(chosen, product)
    wanted = names if yes or dry_run else _confirmed(chosen, names)
    entries = [Entry(chosen, name, product if chosen.in_product else "") for name in wanted]
    if not entries:
        say("nothing is deleted")
        return
    asked = Asked(insecure=insecure, dry_run=dry_run, wait=wait, timeout=timeout, if_match=if_match)
    act = changing.removing(api, asked, entries, absent_is_fine=False)
    changing.carry_out(entries, act, go_on=continue_on_error, output=output)


@connected
def history(
    api: Api,
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="Which one.")],
    *,
    product: ProductOption = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show who changed an entity, when and why: the commits that declare it."""
    chosen, product = _kind(kind), product or api.product
    _needs_product(chosen, product)
    found = api.get(f"{chosen.path(product, name)}/history")["items"]
    if not show_document(found, output):
        rows = [
            (
                one.get("at", ""),
                str(one.get("commit", ""))[:8],
                one.get("author", ""),
                _first_line(one.get("message", "")),
            )
            for one in found
        ]
        show_table(("AT", "COMMIT", "AUTHOR", "WHAT"), rows)


def _kind(word: str) -> Kind:
    """Return the kind that a word names; ends the command if it names none."""
    found = kind_of(word)
    if found is None:
        fail(
            f"there is no kind {word!r}; there are {', '.join(kind.words[0] for kind in KINDS.values())}",
            ExitCode.USAGE,
        )
    return found


def _needs_product(kind: Kind, product: str) -> None:
    if kind.in_product and not product:
        fail(f"{kind.words[0]}s belong to a product: give --product, or set PRODUCT", ExitCode.USAGE)


def _confirmed(kind: Kind, names: list[str]) -> list[str]:
    """Return the names that the person agrees to."""
    wanted: list[str] = []
    for at, name in enumerate(names):
        question = f"Delete {kind.words[0]} {name!r}? [y/n/A] where A is for all that are left"
        answer = ""
        while answer not in {"y", "yes", "n", "no", "a", "all"}:
            answer = typer.prompt(question, err=True).strip().lower()
        if answer.startswith("a"):
            return [*wanted, *names[at:]]
        if answer.startswith("y"):
            wanted.append(name)
        else:
            say(f"{name} stays")
    return wanted


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
