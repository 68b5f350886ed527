"""Role-based access control: may this user do that? Pure (Kubernetes, "Using RBAC Authorization")."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nautes_localstack.kubernetes.shapes import Object

MASTERS: Final = "system:masters"
"""Members of this group may do everything; no role is asked."""

ACCOUNT_PREFIX: Final = "system:serviceaccount:"
GROUP: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked for: a verb on a resource, or on a `path` that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    """With its subresource, `pods/log`."""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One PolicyRule."""

    verbs: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    def allows(self, access: Access) -> bool:
        """Say whether this rule alone allows it."""
        if not self.verbs & {access.verb, "*"}:
            return False
        if access.path:
            return any(_covers_path(path, access.path) for path in self.paths)
        return (
            bool(self.groups & {access.group, "*"})
            and any(_covers_resource(one, access.resource) for one in self.resources)
            and (not self.names or access.name in self.names)
        )


def _covers_resource(rule: str, resource: str) -> bool:
    if rule in ("*", resource):
        return True
    # `*/scale` stands for that subresource of all resources.
    plural, _, subresource = rule.partition("/")
    return plural == "*" and bool(subresource) and resource.partition("/")[2] == subresource


def _covers_path(rule: str, path: str) -> bool:
    return path.startswith(rule[:-1]) if rule.endswith("*") else rule == path


def parse_rules(rules: Any) -> tuple[Rule, ...]:
    """Return the rules of a Role or ClusterRole."""
    return tuple(
        Rule(
            frozenset(rule.get("verbs") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("resources") or ()),
            frozenset(rule.get("resourceNames") or ()),
            frozenset(rule.get("nonResourceURLs") or ()),
        )
        for rule in rules or ()
    )


@dataclass(frozen=True)
class Grants:
    """All roles and bindings of a cluster, by the user or group they are for."""

    by_subject: Mapping[tuple[str, str], tuple[tuple[str, tuple[Rule, ...]], ...]]
    """(kind, name) of a subject to (namespace, rules); the empty namespace means everywhere."""

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """Return what a user may do in a namespace, or at cluster scope if it is empty."""
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        found: list[Rule] = []
        for subject in subjects:
            for where, rules in self.by_subject.get(subject, ()):
                if where in ("", namespace):
                    found += rules
        return found

    def allows(self, user: User, access: Access) -> bool:
        """Say whether a user may do something."""
        if MASTERS in user.groups:
            return True
        return any(rule.allows(access) for rule in self.rules(user, access.namespace))

    def missing(self, user: User, namespace: str, wanted: Iterable[Rule]) -> list[Rule]:
        """Return which single rights of these rules a user does not hold, so may not grant."""
        if MASTERS in user.groups:
            return []
        held = self.rules(user, namespace)
        return [
            one for rule in wanted for one in _single(rule) if not any(_covers(other, one) for other in held)
        ]


def _single(rule: Rule) -> Iterable[Rule]:
    """Yield a rule as rights of one verb on one thing each (component-helpers, `BreakdownRule`)."""
    for verb in sorted(rule.verbs):
        for path in sorted(rule.paths):
            yield Rule(frozenset((verb,)), paths=frozenset((path,)))
        for group in sorted(rule.groups):
            for resource in sorted(rule.resources):
                for name in sorted(rule.names) or [""]:
                    names = frozenset((name,)) if name else frozenset[str]()
                    yield Rule(frozenset((verb,)), frozenset((group,)), frozenset((resource,)), names)


def _covers(held: Rule, wanted: Rule) -> bool:
    if not ("*" in held.verbs or wanted.verbs <= held.verbs):
        return False
    if wanted.paths:
        return all(any(_covers_path(one, path) for one in held.paths) for path in wanted.paths)
    return (
        ("*" in held.groups or wanted.groups <= held.groups)
        and all(any(_covers_resource(one, some) for one in held.resources) for some in wanted.resources)
        and (not held.names or bool(wanted.names and wanted.names <= held.names))
    )


def grants(roles: Mapping[tuple[str, str], Object], bindings: Iterable[tuple[str, Object]]) -> Grants:
    """Join bindings with their roles.

    `roles` by (namespace, name), where ClusterRoles have no namespace; `bindings` with their namespace,
    ClusterRoleBindings with none. A binding to a role that does not exist grants nothing.
    """
    found: dict[tuple[str, str], list[tuple[str, tuple[Rule, ...]]]] = {}
    parsed: dict[tuple[str, str], tuple[Rule, ...]] = {}
    for namespace, binding in bindings:
        reference = binding.get("roleRef") or {}
        place = (namespace if reference.get("kind") == "Role" else "", str(reference.get("name")))
        if place not in parsed:
            parsed[place] = parse_rules((roles.get(place) or {}).get("rules"))
        for subject in binding.get("subjects") or ():
            found.setdefault(_subject(subject, namespace), []).append((namespace, parsed[place]))
    return Grants({subject: tuple(some) for subject, some in found.items()})


def _subject(subject: Mapping[str, Any], namespace: str) -> tuple[str, str]:
    kind, name = str(subject.get("kind")), str(subject.get("name"))
    if kind == "ServiceAccount":
        return "User", f"{ACCOUNT_PREFIX}{subject.get('namespace') or namespace}:{name}"
    return kind, name


def denial(user: User, access: Access) -> str:
    """Return the sentence in which a refusal says who may not do what."""
    if access.path:
        return f'User "{user.name}" cannot {access.verb} path "{access.path}"'
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    what = f'resource "{access.resource}" in API group "{access.group}"'
    return f'User "{user.name}" cannot {access.verb} {what} {where}'


def escalation(user: User, missing: Iterable[Rule]) -> str:
    """Return the sentence in which the grant of rights that one does not hold is refused."""
    groups = json.dumps(list(user.groups)).replace(", ", " ")
    lines = "\n".join(_shown(rule) for rule in missing)
    return f'user "{user.name}" (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{lines}'


def _shown(rule: Rule) -> str:
    parts = [
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.names),
        ("NonResourceURLs", rule.paths),
        ("Verbs", rule.verbs),
    ]
    return "{" + ", ".join(f"{name}:{json.dumps(sorted(some))}" for name, some in parts if some) + "}"
