"""OpenAPI documents, as far as kubectl needs them: which kinds can be patched with `fieldValidation`. Pure.

Built-in kinds are described without their fields: this server checks them itself, whatever the client does.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from nautes_localstack.kubernetes.definitions import Registry
from nautes_localstack.kubernetes.kinds import Resource

_GVK: Final = "x-kubernetes-group-version-kind"
_PARAMETERS: Final = [
    {"in": "query", "name": name, "schema": {"type": kind, "uniqueItems": True}}
    for name, kind in (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean"))
]  # fmt: skip


def index(registry: Registry) -> dict[str, Any]:
    """Return `/openapi/v3`: where the document of each version is."""
    places = {(one.group, one.version) for one in registry}
    paths = {}
    for group, version in sorted(places):
        place = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(json.dumps(document(registry, group, version)).encode()).hexdigest()
        paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest.upper()}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> dict[str, Any] | None:
    """Return the document of one version; None if there is none."""
    found = [one for one in registry if one.group == group and one.version == version and one.stored]
    if not found:
        return None
    schemas = {_name(one): _schema(one) for one in found}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2+nautes-local"},
        "paths": dict(_paths(found)),
        "components": {"schemas": schemas},
    }


def _paths(resources: Iterable[Resource]) -> Iterable[tuple[str, Any]]:
    for one in resources:
        root = f"/apis/{one.api_version}" if one.group else f"/api/{one.api_version}"
        place = f"{root}/namespaces/{{namespace}}/{one.plural}" if one.namespaced else f"{root}/{one.plural}"
        yield place, {"post": _operation(one, "post")}
        yield f"{place}/{{name}}", {verb: _operation(one, verb) for verb in ("get", "put", "patch", "delete")}


def _operation(resource: Resource, verb: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{_name(resource)}"}
    answer = {"description": "OK", "content": {"application/json": {"schema": reference}}}
    return {
        "parameters": _PARAMETERS,
        "responses": {"200": answer},
        "x-kubernetes-action": verb,
        _GVK: _gvk(resource),
    }


def _gvk(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _name(resource: Resource) -> str:
    group = (
        ".".join(reversed(resource.group.split(".")))
        if resource.custom
        else f"io.k8s.api.{resource.group.split('.')[0] or 'core'}"
    )
    return f"{group}.{resource.version}.{resource.kind}"


def _schema(resource: Resource) -> dict[str, Any]:
    rules = (
        dict(resource.custom.schema)
        if resource.custom
        else {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    )
    return {**rules, _GVK: [_gvk(resource)]}
