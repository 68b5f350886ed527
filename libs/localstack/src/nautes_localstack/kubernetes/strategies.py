"""What the server itself adds to objects of built-in kinds, and what it refuses. Pure.

Workloads are not filled up with defaults as a real server does it: nothing runs here that would read them.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from nautes_localstack.kubernetes import definitions
from nautes_localstack.kubernetes.errors import FORBIDDEN, REQUIRED, ApiError, Cause, bad_request
from nautes_localstack.kubernetes.kinds import RBAC, Resource
from nautes_localstack.kubernetes.shapes import Object, Shape

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
_QUALIFIED: Final = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_CONFIG_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+\Z")
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_RULED: Final = ("roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io")
_LEFT_OUT: Final = ("labels", "annotations", "finalizers", "ownerReferences")
NAME_LABEL: Final = "kubernetes.io/metadata.name"


def check_types(obj: Any, shape: Shape, kind: str, path: str = "") -> None:
    """Raise ApiError (400) where a built-in kind wants text or a structure and gets something else."""
    wanted = {"map": dict, "list": list}.get(shape.form)
    if obj is None or shape.form == "any":
        return
    if (shape.text and not isinstance(obj, str)) or (wanted and not isinstance(obj, wanted)):
        words = {bool: "bool", int: "number", float: "number", str: "string", dict: "object", list: "array"}
        goal = "string" if shape.text else {"map": "map", "list": "slice"}[shape.form]
        given = words.get(type(obj), "value")
        raise bad_request(f"json: cannot unmarshal {given} into Go struct field {kind}{path} of type {goal}")
    if isinstance(obj, dict):
        for key, value in obj.items():
            inner = shape.child(key)
            if inner is not None:
                check_types(value, inner, kind, f"{path}.{key}" if key in shape.fields else path)
    elif isinstance(obj, list) and shape.element is not None:
        for one in obj:
            check_types(one, shape.element, kind, path)


def prune(obj: Any, shape: Shape, path: str = "") -> list[str]:
    """Remove fields that a built-in kind does not know, in place; return their paths. Nulls go as well."""
    removed: list[str] = []
    if shape.form == "map" and isinstance(obj, dict):
        for key in list(obj):
            inner = shape.child(key)
            place = f"{path}.{key}" if path else key
            if inner is None:
                removed.append(place)
                del obj[key]
            elif obj[key] is None:
                del obj[key]
            else:
                removed += prune(obj[key], inner, place)
    elif shape.form == "list" and isinstance(obj, list) and shape.element is not None:
        for index, one in enumerate(obj):
            removed += prune(one, shape.element, f"{path}[{index}]")
    return removed


def tidy(resource: Resource, obj: Object) -> None:
    """Remove what is empty and then not written (Go's `omitempty`), in place."""
    for part, names in ((obj["metadata"], _LEFT_OUT), (obj, ("data", "binaryData", "secrets"))):
        for name in names if part is not obj or resource.custom is None else ():
            if part.get(name) in ({}, []):
                del part[name]
    if resource.qualified in _RULED and not obj.get("rules"):
        obj["rules"] = None  # Go without `omitempty`: none is written, as null.


def fill(resource: Resource, obj: Object) -> None:
    """Fill in defaults when an object is read, in place: whoever wrote the object owns them."""
    match resource.qualified:
        case "namespaces":
            metadata = obj.get("metadata") or {}
            if name := metadata.get("name"):
                metadata.setdefault("labels", {})[NAME_LABEL] = name
        case "secrets":
            _fill_secret(obj)
        case "customresourcedefinitions.apiextensions.k8s.io":
            definitions.default_definition(obj)
        case "services":
            _fill_service(obj)
        case _:
            return


def _fill_secret(obj: Object) -> None:
    plain = obj.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    obj.setdefault("type", "Opaque")
    for key, value in (obj.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            # A real server shows the value; we do not.
            raise bad_request(
                f'Secret in version "v1" cannot be handled as a Secret: data[{key}] is no base64'
            ) from None


def _fill_service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def prepare(resource: Resource, obj: Object) -> None:
    """Add what a new object gets from the server, in place: nobody owns it."""
    if resource.has_status:
        obj.pop("status", None)
    match resource.qualified:
        case "namespaces":
            obj["spec"] = {"finalizers": ["kubernetes"]}
            obj["status"] = {"phase": "Active"}
        case "customresourcedefinitions.apiextensions.k8s.io":
            stored = definitions.storage_versions(obj)
            obj["status"] = {
                "conditions": None,
                "acceptedNames": {"plural": "", "kind": ""},
                "storedVersions": stored,
            }
        case "pods":
            obj["status"] = {"phase": "Pending"}
        case _ if resource.has_status and resource.custom is None:
            obj["status"] = {}


def violations(resource: Resource, new: Object, old: Object | None) -> list[Cause]:
    """Return the rules that an object breaks, those of custom resources' schemas apart."""
    found = _metadata_violations(resource, new["metadata"], (old or {}).get("metadata"))
    rule = _RULES.get(resource.qualified)
    return found + (rule(new, old) if rule else [])


def _metadata_violations(
    resource: Resource, new: Mapping[str, Any], old: Mapping[str, Any] | None
) -> list[Cause]:
    found = [] if old is not None else _name_violations(resource, str(new["name"]))
    for key, value in (new.get("labels") or {}).items():
        if not _QUALIFIED.match(key):
            found.append(
                Cause(
                    "metadata.labels",
                    f'Invalid value: "{key}": name part must consist of alphanumeric characters',
                )
            )
        if not isinstance(value, str) or not _LABEL_VALUE.match(value) or len(value) > 63:
            found.append(Cause("metadata.labels", f'Invalid value: "{value}": {_VALUE_RULE}'))
    found += [
        Cause(
            "metadata.annotations",
            f'Invalid value: "{key}": name part must consist of alphanumeric characters',
        )
        for key in new.get("annotations") or {}
        if not _QUALIFIED.match(key.lower())
    ]
    for index, owner in enumerate(new.get("ownerReferences") or ()):
        found += [
            Cause(f"metadata.ownerReferences[{index}].{key}", "Required value: must not be empty", REQUIRED)
            for key in ("apiVersion", "kind", "name", "uid")
            if not owner.get(key)
        ]
    if old is not None and old.get("deletionTimestamp"):
        fresh = [one for one in new.get("finalizers") or () if one not in (old.get("finalizers") or ())]
        if fresh:
            shown = ", ".join(f'"{one}"' for one in fresh)
            why = "no new finalizers can be added if the object is being deleted, found new finalizers"
            # A real server checks this twice, and says it twice among the causes.
            found += [Cause("metadata.finalizers", f"Forbidden: {why} []string{{{shown}}}", FORBIDDEN)] * 2
    return found


def _name_violations(resource: Resource, name: str) -> list[Cause]:
    if resource.group == RBAC:
        bad = name in (".", "..") or "/" in name or "%" in name
        return [Cause("metadata.name", f"Invalid value: \"{name}\": may not contain '/'")] if bad else []
    if resource.qualified in ("namespaces", "services"):
        fits, rule, limit = _LABEL.match(name), _LABEL_RULE, 63
    else:
        fits, rule, limit = _SUBDOMAIN.match(name), _SUBDOMAIN_RULE, 253
    found = [] if fits else [Cause("metadata.name", f'Invalid value: "{name}": {rule}')]
    if len(name) > limit:
        found.append(Cause("metadata.name", f'Invalid value: "{name}": must be no more than {limit} bytes'))
    return found


def _data_violations(new: Object, old: Object | None) -> list[Cause]:
    found = [
        Cause(f"data[{key}]", f'Invalid value: "{key}": a valid config key must consist of alphanumeric characters, \'-\', \'_\' or \'.\'')
        for key in new.get("data") or {}
        if not _CONFIG_KEY.match(key)
    ]  # fmt: skip
    if old is not None and old.get("immutable"):
        if not new.get("immutable"):
            found.append(
                Cause("immutable", "Forbidden: field is immutable when `immutable` is set", FORBIDDEN)
            )
        if new.get("data") != old.get("data"):
            found.append(Cause("data", "Forbidden: field is immutable when `immutable` is set", FORBIDDEN))
    return found


def _secret_violations(new: Object, old: Object | None) -> list[Cause]:
    found = _data_violations(new, old)
    if old is not None and old.get("type") != new.get("type"):
        found.append(Cause("type", f'Invalid value: "{new.get("type")}": field is immutable'))
    return found


def _role_violations(new: Object, _old: Object | None) -> list[Cause]:
    return [
        Cause(f"rules[{index}].verbs", "Required value: verbs must contain at least one value", REQUIRED)
        for index, rule in enumerate(new.get("rules") or ())
        if not rule.get("verbs")
    ]


def _binding_violations(new: Object, old: Object | None) -> list[Cause]:
    reference = new.get("roleRef") or {}
    found = []
    if old is not None and reference != old.get("roleRef"):
        found.append(Cause("roleRef", f"Invalid value: {_go(reference)}: cannot change roleRef"))
    if reference.get("kind") not in ("Role", "ClusterRole"):
        kinds = '"ClusterRole", "Role"'
        text = f'Unsupported value: "{reference.get("kind") or ""}": supported values: {kinds}'
        found.append(Cause("roleRef.kind", text, "FieldValueNotSupported"))
    if not reference.get("name"):
        found.append(Cause("roleRef.name", "Required value", REQUIRED))
    return found


def _go(reference: Mapping[str, Any]) -> str:
    inner = ", ".join(
        f'{key[0].upper()}{key[1:]}:"{reference.get(key, "")}"' for key in ("apiGroup", "kind", "name")
    )
    return f"rbac.RoleRef{{{inner}}}".replace("ApiGroup", "APIGroup")


def _definition_violations(new: Object, _old: Object | None) -> list[Cause]:
    return definitions.violations(new)


def _pod_violations(new: Object, _old: Object | None) -> list[Cause]:
    if (new.get("spec") or {}).get("containers"):
        return []
    return [Cause("spec.containers", "Required value", REQUIRED)]


_RULES: Final[Mapping[str, Callable[[Object, Object | None], list[Cause]]]] = {
    "configmaps": _data_violations,
    "secrets": _secret_violations,
    "pods": _pod_violations,
    f"roles.{RBAC}": _role_violations,
    f"clusterroles.{RBAC}": _role_violations,
    f"rolebindings.{RBAC}": _binding_violations,
    f"clusterrolebindings.{RBAC}": _binding_violations,
    "customresourcedefinitions.apiextensions.k8s.io": _definition_violations,
}


def refused_deletion(resource: Resource, name: str) -> ApiError | None:
    """Return why an object may not be deleted at all."""
    if resource.qualified == "namespaces" and name in ("default", "kube-system", "kube-public"):
        message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        return ApiError(403, "Forbidden", message, {"name": name, "kind": "namespaces"})
    return None
