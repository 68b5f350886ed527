"""Values put into a document at JSON pointers (RFC 6901), in place of what stands there. Pure."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from jsonpointer import JsonPointer, JsonPointerException


def missing(document: Any, pointers: Mapping[str, str]) -> Iterator[str]:
    """Yield the pointers at which nothing stands: like `replace` of RFC 6902, nothing is added."""
    for pointer in sorted(pointers):
        if not _stands(document, pointer):
            yield pointer


def replaced(document: Any, values: Mapping[str, str]) -> Any:
    """Return a copy of the document with values in place of others. Every pointer must stand, see `missing`."""
    copied = copy.deepcopy(document)
    for pointer, value in values.items():
        JsonPointer(pointer).set(copied, value)
    return copied


def _stands(document: Any, pointer: str) -> bool:
    try:
        parent, last = JsonPointer(pointer).to_last(document)
    except (JsonPointerException, KeyError, IndexError, TypeError):
        return False
    if isinstance(parent, list):
        return isinstance(last, int) and 0 <= last < len(parent)
    return isinstance(parent, dict) and last in parent
