"""A product's AppProject and Applications, as Argo CD v3 knows them. Pure."""

import re
from collections.abc import Iterable
from typing import Any, Final

from nautes_adapters.kubernetes.marks import owned
from nautes_domain import names
from nautes_domain.capabilities import Deployment
from nautes_domain.failures import Rejected
from nautes_domain.plan import Ref, State, Wanted

SYSTEM: Final = "argocd"
NAMESPACE: Final = "argocd"
TYPE_LABEL: Final = "argocd.argoproj.io/secret-type"
"""Argo CD, "Declarative Setup", Clusters and Repositories."""
KINDS: Final = ("AppProject", "Application")
FINALIZER: Final = "resources-finalizer.argocd.argoproj.io"
"""On an Application: what was deployed goes with it."""

_GLOB = re.compile(r"[*?\[\]{}!\\]|\s")
"""Project sources are glob patterns, and `!` denies (Argo CD, "Projects"); a URL of ours is neither."""

_FORBIDDEN: Final = (
    ("", "LimitRange"),
    ("", "ResourceQuota"),
    ("argoproj.io", "*"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
)
"""What a product's manifests may not hold: the bounds of its namespaces, rights, and more Applications."""


def product_state(product: str, deployments: tuple[Deployment, ...]) -> State:
    """Return the project of a product and one Application per deployment; nothing without deployments.

    The project permits exactly the repositories and the cluster/namespace pairs of the deployments and no
    cluster-wide object. Raises Rejected for a repository URL that Argo CD would read as a pattern.
    """
    if not deployments:
        return {}
    scope = names.scope("product", product)
    ordered = sorted(deployments, key=lambda one: one.application)
    project = Ref(SYSTEM, "AppProject", names.label(product), NAMESPACE)
    because = f"{product} deploys by Argo CD"
    state = {project: Wanted(owned(_project(product, ordered), scope), because, f"Product/{product}")}
    for one in ordered:
        ref = Ref(SYSTEM, "Application", one.application, NAMESPACE)
        because = f"runtime {one.name} deploys {one.path or '.'} at {one.revision} to {one.cluster}"
        state[ref] = Wanted(owned(_application(product, one), scope), because, one.entity)
    return state


def _project(product: str, deployments: Iterable[Deployment]) -> dict[str, Any]:
    sources = sorted({_exact(one.repository_url) for one in deployments})
    places = sorted(
        {(names.label(one.cluster), names.label(n)) for one in deployments for n in one.namespaces}
    )
    return {
        "metadata": {},
        "spec": {
            "description": f"Product {product}",
            "sourceRepos": sources,
            "destinations": [{"name": cluster, "namespace": namespace} for cluster, namespace in places],
            # No clusterResourceWhitelist: without one, nothing cluster-wide is permitted.
            "namespaceResourceBlacklist": [{"group": group, "kind": kind} for group, kind in _FORBIDDEN],
        },
    }


def _application(product: str, one: Deployment) -> dict[str, Any]:
    if not one.namespaces:
        raise Rejected("the deployment names no namespace", what=one.entity, code="no-namespace")
    return {
        "metadata": {"labels": {"nautes.io/product": names.label(product)}, "finalizers": [FINALIZER]},
        "spec": {
            "project": product,
            "source": {
                "repoURL": _exact(one.repository_url),
                "targetRevision": one.revision,
                "path": one.path or ".",
            },
            "destination": {"name": one.cluster, "namespace": one.namespaces[0]},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


def _exact(url: str) -> str:
    if not url or _GLOB.search(url):
        raise Rejected(f"{url[:200]!r} is not the exact address of a repository", code="repository-pattern")
    return url
