"""`nautes trigger test`: what an event would start, and why not the rest. Offline, by the platform's own rules."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nautes_cli.access import Access, ProductOption, accessing, connect, explained
from nautes_cli.checkout import said
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

if TYPE_CHECKING:
    from nautes_cli.client import Api
    from nautes_domain.catalog import ProductCatalog
    from nautes_domain.effects import Considered
    from nautes_domain.events import Delivery
    from nautes_domain.triggers import Facts, Match

app = typer.Typer(help="Try out which events start which pipelines.", no_args_is_help=True)

LARGEST: Final = 25 * 1024 * 1024
"""Bytes of a payload, as at the gateway."""
MOST_COMPARED: Final = 20
"""Deliveries whose changed paths are asked for: each is a comparison on the code host."""

CheckoutOption = Annotated[
    Path | None,
    typer.Option(
        help="A checkout of the repository with pipelines: what would start is looked up there.",
        show_default=False,
    ),
]


@app.command("test", epilog=EXIT_CODES)
@accessing
def try_out(  # noqa: PLR0913 - each option is a parameter
    access: Access,
    *,
    payload: Annotated[
        Path | None, typer.Option("--payload", help="What GitLab sends, as a JSON file.", show_default=False)
    ] = None,
    last: Annotated[
        int,
        typer.Option(
            "--last", min=0, max=1000, help="The last deliveries of --repository, from the platform."
        ),
    ] = 0,
    folder: Annotated[
        Path,
        typer.Option("--folder", "-f", help="Declarations of the product: a checkout of default.project."),
    ] = Path(),
    product: ProductOption = "",
    repository: Annotated[
        str,
        typer.Option(help="CodeRepo that the event is of; by default the last part of the project's path."),
    ] = "",
    changed: Annotated[
        list[str] | None,
        typer.Option(
            help="A changed path, may be given often; without one, path filters let everything pass."
        ),
    ] = None,
    pipelines: CheckoutOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say which runs and refreshes an event would lead to, and of every other trigger why not. Changes nothing.

    With --last, deliveries that came are held against the declarations in the folder, beside what was decided then.
    """
    if (payload is None) == (last == 0):
        fail("give --payload or --last, and not both", ExitCode.USAGE)
    if payload is None:
        _again(connect(access), (product, repository), last, folder, output)
        return
    from nautes_domain.triggers import Facts  # noqa: PLC0415 - only this command pays for it

    delivery = _delivery(payload)
    facts = Facts(changed=tuple(changed)) if changed else Facts(unknown="no --changed was given")
    matched = _matched(delivery, _catalog_of(delivery, folder), repository, folder, facts)
    considered = matched.considered if pipelines is None else _looked_up(matched, pipelines)
    rows = [one.model_dump(mode="json", exclude={"result", "message"}) for one in considered]
    if not show_document(rows, output):
        _show(considered)


def _again(api: "Api", place: tuple[str, str], last: int, folder: Path, output: Output) -> None:
    """Hold the last deliveries of a repository against declarations, and show what was decided then beside it."""
    from nautes_domain.events import Delivery  # noqa: PLC0415

    product, repository = place[0] or api.product, place[1]
    if not (product and repository):
        fail("--last needs --repository, and --product or a context with one", ExitCode.USAGE)
    with explained():
        found = [
            Delivery.model_validate(one)
            for one in api.get("/deliveries")["items"]
            if one["project"] == f"{product}/{repository}"
        ]
        decided = {one["cause"]["delivery"]: one["considered"] for one in api.get("/decisions")["items"]}
    catalog = _catalog(product, folder)
    paths = Paths(api, product, repository, catalog)
    asked = [(delivery, paths.facts(delivery)) for delivery in reversed(found[-last:])]  # the newest first
    told = [
        (delivery, one, _then(decided.get(delivery.id), one))
        for delivery, facts in reversed(asked)
        for one in _matched(delivery, catalog, repository, folder, facts).considered
    ]
    rows = [
        {
            "delivery": delivery.id,
            "ref": delivery.ref,
            "then": then,
            **one.model_dump(mode="json", exclude={"result", "message"}),
        }
        for delivery, one, then in told
    ]
    if show_document(rows, output):
        return
    lines = [
        (
            delivery.id[:13],
            delivery.event,
            delivery.revision,
            one.runtime,
            one.trigger,
            _yes(one.fired),
            then,
            _reason(one),
        )
        for delivery, one, then in told
    ]
    show_table(("DELIVERY", "EVENT", "ON", "RUNTIME", "TRIGGER", "WOULD FIRE", "FIRED", "SINCE"), lines)
    say(f"{len(found[-last:])} deliveries of {product}/{repository}")
    if any(one.note for _, one, _ in told):
        say("where a path filter was not looked at, it let everything pass")


class Paths:
    """Finds out which paths deliveries changed, as the caller; of no more than `MOST_COMPARED` of them."""

    def __init__(self, api: "Api", product: str, repository: str, catalog: "ProductCatalog") -> None:
        self._api = api
        self._product = product
        self._repository = repository
        self._catalog = catalog
        self._left = MOST_COMPARED

    def facts(self, delivery: "Delivery") -> "Facts":
        """Return what is known of a delivery; why nothing is known of its paths, where a filter asks for them."""
        from nautes_cli.problems import ApiError  # noqa: PLC0415
        from nautes_domain.triggers import NOT_SAID, Facts, incomparable, watches_paths  # noqa: PLC0415

        if delivery.deletes or not watches_paths(delivery, self._catalog, self._repository):
            return Facts()
        why = incomparable(delivery)
        if not why and not self._left:
            why = f"only the newest {MOST_COMPARED} deliveries are compared"
        if why:
            return Facts(unknown=why)
        self._left -= 1
        query = {"repository": self._repository, "after": delivery.after, "target": delivery.target_branch}
        query["before"] = delivery.before or delivery.after  # of a merge request its target counts
        try:
            found = self._api.get(f"/products/{self._product}/changed-paths", **query)["paths"]
        except ApiError as error:
            return Facts(unknown=f"the platform did not compare: {error}")
        return Facts(unknown=NOT_SAID) if found is None else Facts(changed=tuple(found))


def _then(decided: Sequence[Mapping[str, Any]] | None, now: "Considered") -> str:
    """Return whether a trigger fired when a delivery came; `-` if that is not known, or it was not declared."""
    same = [one for one in decided or () if (one["runtime"], one["trigger"]) == (now.runtime, now.trigger)]
    return _yes(same[0]["fired"]) if same else "-"


def _reason(one: "Considered") -> str:
    return f"{one.reason}; {one.note}" if one.note else one.reason


def _yes(fired: object) -> str:
    return "yes" if fired else "no"


def _catalog_of(delivery: "Delivery", folder: Path) -> "ProductCatalog":
    return _catalog(delivery.project.rpartition("/")[0] or "product", folder)


def _looked_up(matched: "Match", pipelines: Path) -> "Sequence[Considered]":
    """Return every trigger with its verdict, and with what its pipeline is in a checkout."""
    paths = {run.considered.run: run.path for run in matched.runs}

    def noted(one: "Considered") -> "Considered":
        if one.run not in paths:
            return one
        words = said(pipelines, paths[one.run])
        return one.model_copy(update={"note": f"{one.note}; {words}" if one.note else words})

    return [noted(one) for one in matched.considered]


def _matched(
    delivery: "Delivery", catalog: "ProductCatalog", repository: str, folder: Path, facts: "Facts"
) -> "Match":
    """Return every trigger with its verdict, and the runs of those that fire."""
    from nautes_domain.triggers import match  # noqa: PLC0415 - only this command pays for it

    name = repository or delivery.project.rpartition("/")[2]
    if name not in catalog.repos:
        fail(f"{folder} declares no CodeRepo {name!r}; known are {', '.join(catalog.repos) or 'none'}")
    return match(delivery, catalog, name, facts)


def _delivery(file: Path) -> "Delivery":
    """Return what the gateway would store of a payload."""
    from nautes_domain.events import Delivery  # noqa: PLC0415
    from nautes_webhook_gateway.gitlab import Call, normalise  # noqa: PLC0415

    try:
        body = file.read_bytes()
        parsed = json.loads(body)
    except (OSError, ValueError, RecursionError) as error:
        fail(f"{file} cannot be read as JSON: {error}")
    if len(body) > LARGEST:
        fail(f"{file} is larger than GitLab sends")
    found = normalise(Call("trigger-test", _project_id(parsed), body, ""), datetime.now(UTC))
    if not isinstance(found, Delivery):
        fail(f"{file}: {getattr(found, 'message', '') or 'it would be ignored'} ({_code(found)})")
    return found


def _project_id(payload: Any) -> int:
    """Return the project that a payload names, 0 if it names none; the gateway's rules judge the rest."""
    if not isinstance(payload, Mapping):
        return 0
    project = payload.get("project")
    inner = project.get("id") if isinstance(project, Mapping) else None
    found = payload.get("project_id", inner)
    return found if isinstance(found, int) else 0


def _code(found: Any) -> str:
    return str(getattr(found, "code", "") or getattr(found, "reason", ""))


def _catalog(product: str, folder: Path) -> "ProductCatalog":
    from nautes_domain.catalog import TenantCatalog, read_product  # noqa: PLC0415
    from nautes_domain.validation import BY_TENANT, Setting, judge  # noqa: PLC0415

    tree = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in ("*.yaml", "*.yml")
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and not path.is_symlink()
    }
    catalog, problems = read_product(product, tree)
    # Which clusters and providers there are, only the tenant's declarations say.
    verdict = judge(Setting(catalog, TenantCatalog()), problems, leave_out=BY_TENANT)
    problems = verdict.violations
    for problem in problems:
        say(str(problem))
    if problems:
        fail(f"{len(problems)} violations in {folder}")
    return catalog


def _show(considered: Sequence["Considered"]) -> None:
    rows = [
        (
            one.runtime,
            one.trigger,
            _yes(one.fired),
            _reason(one),
        )
        for one in considered
    ]
    show_table(("RUNTIME", "TRIGGER", "FIRES", "SINCE"), rows)
    fired = sum(one.fired for one in considered)
    say(f"{fired} of {len(considered)} would fire")
