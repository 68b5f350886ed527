"""What a cluster gets when it is registered: our namespace, three accounts and the least roles. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from nautes_adapters.kubernetes.marks import owned
from nautes_adapters.kubernetes.rights import DEPLOYER_RULES, RBAC_GROUP, RECONCILER_RULES, Rule
from nautes_adapters.kubernetes.target import cluster_system
from nautes_domain.plan import Ref, State, Wanted

SYSTEM_NAMESPACE: Final = "nautes-system"
RECONCILER: Final = "nautes-reconciler"
DEPLOYER: Final = "nautes-deployer"
TOKEN_REVIEWER: Final = "nautes-token-reviewer"  # noqa: S105 - the name of an account

BOOTSTRAP_KINDS: Final = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding")

_AUTH_DELEGATOR: Final = "system:auth-delegator"
"""Kubernetes' own role for asking whether a token is valid (Vault, "Kubernetes auth method")."""


def bootstrap_state(cluster: str, scope: str) -> State:
    """Return what must be on a cluster before anything else; written once with the uploaded kubeconfig."""
    system = cluster_system(cluster)
    entity = f"Cluster/{cluster}"
    return {
        Ref(system, kind, name, namespace): Wanted(owned(spec, scope), because, entity)
        for kind, name, namespace, spec, because in _objects()
    }


_Object = tuple[str, str, str, dict[str, Any], str]


def _objects() -> Iterator[_Object]:
    labels = {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    yield "Namespace", SYSTEM_NAMESPACE, "", {"metadata": labels}, "our accounts live in a namespace of ours"
    yield from _account(RECONCILER, "writes the products' namespaces and starts runs", RECONCILER_RULES)
    yield from _account(DEPLOYER, "Argo CD deploys as it", DEPLOYER_RULES)
    yield from _account(TOKEN_REVIEWER, "the secret store checks tokens as it", ())


def _account(name: str, because: str, rules: Iterable[Rule]) -> Iterator[_Object]:
    """Yield an account with a role of its own, or bound to the delegator's role when it has no rules."""
    yield "ServiceAccount", name, SYSTEM_NAMESPACE, {}, because
    own = list(rules)
    if own:
        yield "ClusterRole", name, "", {"rules": own}, because
    binding = {
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name if own else _AUTH_DELEGATOR},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM_NAMESPACE}],
    }
    yield "ClusterRoleBinding", name, "", binding, because
