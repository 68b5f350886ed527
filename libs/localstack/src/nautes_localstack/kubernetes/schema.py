"""What a custom resource may hold: unknown fields, defaults, nulls and rules of its structural schema. Pure.

Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions": field pruning, defaulting, validation.
Rules are those of JSON Schema; CEL rules (`x-kubernetes-validations`) are not evaluated.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nautes_localstack.kubernetes.errors import INVALID, REQUIRED, Cause

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

Schema = Mapping[str, Any]
_OPEN: Final = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_OBJECT_KEYS: Final = frozenset(("apiVersion", "kind", "metadata"))

_TEXTS: Final = {
    "minimum": "should be greater than or equal to {}",
    "maximum": "should be less than or equal to {}",
    "pattern": "should match '{}'",
    "minLength": "should be at least {} chars long",
    "maxLength": "should be at most {} chars long",
    "minItems": "should have at least {} items",
    "maxItems": "should have at most {} items",
}


def prune(value: Any, schema: Schema, path: str = "", *, root: bool = True) -> list[str]:
    """Remove what the schema does not know, in place; return the paths of what was removed."""
    removed: list[str] = []
    if isinstance(value, list):
        items = schema.get("items")
        for index, one in enumerate(value):
            if isinstance(items, Mapping):
                removed += prune(one, items, f"{path}[{index}]", root=False)
    elif isinstance(value, dict):
        kept = _OBJECT_KEYS if root or schema.get(_EMBEDDED) else frozenset()
        for key in list(value):
            if key in kept:
                continue
            place = f"{path}.{key}" if path else key
            inner = _inner(schema, key)
            if inner is None:
                del value[key]
                removed.append(place)
            else:
                removed += prune(value[key], inner, place, root=False)
    return removed


def _inner(schema: Schema, key: str) -> Schema | None:
    """Return the schema of a field; None if there can be no such field."""
    known: Schema | None = (schema.get("properties") or {}).get(key)
    if known is not None:
        return known
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        return more
    if more or schema.get(_OPEN) or not schema.get("type"):
        return {_OPEN: True}
    return None


def drop_nulls(value: Any, schema: Schema) -> None:
    """Remove nulls of declared fields that are not nullable, in place."""
    for key, inner in _declared(value, schema):
        if value[key] is None and not inner.get("nullable"):
            del value[key]
        else:
            drop_nulls(value[key], inner)
    for one, inner in _items(value, schema):
        drop_nulls(one, inner)


def default(value: Any, schema: Schema) -> None:
    """Fill in the schema's defaults, in place; also below what is filled in."""
    if isinstance(value, dict):
        for key, inner in (schema.get("properties") or {}).items():
            if "default" in inner and key not in value:
                value[key] = copy.deepcopy(inner["default"])
    for key, inner in _declared(value, schema):
        default(value[key], inner)
    for one, inner in _items(value, schema):
        default(one, inner)


def _declared(value: Any, schema: Schema) -> list[tuple[str, Schema]]:
    if not isinstance(value, dict):
        return []
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    found: list[tuple[str, Schema]] = []
    for key in value:
        if key in properties:
            found.append((key, properties[key]))
        elif isinstance(more, Mapping):
            found.append((key, more))
    return found


def _items(value: Any, schema: Schema) -> Iterator[tuple[Any, Schema]]:
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        for one in value:
            yield one, items


def validator(schema: Schema) -> "Validator":
    """Return the rules of a schema, ready for use; making them costs more than using them."""
    # Loading takes a fifth of a second, which nobody should wait for at the start.
    import jsonschema  # noqa: PLC0415

    return jsonschema.Draft202012Validator(_json_schema(schema))


def _json_schema(schema: Any) -> Any:
    """Return the schema in words of JSON Schema alone."""
    if isinstance(schema, list):
        return [_json_schema(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    done: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            done[key] = {name: _json_schema(one) for name, one in value.items()}
        elif key in ("default", "example", "enum"):
            done[key] = value
        elif not key.startswith("x-") and key not in ("description", "format", "nullable"):
            done[key] = _json_schema(value)
    _translate_bounds(done)
    if schema.get("x-kubernetes-int-or-string"):
        done.pop("type", None)
        done.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if schema.get("nullable") and "type" in done:
        done["type"] = [done["type"], "null"]
    if schema.get("x-kubernetes-list-type") == "set":
        done["uniqueItems"] = True
    return done


def _translate_bounds(done: dict[str, Any]) -> None:
    """OpenAPI 3.0 says of a bound whether it is exclusive; JSON Schema has another bound for that."""
    for bound in ("Minimum", "Maximum"):
        if isinstance(done.get(f"exclusive{bound}"), bool) and done.pop(f"exclusive{bound}"):
            done[f"exclusive{bound}"] = done.pop(bound.lower())


def violations(value: Any, rules: "Validator") -> list[Cause]:
    """Return the violated rules, by field."""
    found = [cause for error in rules.iter_errors(value) for cause in _causes(error)]
    return sorted(found, key=lambda cause: cause.field)


def _causes(error: "ValidationError") -> Iterator[Cause]:
    path = _path(error.absolute_path)
    if error.validator == "required":
        # One error names one missing field; jsonschema has it in the message alone.
        missing = error.message.split("'")[1]
        yield Cause(f"{path}.{missing}".lstrip("."), "Required value", REQUIRED)
        return
    if error.validator == "type":
        word = _type_word(error.instance)
        wanted = error.validator_value
        kind = wanted[0] if isinstance(wanted, list) else wanted
        text = f'Invalid value: "{word}": {path} in body must be of type {kind}: "{word}"'
        yield Cause(path, text, "FieldValueTypeInvalid")
        return
    if error.validator == "enum":
        values: list[Any] = list(error.schema["enum"]) if isinstance(error.schema, Mapping) else []
        supported = ", ".join(json.dumps(one) for one in values)
        text = f"Unsupported value: {json.dumps(error.instance)}: supported values: {supported}"
        yield Cause(path, text, "FieldValueNotSupported")
        return
    yield Cause(path, f"Invalid value: {_shown(error.instance)}: {path} in body {_rule(error)}", INVALID)


def _rule(error: "ValidationError") -> str:
    limit = error.validator_value
    text = _TEXTS.get(str(error.validator))
    return text.format(limit) if text else f"violates the rule {error.validator}"


def _path(parts: Any) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str | int | float | bool) else json.dumps(_type_word(value))


def _type_word(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    words = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return words.get(type(value), "object")
