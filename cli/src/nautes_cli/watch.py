"""`nautes watch`: what changes in a product, as it changes, from the API's stream of events."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from time import monotonic, sleep
from typing import Annotated, Any, Final

import typer

from nautes_cli.access import ProductOption, connected
from nautes_cli.client import Api, ApiError, Event
from nautes_cli.console import ExitCode, fail, say

PAUSE: Final = 1.0
"""Seconds before the stream is opened again."""
INTERRUPTED: Final = 130
STATUS: Final = "Status"
"""The kind under which the stream tells how a product stands."""


class News:
    """Tells what is new in streams that each begin with everything there is: after a break nothing is told twice."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}
        self._seen: set[tuple[str, str]] = set()

    def begin(self) -> None:
        """A new stream begins."""
        self._seen = set()

    def of(self, event: Event) -> str:
        """Return what an event tells: `added`, `modified`, `deleted`, or the empty text if it is no news."""
        key = (str(event.data.get("kind", "")), str(event.data.get("name", "")))
        if not key[0]:
            return ""
        self._seen.add(key)
        if event.name == "deleted":
            return "deleted" if self._known.pop(key, None) is not None else ""
        before, now = self._known.get(key), event.data.get("object")
        self._known[key] = now
        return "added" if before is None else "" if before == now else "modified"


@connected
def watch(
    api: Api,
    *,
    product: ProductOption = "",
    until_done: Annotated[
        bool,
        typer.Option(
            "--until-done", help="End with 0 once everything is as declared, with 1 if it is refused."
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=0, metavar="SECONDS", help="Give up with 6 after this time; 0 never does."
        ),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
) -> None:
    """Show what a product declares and how it stands, then every change, until Ctrl-C.

    Without a product: the products that you may see.
    """
    product = product or api.product
    if until_done and not product:
        fail("of which product? give --product, or set PRODUCT", ExitCode.USAGE)
    ends = monotonic() + timeout if timeout else float("inf")
    news = News()
    try:
        for event in _events(api, product, ends):
            if event.name == "begin":
                news.begin()
                continue
            told = news.of(event)
            if told:
                typer.echo(_json_line(told, event.data) if as_json else line(told, event.data))
            if until_done and event.data.get("kind") == STATUS:
                _end_if_over(event.data["object"])
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    fail(f"{product} was not done within {timeout:g} s" if until_done else "time is over", ExitCode.TIMED_OUT)


def line(told: str, data: Mapping[str, Any]) -> str:
    """Return an event in one line for people."""
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    found = data.get("object") or {}
    if data.get("kind") == STATUS:
        services = ", ".join(
            f"{one['service']} {one['result']}" + (f" ({one['message']})" if one["result"] != "done" else "")
            for one in found.get("services", ())
        )
        return f"{now}  {data['name']} is {found.get('result') or 'unknown'}: {services}"
    return f"{now}  {told:<8}  {data.get('kind')}/{data.get('name')}"


def _events(api: Api, product: str, ends: float) -> Iterator[Event]:
    """Yield events until the time is over, with a `begin` before those of each stream; a broken one is opened again."""
    opened = False
    path, query = (f"/products/{product}/watch", {}) if product else ("/products", {"watch": "true"})
    while (left := ends - monotonic()) > 0:
        yield Event("", "begin", {})
        try:
            query["seconds"] = str(max(1, min(300, round(left))))
            for event in api.events(path, **query):
                opened = True
                if event.name == "end":
                    fail(f"{product} is gone, or no longer yours to see")
                yield event
        except ApiError as error:
            if not opened or error.status in {401, 403, 404}:
                raise
            say(f"{error}; trying again")
            sleep(PAUSE)


def _end_if_over(state: Mapping[str, Any]) -> None:
    if state.get("result") in {"done", "already"}:
        raise typer.Exit(ExitCode.OK)
    if state.get("result") == "rejected":
        raise typer.Exit(ExitCode.FAILED)


def _json_line(told: str, data: Mapping[str, Any]) -> str:
    return json.dumps({"event": told, **data}, ensure_ascii=False)
