"""A product's place on a cluster: namespaces, machine accounts and what these may do. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from nautes_adapters.kubernetes.hook_resources import hook_state
from nautes_adapters.kubernetes.marks import owned
from nautes_adapters.kubernetes.rights import ACCOUNT_RULES, PIPELINE_RULES, RBAC_GROUP
from nautes_adapters.kubernetes.target import cluster_system
from nautes_domain import names
from nautes_domain.capabilities import HookNeeds, Space
from nautes_domain.failures import Rejected
from nautes_domain.plan import Ref, State, Wanted

SPACE_KINDS: Final = ("Namespace", "ServiceAccount", "Role", "RoleBinding")
PRODUCT_LABEL: Final = "nautes.io/product"
POD_SECURITY_LABEL: Final = "pod-security.kubernetes.io/enforce"


def role_name(account: str) -> str:
    """Return the name of an account's Role and RoleBinding. The dot keeps it apart from names of people."""
    return names.dotted("nautes", account)


class ProductSpaces:
    """Implements `capabilities.TenantSpace` with plain namespaces and RBAC."""

    name = "kubernetes"

    def space_state(self, scope: str, spaces: tuple[Space, ...]) -> State:
        """Return namespaces, accounts, roles and bindings of one scope.

        Two runtimes may share a namespace, and an account in it, which then may do what either needs.
        Raises Rejected (code `namespace-reserved`) for a namespace of the cluster or the platform.
        """
        desired: dict[Ref, Wanted] = {}
        for space in spaces:
            if names.is_reserved_namespace(space.namespace):
                raise Rejected(
                    f"the namespace {space.namespace!r} is reserved",
                    what=space.entity,
                    next_step="choose another namespace",
                    code="namespace-reserved",
                )
            for ref, spec, because in _objects(space, _may_run(space, spaces)):
                desired.setdefault(ref, Wanted(owned(spec, scope), because, space.entity))
        return desired

    def hook_state(self, scope: str, needs: tuple[HookNeeds, ...]) -> State:
        """Return what the hooks of one scope find beside them; see `hook_resources`."""
        return hook_state(scope, needs)


def _may_run(space: Space, spaces: Iterable[Space]) -> bool:
    """Say whether any runtime that shares this very account runs pipelines."""
    place = (space.cluster, space.namespace, space.account)
    return any(one.may_run for one in spaces if (one.cluster, one.namespace, one.account) == place)


def _objects(space: Space, may_run: bool) -> Iterator[tuple[Ref, dict[str, Any], str]]:  # noqa: FBT001
    system, namespace = cluster_system(space.cluster), names.label(space.namespace)
    account, role = names.label(space.account), role_name(space.account)
    labels = {"labels": {PRODUCT_LABEL: names.label(space.product)}}
    why = f"runtime {space.runtime} of {space.product}"
    yield (
        Ref(system, "Namespace", namespace),
        {"metadata": {"labels": {**labels["labels"], POD_SECURITY_LABEL: "baseline"}}},
        f"{why} works in namespace {namespace}",
    )
    yield (
        Ref(system, "ServiceAccount", account, namespace),
        {"metadata": labels},
        f"{why} works as account {account}",
    )
    rules = [*ACCOUNT_RULES, *PIPELINE_RULES] if may_run else [*ACCOUNT_RULES]
    yield (
        Ref(system, "Role", role, namespace),
        {"metadata": labels, "rules": rules},
        f"{why} needs its rights",
    )
    yield (
        Ref(system, "RoleBinding", role, namespace),
        {
            "metadata": labels,
            "roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
        f"{why} needs its rights",
    )
