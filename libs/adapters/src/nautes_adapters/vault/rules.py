"""Vault policies and roles as specs, and back. Pure. Policies are JSON, never text put together."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from nautes_adapters.vault.secrets import data_path
from nautes_domain.failures import Rejected
from nautes_domain.plan import Spec

CAPABILITIES: Final = frozenset({"create", "read", "update", "patch", "delete", "list"})
"""What a policy of ours may grant; `sudo` and `deny` never are."""

_PATH = re.compile(r"[a-z0-9][-a-z0-9._/]{0,510}[a-z0-9]\Z")
"""No `*`, no `+`, no `{{`: a path of ours means exactly itself."""


def policy_spec(rules: Mapping[str, Iterable[str]]) -> Spec:
    """Return the spec of a policy: `{"rules": {path: [capabilities]}, "paths": [paths]}`, sorted.

    `paths` repeats the keys as a list, because a plan compares lists exactly but mappings only by what
    is declared: without it a path that is no longer granted would stay granted.
    """
    checked = {path: sorted(set(verbs)) for path, verbs in sorted(rules.items())}
    for path, verbs in checked.items():
        if not _PATH.match(path) or ".." in path or "//" in path:
            raise Rejected("a policy may name plain paths only", what=path[:200], code="bad-policy")
        if not verbs or not CAPABILITIES.issuperset(verbs):
            raise Rejected("a policy grants a capability that is not ours", what=path, code="bad-policy")
    return {"rules": checked, "paths": list(checked)}


def reading(mount: str, paths: Iterable[str]) -> Spec:
    """Return the spec of a policy that may read exactly these secrets of one key-value mount."""
    return policy_spec({data_path(mount, path): ("read",) for path in paths})


def rendered(spec: Spec) -> str:
    """Return a policy as Vault takes it (Vault docs, "Policies": HCL or its JSON form).

    A spec without `paths`, or with other paths than its rules, raises Rejected (`bad-policy`).
    """
    exact = policy_spec(spec.get("rules", {}))
    if exact["paths"] != spec.get("paths"):
        raise Rejected(
            "the policy does not list its paths, so grants could not be revoked",
            next_step="build it with policy_spec or reading",
            code="bad-policy",
        )
    document = {"path": {path: {"capabilities": verbs} for path, verbs in exact["rules"].items()}}
    return json.dumps(document, sort_keys=True)


def parsed(policy: str) -> Spec:
    """Return the spec of a policy that Vault holds; one that we did not write so differs from every spec."""
    try:
        paths: Any = json.loads(policy)["path"]
        found = {str(path): _capabilities(rule) for path, rule in sorted(paths.items())}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"rules": {}, "paths": ["changed by somebody else"]}
    return {"rules": found, "paths": list(found)}


def _capabilities(rule: Mapping[str, Any]) -> list[str]:
    # Anything beside capabilities (allowed parameters, wrapping limits) is not of ours either.
    extra = sorted(key for key in rule if key != "capabilities")
    return sorted(str(verb) for verb in rule["capabilities"]) + extra


def role_body(spec: Spec) -> dict[str, Any]:
    """Return what is written for a role of the Kubernetes login: one account, its namespaces, one audience.

    What could widen the role is written too, so that a change by hand is undone. A login is not prolonged beyond its
    time: a runtime that is gone would keep, with a login that stands, what others of its account may read.
    """
    return {
        "bound_service_account_names": [spec["account"]],
        "bound_service_account_namespaces": list(spec["namespaces"]),
        "bound_service_account_namespace_selector": "",
        "audience": spec["audience"],
        "token_policies": list(spec["policies"]),
        "token_ttl": int(spec["ttl"]),
        "token_max_ttl": int(spec["ttl"]),
        "token_period": 0,
        "token_explicit_max_ttl": 0,
        "token_num_uses": 0,
        "token_type": "default",
    }


def role_spec(role: Mapping[str, Any]) -> Spec:
    """Return a role that Vault holds as a spec; a widened one differs from every spec."""
    spec: dict[str, Any] = {
        "account": _only(role.get("bound_service_account_names")),
        "namespaces": sorted(role.get("bound_service_account_namespaces") or ()),
        "audience": role.get("audience"),
        "policies": sorted(role.get("token_policies") or ()),
        "ttl": role.get("token_ttl"),
    }
    if role.get("bound_service_account_namespace_selector"):
        spec["namespaces"] = ["chosen by somebody else"]
    prolonged = role.get("token_max_ttl") != role.get("token_ttl")
    if prolonged or any(role.get(key) for key in ("token_period", "token_explicit_max_ttl")):
        spec["ttl"] = 0
    return spec


def _only(bound: Sequence[str] | None) -> str:
    return str(bound[0]) if bound and len(bound) == 1 else ",".join(bound or ())
