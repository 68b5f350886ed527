"""What there is: versions, groups, resources; plain and aggregated (Kubernetes API concepts, "API discovery"). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from nautes_localstack.kubernetes.definitions import Registry
from nautes_localstack.kubernetes.kinds import AUTHENTICATION, PODS, SERVICE_ACCOUNTS, STATUS_VERBS, Resource

LIKE: Final = ("1", "36")
"""The version of Kubernetes whose answers are given."""

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_GO_GROUP: Final = {"group": "", "version": "", "kind": ""}


def version() -> dict[str, str]:
    """Return `/version`. The suffix says what this server is."""
    major, minor = LIKE
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{major}.{minor}.2+nautes-local",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


def core_versions(address: str) -> dict[str, Any]:
    """Return `/api`."""
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": servers}


def group(registry: Registry, name: str) -> dict[str, Any]:
    """Return one entry of `/apis`."""
    versions = [{"groupVersion": f"{name}/{one}", "version": one} for one in registry.versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def groups(registry: Registry) -> dict[str, Any]:
    """Return `/apis`."""
    found = [group(registry, name) for name in registry.groups()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def resources(registry: Registry, name: str, version_name: str) -> dict[str, Any] | None:
    """Return the resources of a version; None if there is no such version."""
    found = _of(registry, name, version_name)
    if not found:
        return None
    entries = [entry for one in found for entry in _entries(one)]
    listed: dict[str, Any] = {"kind": "APIResourceList"}
    if name:
        listed["apiVersion"] = "v1"
    return {**listed, "groupVersion": found[0].api_version, "resources": entries}


def _of(registry: Registry, name: str, version_name: str) -> list[Resource]:
    found = [one for one in registry if one.group == name and one.version == version_name]
    return sorted(found, key=lambda one: one.plural)


def _entries(resource: Resource) -> Iterable[Mapping[str, Any]]:
    base = {"namespaced": resource.namespaced, "kind": resource.kind}
    entry: dict[str, Any] = {"name": resource.plural, "singularName": resource.singular, **base}
    entry["verbs"] = list(resource.verbs)
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.stored:
        entry["storageVersionHash"] = resource.storage_hash
    yield entry
    for sub in subresources(resource):
        yield {"name": f"{resource.plural}/{sub['name']}", "singularName": "", "namespaced": resource.namespaced} | sub["kind"] | {"verbs": list(sub["verbs"])}  # fmt: skip


def subresources(resource: Resource) -> list[dict[str, Any]]:
    """Return the subresources that are served: `name`, `kind` (as discovery has it) and `verbs`."""
    found: list[dict[str, Any]] = []
    if resource is SERVICE_ACCOUNTS:
        kind = {"group": AUTHENTICATION, "version": "v1", "kind": "TokenRequest"}
        found.append({"name": "token", "kind": kind, "verbs": ("create",)})
    if resource is PODS:
        found.append({"name": "log", "kind": {"kind": resource.kind}, "verbs": ("get",)})
    if resource.has_status:
        found.append({"name": "status", "kind": {"kind": resource.kind}, "verbs": STATUS_VERBS})
    return found


def aggregated(registry: Registry, names: Iterable[str]) -> dict[str, Any]:
    """Return all resources of some groups at once; the empty name is the core group."""
    items = []
    for name in names:
        metadata = {"name": name} if name else {}
        versions = [
            {
                "version": one,
                "resources": [_aggregated(resource) for resource in _of(registry, name, one)],
                "freshness": "Current",
            }
            for one in registry.versions(name)
        ]
        items.append({"metadata": metadata, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated(resource: Resource) -> dict[str, Any]:
    kind = (
        {"group": resource.group, "version": resource.version, "kind": resource.kind}
        if resource.custom
        else {**_GO_GROUP, "kind": resource.kind}
    )
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if subs := subresources(resource):
        entry["subresources"] = [
            {
                "subresource": sub["name"],
                "responseKind": {**kind, **sub["kind"]},
                "verbs": list(sub["verbs"]),
            }
            for sub in subs
        ]
    return entry
