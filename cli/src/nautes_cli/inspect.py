"""`nautes status` and `nautes trace`: how things stand, and what a push led to."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from nautes_cli.access import connected
from nautes_cli.client import Api
from nautes_cli.console import Output, OutputOption, fail, say, show_document, show_table


@connected
def status(
    api: Api,
    product: Annotated[
        str, typer.Argument(help="A product; everything that you may see if it is left out.")
    ] = "",
    *,
    of_product: Annotated[
        str, typer.Option("--product", "-p", help="The same, as other commands take it.", show_default=False)
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how far declarations are applied, per service, with every violation. Ends with 1 if any was refused."""
    found = statuses(api, product or of_product)
    if not show_document(found, output):
        _show_status(found)
    if any(scope["result"] == "rejected" for scope in found):
        raise typer.Exit(1)


@connected
def trace(
    api: Api,
    push: Annotated[str, typer.Argument(help="A commit (or its beginning), or the id of a delivery.")],
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a push led to: deliveries, decisions with their reasons, effects with their durations."""
    found = traces(api, push)
    if not found:
        fail(f"nothing is known of {push!r}")
    if show_document(found, output):
        return
    for one in found:
        show_trace(one)


def statuses(api: Api, product: str) -> list[Mapping[str, Any]]:
    """Return the scopes that were asked for."""
    if product:
        return [api.get(f"/products/{product}/status")]
    return list(api.get("/scopes")["items"])


def traces(api: Api, push: str) -> list[Mapping[str, Any]]:
    """Return the traces of every delivery of a commit, or of one delivery."""
    deliveries = api.get("/deliveries")["items"]
    causes = [one["id"] for one in deliveries if one["id"] == push or _is_commit(one, push)]
    return [api.get(f"/trace/{cause}") for cause in dict.fromkeys(causes)]


def show_trace(found: Mapping[str, Any]) -> None:
    """Write a trace as a table, and below it every trigger that was considered."""
    cause = found["cause"]
    commit = cause["commit"][:8]
    say(f"\n{cause['repository']} {cause['ref']} {commit} by {cause['actor'] or 'nobody known'}")
    rows = [
        (f"+{step['after']:.3f} s", step["what"], step["service"], step["result"], _took(step), step["text"])
        for step in found["steps"]
    ]
    show_table(("AT", "WHAT", "SERVICE", "RESULT", "TOOK", "DETAIL"), rows, numeric=("AT", "TOOK"))
    for step in found["steps"]:
        for one in step["record"].get("considered", ()):
            verdict = f"→ {one['run']} ({one['result']})" if one["fired"] else "not fired"
            say(f"  {one['product']}/{one['runtime']} {one['trigger']}: {verdict}, since {one['reason']}")
            if one.get("note"):
                say(f"    note: {one['note']}")
            if one["message"]:
                say(f"    {one['message']}")


def _is_commit(delivery: Mapping[str, Any], push: str) -> bool:
    return len(push) >= 6 and any(delivery[key].startswith(push) for key in ("after", "checkout_sha"))


def _took(step: Mapping[str, Any]) -> str:
    return f"{step['duration'] * 1000:.0f} ms" if step["what"] == "effect" else ""


def _show_status(found: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            scope["scope"],
            one["service"],
            one["result"],
            one["commit"][:8],
            str(one["unchanged"]),
            one["message"],
        )
        for scope in found
        for one in scope["services"]
    ]
    show_table(
        ("SCOPE", "SERVICE", "RESULT", "COMMIT", "AS DECLARED", "DETAIL"), rows, numeric=("AS DECLARED",)
    )
    for scope in found:
        for one in scope["services"]:
            for bad in (*one["violations"], *one.get("warnings", ())):
                where = f"{bad['file']}:{bad['line']} {bad['kind']}/{bad['name']} {bad['field']}"
                fix = f"; {bad['fix']}" if bad["fix"] else ""
                say(f"{where}: {bad['message']} [{bad['rule']}]{fix}")
