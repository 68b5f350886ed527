"""Reading collections: selectors, pages, and lists as they were at a resourceVersion."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nautes_localstack.kubernetes import errors, paging
from nautes_localstack.kubernetes.errors import Cause
from nautes_localstack.kubernetes.kinds import Resource
from nautes_localstack.kubernetes.paging import Continue
from nautes_localstack.kubernetes.selectors import Selector, parse_fields, parse_labels
from nautes_localstack.kubernetes.storage import Row, Store

Query = Mapping[str, str]
_EXPIRED_CONTINUE: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class Page:
    """Part of a list, as stored rows."""

    rows: list[Row]
    version: int
    continuation: str = ""
    remaining: int | None = None


def is_true(value: str | None) -> bool:
    """Say whether a query parameter is set, as Go's clients and others write it."""
    return (value or "").lower() in ("true", "1", "t")


def selector(resource: Resource, query: Query) -> Selector:
    """Return which objects a request asks for; raise ApiError (400)."""
    wanted = parse_fields(
        query.get("fieldSelector", ""), resource.selectable, custom=resource.custom is not None
    )
    return Selector(parse_labels(query.get("labelSelector", "")), wanted)


def matching(rows: list[Row], wanted: Selector) -> list[Row]:
    """Return the rows that are asked for. Without a selector nothing is parsed."""
    return [row for row in rows if wanted.holds(row.load())] if wanted else rows


def version_of(text: str) -> int:
    """Return a resourceVersion as a number; raise ApiError for what is none."""
    if not text:
        return 0
    if not text.isdecimal():
        raise errors.invalid(
            "ListOptions",
            "meta.k8s.io",
            "",
            [
                Cause(
                    "resourceVersion",
                    f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax',
                )
            ],
        )
    return int(text)


def page(store: Store, resource: Resource, namespace: str, query: Query) -> Page:
    """Return the page that a request asks for; raise ApiError (400, 410, 504)."""
    wanted = selector(resource, query)
    limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 0
    if token := query.get("continue", ""):
        return _following(store, resource, namespace, wanted, paging.decode(token), limit)
    asked = version_of(query.get("resourceVersion", ""))
    if asked > store.version:
        raise errors.from_the_future(asked, store.version)
    if query.get("resourceVersionMatch") == "Exact" and asked < store.version:
        if asked < store.compacted:
            raise errors.expired(f"The resourceVersion for the provided list is too old: {asked}")
        rows = store.list_at(resource.qualified, namespace, asked)
        return _cut(matching(rows, wanted), asked, limit, wanted, everywhere=not namespace)
    rows = store.collection(resource.qualified, namespace)
    return _cut(matching(rows, wanted), store.version, limit, wanted, everywhere=not namespace)


def _following(
    store: Store, resource: Resource, namespace: str, wanted: Selector, after: Continue, limit: int
) -> Page:
    everywhere = not namespace
    if 0 <= after.version < store.compacted:
        raise errors.expired(_EXPIRED_CONTINUE, Continue(-1, after.start).encode())
    if 0 <= after.version < store.version:
        rows, version = store.list_at(resource.qualified, namespace, after.version), after.version
    else:
        rows, version = store.collection(resource.qualified, namespace), store.version
    rest = [
        row for row in rows if paging.key_of(row.namespace, row.name, everywhere=everywhere) > after.start
    ]
    return _cut(matching(rest, wanted), version, limit, wanted, everywhere=everywhere)


def _cut(rows: list[Row], version: int, limit: int, wanted: Selector, *, everywhere: bool) -> Page:
    if not limit or len(rows) <= limit:
        return Page(rows, version)
    last = rows[limit - 1]
    token = Continue(version, paging.key_of(last.namespace, last.name, everywhere=everywhere)).encode()
    # How much is left is not said when a selector would have to be tried on it.
    return Page(rows[:limit], version, token, None if wanted else len(rows) - limit)


def render(resource: Resource, body: str) -> str:
    """Return a stored body as JSON of the whole object, in the version of this resource."""
    head = f'{{"kind":{json.dumps(resource.kind)},"apiVersion":{json.dumps(resource.api_version)}'
    return f"{head},{body[1:]}" if len(body) > 2 else head + "}"


def render_list(resource: Resource, found: Page) -> Iterator[str]:
    """Yield a list as JSON in parts. Items of built-in kinds carry neither kind nor apiVersion."""
    metadata: dict[str, Any] = {"resourceVersion": str(found.version)}
    if found.continuation:
        metadata["continue"] = found.continuation
        if found.remaining is not None:
            metadata["remainingItemCount"] = found.remaining
    kind = resource.list_kind or resource.kind + "List"
    head = {"kind": kind, "apiVersion": resource.api_version, "metadata": metadata}
    yield json.dumps(head, separators=(",", ":"))[:-1] + ',"items":['
    for index, row in enumerate(found.rows):
        item = render(resource, row.body) if resource.custom else row.body
        yield f",{item}" if index else item
    yield "]}"
