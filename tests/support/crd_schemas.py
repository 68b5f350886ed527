"""Offline verdict of a custom resource's schema: JSON Schema, and unknown fields as `fieldValidation=Strict`."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from support.shared import shared_data


@functools.cache
def schema_of(api_version: str, kind: str) -> Mapping[str, Any]:
    """Return the openAPIV3Schema of one served version; skip the test where the CRDs are absent."""
    data = shared_data()
    if data is None:
        pytest.skip("the CRDs of Argo CD and Tekton are not here")
    group, version = api_version.split("/")
    for path in sorted((data / "crds").glob("*/*.yaml")):
        for crd in yaml.load_all(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            spec = crd["spec"]
            if spec["group"] == group and spec["names"]["kind"] == kind:
                served = {one["name"]: one for one in spec["versions"] if one["served"]}
                return served[version]["schema"]["openAPIV3Schema"]
    raise LookupError(f"no CRD for {api_version} {kind}")


def problems(obj: Mapping[str, Any]) -> list[str]:
    """Return what the API server would refuse of a whole object, empty if nothing."""
    schema = schema_of(obj["apiVersion"], obj["kind"])
    found = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in jsonschema.Draft202012Validator(_translated(schema)).iter_errors(obj)
    ]
    return found + list(_unknown(obj, schema, ""))


def _translated(schema: Any) -> Any:
    """Return the schema in words of JSON Schema: `x-kubernetes-int-or-string` and `nullable` are OpenAPI's."""
    if isinstance(schema, list):
        return [_translated(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    done = {key: _translated(value) for key, value in schema.items()}
    if done.get("x-kubernetes-int-or-string") is True:
        done.pop("type", None)
        done["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if done.get("nullable") is True and "type" in done:
        done["type"] = [done["type"], "null"]
    return done


def _unknown(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _unknown(one, schema.get("items") or {}, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        known = schema.get("properties") or {}
        rest = schema.get("additionalProperties")
        for key, one in value.items():
            if path == "" and key == "metadata":
                continue  # ObjectMeta is the API server's own, not the CRD's.
            if key in known:
                yield from _unknown(one, known[key], f"{path}.{key}")
            elif isinstance(rest, Mapping):
                yield from _unknown(one, rest, f"{path}.{key}")
            elif not rest:
                yield f"{path}.{key}: unknown field"
