"""JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import jsonpatch
import jsonpointer

from nautes_localstack.kubernetes.errors import bad_request, rejected_patch
from nautes_localstack.kubernetes.shapes import ANY, Object, Shape

_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"
_RETAIN: Final = "$retainKeys"
_PATCH: Final = "$patch"


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target with a merge patch laid over it: null removes, lists are replaced."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Object, operations: Any) -> Object:
    """Return the target after the operations; raise ApiError (422) if one of them does not apply."""
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    try:
        result = jsonpatch.apply_patch(target, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError):
        raise rejected_patch() from None
    if not isinstance(result, dict):
        raise rejected_patch()
    return result


def strategic_patch(target: Any, patch: Any, shape: Shape) -> Any:
    """Return the target with a strategic merge patch: keyed lists merge by key, sets unite, others are replaced.

    Kubernetes, "Update API Objects in Place Using kubectl patch", and its directives `$patch`,
    `$setElementOrder`, `$deleteFromPrimitiveList`, `$retainKeys`. The key is the first of the list's keys.
    """
    if not isinstance(patch, Mapping):
        return patch
    if patch.get(_PATCH) == "replace":
        return {key: value for key, value in patch.items() if key != _PATCH}
    result = dict(target) if isinstance(target, Mapping) else {}
    if isinstance(retained := patch.get(_RETAIN), list):
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), value, shape.child(key) or ANY)
    for key, value in patch.items():
        _follow_directive(result, key, value, shape)
    return result


def _patched(target: Any, value: Any, shape: Shape) -> Any:
    if isinstance(value, Mapping):
        return strategic_patch(target, value, shape)
    if isinstance(value, list) and shape.form == "list" and not shape.atomic:
        return _patched_list(target or [], value, shape)
    return value


def _patched_list(target: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    if not shape.keys:
        return target + [one for one in patch if one not in target]
    key = shape.keys[0]
    if any(one.get(_PATCH) == "replace" for one in patch):
        return [one for one in patch if _PATCH not in one]
    deleted = {one.get(key) for one in patch if one.get(_PATCH) == "delete"}
    kept = [one for one in target if one.get(key) not in deleted]
    present = {one.get(key): one for one in kept}
    changes = {one.get(key): one for one in patch if _PATCH not in one}
    inner = shape.element or ANY
    # As a real server does: new items first, in the patch's order.
    new = [strategic_patch({}, one, inner) for name, one in changes.items() if name not in present]
    return new + [
        strategic_patch(one, changes[one.get(key)], inner) if one.get(key) in changes else one for one in kept
    ]


def _follow_directive(result: dict[str, Any], key: str, value: Any, shape: Shape) -> None:
    if key.startswith(_DELETE) and isinstance(value, list):
        name = key.removeprefix(_DELETE)
        result[name] = [one for one in result.get(name) or [] if one not in value]
    elif key.startswith(_ORDER) and isinstance(value, list):
        name = key.removeprefix(_ORDER)
        if isinstance(result.get(name), list):
            result[name] = _ordered(result[name], value, shape.child(name) or ANY)


def _ordered(items: list[Any], order: list[Any], shape: Shape) -> list[Any]:
    key = shape.keys[0] if shape.keys else ""

    def name(one: Any) -> Any:
        return one.get(key) if key and isinstance(one, Mapping) else one

    wanted = [name(one) for one in order]
    known = [one for one in items if name(one) in wanted]
    return sorted(known, key=lambda one: wanted.index(name(one))) + [one for one in items if one not in known]
