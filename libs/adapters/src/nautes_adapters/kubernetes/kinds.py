"""The kinds of object that we handle, and where the API keeps each. A static table instead of discovery."""

import re
from dataclasses import dataclass
from typing import Final

from nautes_domain.failures import Rejected

_SEGMENT = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9._:]*[A-Za-z0-9])?\Z")
"""Names of all our kinds; RBAC names may hold colons. No slash, no `..`: a name never leaves its path."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `api_version` as in manifests, `plural` as in URLs."""

    name: str
    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of one object, or of a collection (of all namespaces when none is given).

        Kubernetes API concepts, "Resource URIs". Raises Rejected for what cannot be a name.
        """
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", _segment(namespace)]
        elif self.namespaced and name:
            raise Rejected(f"{self.name} {name} needs a namespace", code="kubernetes-name")
        parts.append(self.plural)
        if name:
            parts.append(_segment(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _segment(name: str) -> str:
    if len(name) > 253 or not _SEGMENT.match(name) or ".." in name:
        raise Rejected(f"{name[:80]!r} is not the name of a Kubernetes object", code="kubernetes-name")
    return name


_RBAC: Final = "rbac.authorization.k8s.io/v1"

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("Namespace", "v1", "namespaces", namespaced=False),
        Kind("ServiceAccount", "v1", "serviceaccounts"),
        Kind("Secret", "v1", "secrets"),
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("Pod", "v1", "pods"),
        Kind("Role", _RBAC, "roles"),
        Kind("RoleBinding", _RBAC, "rolebindings"),
        Kind("ClusterRole", _RBAC, "clusterroles", namespaced=False),
        Kind("ClusterRoleBinding", _RBAC, "clusterrolebindings", namespaced=False),
        Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Kind("AppProject", "argoproj.io/v1alpha1", "appprojects"),
        Kind("Application", "argoproj.io/v1alpha1", "applications"),
        Kind("Pipeline", "tekton.dev/v1", "pipelines"),
        Kind("PipelineRun", "tekton.dev/v1", "pipelineruns"),
        Kind("Task", "tekton.dev/v1", "tasks"),
        Kind("TaskRun", "tekton.dev/v1", "taskruns"),
        Kind(
            "CustomResourceDefinition",
            "apiextensions.k8s.io/v1",
            "customresourcedefinitions",
            namespaced=False,
        ),
        Kind("TokenReview", "authentication.k8s.io/v1", "tokenreviews", namespaced=False),
        Kind("SubjectAccessReview", "authorization.k8s.io/v1", "subjectaccessreviews", namespaced=False),
        Kind(
            "SelfSubjectAccessReview",
            "authorization.k8s.io/v1",
            "selfsubjectaccessreviews",
            namespaced=False,
        ),
    )
}


def kind_of(name: str) -> Kind:
    """Return the table's entry; a kind that is not in it raises Rejected (code `kubernetes-kind`)."""
    try:
        return KINDS[name]
    except KeyError:
        raise Rejected(f"objects of kind {name[:80]!r} are not handled", code="kubernetes-kind") from None
