"""Lists as tables, which is how kubectl shows them: a name, what the kind adds, an age. Pure.

Kubernetes API concepts, "Receiving resources as Tables". Cells are made for each kind alike; only
CustomResourceDefinitions bring columns of their own (`additionalPrinterColumns`).
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from nautes_localstack.kubernetes.kinds import Resource
from nautes_localstack.kubernetes.shapes import Object

_STEP: Final = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[\?\(@\.([A-Za-z]+)\s*==\s*[\"']([^\"']+)[\"']\)\]")
_NAME: Final = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Name of the object",
    "priority": 0,
}
_AGE: Final = {
    "name": "Age",
    "type": "string",
    "format": "",
    "description": "Time since it was created",
    "priority": 0,
}


def is_wanted(accept: str) -> bool:
    """Say whether a client asks for tables before all else."""
    return "as=Table" in accept.partition(",")[0]


def table(
    resource: Resource,
    objects: Sequence[Object],
    version: int,
    continuation: str = "",
    remaining: int | None = None,
) -> Object:
    """Return objects as a table."""
    metadata: Object = {"resourceVersion": str(version)}
    if continuation:
        metadata["continue"] = continuation
        if remaining is not None:
            metadata["remainingItemCount"] = remaining
    columns = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(one) for one in columns],
        "rows": [_row(one, columns) for one in objects],
    }


async def watched(resource: Resource, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield a watch's lines with a table of one row in place of each object."""
    async for some in lines:
        for line in some.splitlines():
            event = json.loads(line)
            obj = event["object"]
            if event["type"] not in ("ERROR", "BOOKMARK"):
                event["object"] = table(resource, [obj], int(obj["metadata"]["resourceVersion"]))
            yield json.dumps(event) + "\n"


def _columns(resource: Resource) -> list[Mapping[str, Any]]:
    own = list(resource.custom.columns) if resource.custom else []
    return [_NAME, *own] if own else [_NAME, _AGE]


def _definition(column: Mapping[str, Any]) -> Object:
    shown = {"format": "", "description": "", "priority": 0, **column}
    return {key: shown[key] for key in ("name", "type", "format", "description", "priority")}


def _row(obj: Object, columns: Sequence[Mapping[str, Any]]) -> Object:
    about = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"cells": [_cell(obj, column) for column in columns], "object": about}


def _cell(obj: Object, column: Mapping[str, Any]) -> Any:
    if column is _NAME:
        return obj["metadata"]["name"]
    if column is _AGE:
        return age(obj["metadata"].get("creationTimestamp"))
    found = next(_values(obj, str(column.get("jsonPath") or "")), None)
    if column.get("type") == "date":
        return age(found)
    return found if isinstance(found, str | int | float | bool | None) else json.dumps(found)


def _values(value: Any, path: str) -> Iterator[Any]:
    """Yield what a path of a printer column selects; of JSONPath no more than these columns use."""
    match = _STEP.match(path)
    if match is None:
        if not path:
            yield value
        return
    name, index, key, wanted = match.groups()
    rest = path[match.end() :]
    if name is not None and isinstance(value, Mapping) and name in value:
        yield from _values(value[name], rest)
    elif index is not None and isinstance(value, list) and int(index) < len(value):
        yield from _values(value[int(index)], rest)
    elif key is not None and isinstance(value, list):
        for one in value:
            if isinstance(one, Mapping) and one.get(key) == wanted:
                yield from _values(one, rest)


def age(timestamp: Any) -> str:
    """Return how long ago a time was, in one unit."""
    try:
        then = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return "<unknown>"
    seconds = max(int((datetime.now(UTC) - then).total_seconds()), 0)
    for limit, unit, letter in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 86_400}d"
