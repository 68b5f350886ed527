"""How an object shows that it is ours: labels, and a digest of what was declared. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from nautes_domain import names
from nautes_domain.plan import Spec, spec_digest

FIELD_MANAGER: Final = "nautes"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
SCOPE: Final = "nautes.io/scope"
DECLARED: Final = "nautes.io/declared"

_LABEL_VALUE = 63


def scope_value(scope: str) -> str:
    """Return a scope as a label value: itself, or a digest behind a dot where it is longer than 63 characters.

    A scope holds no dot, so a shortened one never equals another scope.
    """
    if len(scope) <= _LABEL_VALUE:
        return scope
    return f"{scope[:42]}.{names.digest(scope)}"


def plain(value: Any) -> Any:
    """Return JSON values as new dicts and lists, whatever mappings and sequences they are made of."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def owned(spec: Spec, scope: str) -> dict[str, Any]:
    """Return the spec with our mark: both labels, and the digest of `spec` as an annotation.

    Comparing is by subset, so a field that is no longer declared would go unseen; the digest differs then.
    """
    marked: dict[str, Any] = plain(spec)
    metadata = marked.setdefault("metadata", {})
    labels = metadata.setdefault("labels", {})
    labels[MANAGED_BY] = FIELD_MANAGER
    labels[SCOPE] = scope_value(scope)
    metadata.setdefault("annotations", {})[DECLARED] = spec_digest(spec)
    return marked


def owner(obj: Mapping[str, Any]) -> str:
    """Return the scope label of an object or spec, empty when it does not carry our mark."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return str(labels.get(SCOPE) or "") if labels.get(MANAGED_BY) == FIELD_MANAGER else ""


def selector(scope: str) -> str:
    """Return the label selector of the objects of one scope."""
    return f"{MANAGED_BY}={FIELD_MANAGER},{SCOPE}={scope_value(scope)}"
