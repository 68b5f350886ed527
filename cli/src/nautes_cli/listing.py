"""Entities in the five forms of `-o`: a table, a wide one, JSON, YAML, names."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from nautes_cli.console import ObjectOutput, show_document, show_table
from nautes_cli.kinds import Kind


def show_entities(
    kind: Kind, found: Sequence[Mapping[str, Any]], output: ObjectOutput, *, single: bool = False
) -> None:
    """Write entities as the API replied them; `single` writes one document instead of a list."""
    if output is ObjectOutput.NAME:
        for one in found:
            typer.echo(f"{kind.name.lower()}/{one.get('name', '')}")
    elif not show_document(dict(found[0]) if single else [dict(one) for one in found], output):
        columns = [one for one in kind.columns if output is ObjectOutput.WIDE or not one.wide]
        rows = [[cell(one, column.path) for column in columns] for one in found]
        show_table([column.heading for column in columns], rows)


def cell(value: Any, path: str) -> str:
    """Return what stands at a path as text of one line; `*` is every value of a list or mapping."""
    key, _, rest = path.partition(".")
    if not path:
        return _text(value)
    if key == "*":
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        return ",".join(text for one in inner if (text := cell(one, rest)))
    return cell(value.get(key), rest) if isinstance(value, Mapping) else ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return " ".join(str(value).split())
