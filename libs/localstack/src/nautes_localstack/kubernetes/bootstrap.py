"""What is there from the beginning: system namespaces and the default roles. Pure data.

The roles for people (`admin`, `edit`, `view`) cover the built-in kinds that are served here
(Kubernetes, "Using RBAC Authorization", "Default roles and role bindings").
"""

from collections.abc import Iterator
from typing import Any, Final

from nautes_localstack.kubernetes.kinds import (
    AUTHENTICATION,
    AUTHORIZATION,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    RBAC,
    Resource,
)
from nautes_localstack.kubernetes.rbac import MASTERS
from nautes_localstack.kubernetes.shapes import Object

NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
_READ: Final = ["get", "list", "watch"]
_WRITE: Final = ["create", "delete", "deletecollection", "patch", "update"]
_LABELS: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}

Rules = list[dict[str, Any]]


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _workloads(verbs: list[str]) -> Rules:
    core = [
        "configmaps",
        "endpoints",
        "events",
        "persistentvolumeclaims",
        "pods",
        "serviceaccounts",
        "services",
    ]
    return [
        _rule("", core, verbs),
        _rule("apps", ["daemonsets", "deployments", "replicasets", "statefulsets"], verbs),
        _rule("batch", ["cronjobs", "jobs"], verbs),
        _rule("networking.k8s.io", ["ingresses", "networkpolicies"], verbs),
    ]


_LOOK: Final = [
    *_workloads(_READ),
    _rule("", ["limitranges", "namespaces", "pods/log", "pods/status", "resourcequotas"], _READ),
]
_EDIT: Final = [
    *_workloads(_READ + _WRITE),
    *_LOOK[-1:],
    _rule("", ["secrets"], _READ + _WRITE),
    _rule("", ["serviceaccounts"], ["impersonate"]),
    _rule("", ["serviceaccounts/token"], ["create"]),
    _rule("coordination.k8s.io", ["leases"], _READ + _WRITE),
]
_ADMIN: Final = [
    *_EDIT,
    _rule(AUTHORIZATION, ["localsubjectaccessreviews"], ["create"]),
    _rule(RBAC, ["roles", "rolebindings"], _READ + _WRITE),
]
_HEALTH: Final = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY: Final = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_HEALTH]

_CLUSTER_ROLES: Final[dict[str, Rules]] = {
    "cluster-admin": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
    "admin": _ADMIN,
    "edit": _EDIT,
    "view": _LOOK,
    "system:auth-delegator": [
        _rule(AUTHENTICATION, ["tokenreviews"], ["create"]),
        _rule(AUTHORIZATION, ["subjectaccessreviews"], ["create"]),
    ],
    "system:basic-user": [
        _rule(AUTHORIZATION, ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
        _rule(AUTHENTICATION, ["selfsubjectreviews"], ["create"]),
    ],
    "system:discovery": [{"nonResourceURLs": _DISCOVERY, "verbs": ["get"]}],
    "system:public-info-viewer": [{"nonResourceURLs": _HEALTH, "verbs": ["get"]}],
    "system:service-account-issuer-discovery": [
        {"nonResourceURLs": ["/.well-known/openid-configuration", "/openid/v1/jwks"], "verbs": ["get"]}
    ],
}
_BINDINGS: Final = {
    "cluster-admin": (MASTERS,),
    "system:basic-user": ("system:authenticated",),
    "system:discovery": ("system:authenticated",),
    "system:public-info-viewer": ("system:authenticated", "system:unauthenticated"),
    "system:service-account-issuer-discovery": ("system:serviceaccounts",),
}


def roles() -> Iterator[tuple[Resource, Object]]:
    """Yield the default roles and their bindings."""
    for name, rules in _CLUSTER_ROLES.items():
        yield CLUSTER_ROLES, {"metadata": {"name": name, "labels": _LABELS}, "rules": rules}
    for name, groups in _BINDINGS.items():
        subjects = [{"kind": "Group", "apiGroup": RBAC, "name": group} for group in groups]
        reference = {"kind": "ClusterRole", "apiGroup": RBAC, "name": name}
        metadata = {"name": name, "labels": _LABELS}
        yield CLUSTER_ROLE_BINDINGS, {"metadata": metadata, "roleRef": reference, "subjects": subjects}
