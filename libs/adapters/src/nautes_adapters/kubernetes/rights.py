"""Who may do what on a cluster: curated rules, never `cluster-admin`. Pure data."""

from collections.abc import Iterable
from typing import Any, Final

from nautes_domain.hooks import AUTHORITIES, KEYS

Rule = dict[str, Any]

READ: Final = ("get", "list", "watch")
WRITE: Final = ("create", "update", "patch", "delete")
RBAC_GROUP: Final = "rbac.authorization.k8s.io"


def rule(group: str, resources: Iterable[str], verbs: Iterable[str], name: str = "") -> Rule:
    """Return one PolicyRule of one API group, for objects of any name or of one; the core group is the empty text."""
    found = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return {**found, "resourceNames": [name]} if name else found


ACCOUNT_RULES: Final[tuple[Rule, ...]] = (
    rule("", ("pods", "services", "configmaps", "events"), READ),
    rule("", ("pods/log",), ("get",)),
    rule("apps", ("deployments", "statefulsets", "daemonsets", "replicasets"), READ),
)
"""What every account of a product may do in its own namespace: look at what runs there. No Secrets."""

PIPELINE_RULES: Final[tuple[Rule, ...]] = (
    rule("tekton.dev", ("pipelineruns", "taskruns"), ("create", *READ)),
    rule("tekton.dev", ("pipelines", "tasks"), READ),
)
"""What an account may do besides where pipelines run: start runs and follow them."""

RECONCILER_RULES: Final[tuple[Rule, ...]] = (
    rule("", ("namespaces", "serviceaccounts"), (*READ, *WRITE)),
    rule(RBAC_GROUP, ("roles", "rolebindings"), (*READ, *WRITE)),
    rule("", ("serviceaccounts",), ("impersonate",)),
    *ACCOUNT_RULES,
    *PIPELINE_RULES,
    rule("tekton.dev", ("pipelineruns",), ("patch", "delete")),
    rule("", ("secrets",), ("get", *WRITE), KEYS),
    rule("", ("configmaps",), WRITE, AUTHORITIES),
)
"""What the reconciler may do; it patches runs to let them go, stop them and remember what it reported of them, and deletes
what is not kept. Of Secrets it knows one by name and lists none: the keys that hooks of pipelines ask for. It holds all that it grants, for nobody may grant what he does not hold
(Kubernetes, "Using RBAC Authorization", privilege escalation prevention); so it needs no `escalate` or `bind`."""

DEPLOYER_RULES: Final[tuple[Rule, ...]] = (
    rule("", ("configmaps", "secrets", "services", "serviceaccounts", "persistentvolumeclaims", "pods"), (*READ, *WRITE)),
    rule("", ("namespaces", "events", "endpoints", "replicationcontrollers"), READ),
    rule("", ("pods/log",), ("get",)),
    rule("apps", ("deployments", "statefulsets", "daemonsets", "replicasets"), (*READ, *WRITE)),
    rule("apps", ("controllerrevisions",), READ),
    rule("batch", ("jobs", "cronjobs"), (*READ, *WRITE)),
    rule("autoscaling", ("horizontalpodautoscalers",), (*READ, *WRITE)),
    rule("policy", ("poddisruptionbudgets",), (*READ, *WRITE)),
    rule("networking.k8s.io", ("ingresses", "networkpolicies"), (*READ, *WRITE)),
    rule("discovery.k8s.io", ("endpointslices",), READ),
)  # fmt: skip
"""What Argo CD may do on a cluster: namespaced workloads, no RBAC and nothing cluster-wide. It needs the setting
`resource.respectRBAC: normal` (Argo CD, "Declarative Setup"), or it insists on listing every kind there is."""
