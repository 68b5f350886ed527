"""`nautes lint`: judge manifests before they are pushed, by the platform's own rules. Offline; changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nautes_cli import files
from nautes_cli.console import ExitCode, Output, OutputOption, fail, say, show_document, show_table

if TYPE_CHECKING:
    from nautes_domain.bundle import Bundle, Judged
    from nautes_domain.failures import Violation
    from nautes_domain.hooks import HookKinds

HELP: Final = "Exit codes: 0 everything is valid (there may be warnings), 1 something is not, 2 wrong usage."


def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", "-f", help="A file or folder; the current folder if none is given.", exists=True
        ),
    ] = None,
    *,
    before: Annotated[
        list[Path] | None,
        typer.Option(help="The same as it was: judge what may not change or go as well.", exists=True),
    ] = None,
    without: Annotated[
        str, typer.Option(metavar="KIND/NAME", help="Judge as if this entity had been deleted: who needs it?")
    ] = "",
    product: Annotated[
        str, typer.Option(help="Name of the product, if neither folder nor manifests tell.")
    ] = "",
    tenant: Annotated[str, typer.Option(help="Name of the tenant, if no Tenant manifest tells.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything that is wrong with manifests, each with file, line, rule and what to do.

    Repositories are recognised by their layout; a tenant's repository beside a product's is taken into account.
    """
    from nautes_domain import bundle  # noqa: PLC0415 - the models are slow to import

    chosen = paths or [Path()]
    tree, refused = collect(chosen)
    found = bundle.read(tree, tenant=tenant, product=product)
    until_now = bundle.read(collect(before)[0], tenant=tenant, product=product) if before else None
    if without:
        until_now, found = found, _deleted(found, without)
    judged = list(bundle.verdicts(found, until_now, _hooks(found)))
    named = frozenset(path.as_posix() for path in chosen if path.is_file())
    only = named if all(path.is_file() for path in chosen) and not without else frozenset()
    violations = [*refused, *_all(judged, "violations", only)]
    count = sum(1 for _ in found.entities())
    if not show_document(_document(judged, violations, _all(judged, "warnings", only), count), output):
        _show(violations, _all(judged, "warnings", only))
        say(
            f"{count} entities, {len(violations)} violations" if violations else f"{count} entities are valid"
        )
    if violations:
        raise typer.Exit(ExitCode.FAILED)


def collect(paths: Iterable[Path]) -> "tuple[Mapping[str, bytes], list[Violation]]":
    """Return the YAML files at and below paths, and those which are links: they could lead anywhere.

    A file that lies in a repository brings that repository along: only there is known what it refers to.
    """
    from nautes_domain.bundle import root_of  # noqa: PLC0415

    found: dict[str, bytes] = {}
    refused: list[Violation] = []
    for given in paths:
        root = root_of(given.as_posix()) if given.is_file() else None
        folder = Path(root) if root is not None and _is_repository(Path(root)) else given
        for path in files.below(folder) if folder.is_dir() else [given]:
            name = path.as_posix()
            if path.is_symlink():
                refused.append(files.link(name))
            else:
                found[name] = files.content(path)
    return found, refused


def _is_repository(folder: Path) -> bool:
    """Say whether a folder is a checkout, and not just one that has a folder `projects` in it."""
    from nautes_domain.names import CONFIG_PROJECT  # noqa: PLC0415 - the models are slow to import

    signs = (folder / ".git", folder / "production", folder / "nautes" / "overlays")
    return folder.resolve().name == CONFIG_PROJECT or any(sign.exists() for sign in signs)


def _hooks(found: "Bundle") -> "HookKinds":
    """Return the hooks that are installed here, if any runtime has one: looking takes as long as reading many files."""
    from nautes_domain.hooks import NO_HOOKS  # noqa: PLC0415 - the models are slow to import

    runtimes = [one.manifest for part in found.products.values() for one in part.catalog.pipelines.values()]
    if all(runtime.spec.hooks is None for runtime in runtimes):
        return NO_HOOKS
    from nautes_hooks import installed  # noqa: PLC0415

    return installed().kinds


def _deleted(found: "Bundle", entity: str) -> "Bundle":
    from nautes_domain import bundle  # noqa: PLC0415

    kind, _, name = entity.partition("/")
    after = bundle.without(found, kind, name)
    if after is None:
        fail(f"there is no {kind}/{name} in these files [E6]; correct the kind or the name")
    return after


def _all(judged: "Sequence[Judged]", which: str, only: frozenset[str]) -> "list[Violation]":
    found = [violation for one in judged for violation in getattr(one.verdict, which)]
    return [one for one in found if not only or one.file in only]


def _document(
    judged: "Sequence[Judged]", violations: "Sequence[Violation]", warnings: "Sequence[Violation]", count: int
) -> Mapping[str, Any]:
    held = [
        {"scope": one.scope, "entity": entity, "because": because}
        for one in judged
        for entity, because in sorted(one.verdict.held.items())
    ]
    return {
        "entities": count,
        "violations": [asdict(one) for one in violations],
        "warnings": [asdict(one) for one in warnings],
        "held": held,
    }


def _show(violations: "Sequence[Violation]", warnings: "Sequence[Violation]") -> None:
    rows = [
        (f"{one.file}:{one.line}", level, _subject(one), one.field, one.rule, one.message, one.fix)
        for level, found in (("error", violations), ("warning", warnings))
        for one in found
    ]
    if rows:
        show_table(("WHERE", "LEVEL", "ENTITY", "FIELD", "RULE", "WHAT IS WRONG", "WHAT TO DO"), rows)


def _subject(one: "Violation") -> str:
    return f"{one.kind}/{one.name}" if one.name else one.kind
