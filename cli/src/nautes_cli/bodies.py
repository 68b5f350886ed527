"""A manifest as the JSON of a request: section 2.4 of the original, field by field. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from nautes_domain.schema import Manifest

Body = dict[str, Any]

_IN_THE_PATH: Final[Mapping[str, tuple[str, ...]]] = {
    "Product": ("name", "meta_data_path"),
    "Project": ("product",),
    "Environment": ("product",),
    "CodeRepo": ("product", "repo_name", "code_repo_provider", "url"),
    "DeploymentRuntime": ("product",),
}
"""Fields of a spec that the path says already, or that the server finds out itself."""


def body_of(manifest: Manifest, beside: Mapping[str, Any] | None = None) -> Body:
    """Return the body with which a manifest is saved: what people wrote, and what the API insists on.

    `beside` is what a request carries and a declaration never does: `vcluster` and `kubeconfig`.
    """
    spec: Body = manifest.model_dump(mode="json", exclude_unset=True, exclude_none=True).get("spec", {})
    for name in _IN_THE_PATH.get(manifest.kind, ()):
        spec.pop(name, None)
    complete = _COMPLETED.get(manifest.kind)
    return complete(spec, manifest.name, beside or {}) if complete else spec


def _cluster(spec: Body, _: str, beside: Mapping[str, Any]) -> Body:
    spec.setdefault("cluster_kind", "kubernetes")
    vcluster = beside.get("vcluster")
    if isinstance(vcluster, Mapping) and vcluster.get("httpsNodePort"):
        spec["vcluster"] = {"https_node_port": str(vcluster["httpsNodePort"])}
    if beside.get("kubeconfig"):
        spec["kubeconfig"] = beside["kubeconfig"]
    return spec


def _placed(spec: Body, name: str, _: Mapping[str, Any]) -> Body:
    """Name the place on the code host: the API insists on `git` (section 2.4)."""
    place = spec.setdefault("git", {}).setdefault("gitlab", {})
    for field in ("name", "path"):
        if not place.get(field):
            place[field] = name
    place.setdefault("visibility", "private")
    return spec


def _binding(spec: Body, _: str, __: Mapping[str, Any]) -> Body:
    spec["coderepo"] = spec.pop("code_repo")
    return spec


def _pipelines(spec: Body, _: str, __: Mapping[str, Any]) -> Body:
    git = (spec.get("additional_resources") or {}).get("git")
    if git and "code_repo" in git:
        git["coderepo"] = git.pop("code_repo")
    return spec


_COMPLETED: Final[Mapping[str, Callable[[Body, str, Mapping[str, Any]], Body]]] = {
    "Cluster": _cluster,
    "Product": _placed,
    "CodeRepo": _placed,
    "CodeRepoBinding": _binding,
    "ProjectPipelineRuntime": _pipelines,
}
