"""Clusters: rules C3 to C6, C8, C10, C11, C15, C16, A8. Pure."""

from collections.abc import Iterator

from nautes_domain.catalog import Declared
from nautes_domain.components import COMPONENTS, REQUIRED
from nautes_domain.failures import Violation
from nautes_domain.manifests import Cluster
from nautes_domain.source import Path
from nautes_domain.validation.setting import TenantSetting


def kinds(setting: TenantSetting) -> Iterator[Violation]:
    """C3, C4, C5, C6, C15: usage, type, host and worker type fit together."""
    clusters = setting.catalog.clusters
    for cluster in clusters.values():
        spec = cluster.manifest.spec
        host = clusters.get(spec.host_cluster)
        checks = (
            (cluster.manifest.name == setting.name, ("metadata", "name"), "C15", "is the name of the tenant", "choose another"),
            (spec.usage == "host" and spec.cluster_type != "physical", ("spec", "clusterType"), "C3", "a host must be physical", "write physical"),
            (spec.usage == "host" and spec.worker_type != "", ("spec", "workerType"), "C3", "a host has no worker type", "remove it"),
            (spec.cluster_type == "physical" and spec.host_cluster != "", ("spec", "hostCluster"), "C4", "a physical cluster has no host", "remove it"),
            (spec.cluster_type == "virtual" and host is None, ("spec", "hostCluster"), "C5", "a virtual cluster needs a declared host cluster", "name a cluster whose usage is host"),
            (host is not None and host.manifest.spec.usage != "host", ("spec", "hostCluster"), "C5", "is not a host", "name a cluster whose usage is host"),
            (spec.usage == "worker" and spec.worker_type == "", ("spec", "workerType"), "C6", "a worker is for `pipeline` or `deployment`", "write one of them"),
        )  # fmt: skip
        for broken, path, rule, message, fix in checks:
            if broken:
                yield cluster.violation(path, rule, message, fix)


def components(setting: TenantSetting) -> Iterator[Violation]:
    """C8, C10, C11: what the cluster needs is there, known, and complete."""
    for cluster in setting.catalog.clusters.values():
        spec = cluster.manifest.spec
        own = spec.components_list.namespaces()
        for namespace in spec.reserved_namespaces_allowed_products:
            if namespace not in own:
                where: Path = ("spec", "reservedNamespacesAllowedProducts", namespace)
                message = f"{namespace} belongs to no component of this cluster"
                yield cluster.violation(where, "C8", message, f"write one of {', '.join(sorted(own))}")
        chosen = dict(spec.components_list.chosen())
        needed = REQUIRED.get((spec.usage, spec.cluster_type, spec.worker_type), frozenset())
        for category in sorted(needed - chosen.keys()):
            kind = " ".join(filter(None, (spec.cluster_type, spec.worker_type, spec.usage)))
            where = ("spec", "componentsList", category)
            yield cluster.violation(where, "C10", f"a {kind} needs this component", "add it")
        for category in chosen:
            yield from _component(cluster, category)


def _component(cluster: Declared[Cluster], category: str) -> Iterator[Violation]:
    component = dict(cluster.manifest.spec.components_list.chosen())[category]
    path: Path = ("spec", "componentsList", category)
    known = COMPONENTS[category]
    if component.name not in known:
        message = f"{component.name[:60]!r} is no component for {category}"
        yield cluster.violation((*path, "name"), "C11", message, f"write one of {', '.join(known)}")
        return
    properties = known[component.name]
    for name, value in component.additions.items():
        where = (*path, "additions", name)
        if name not in properties:
            fix = f"write one of {', '.join(properties)}" if properties else "remove it"
            yield cluster.violation(where, "C11", f"{component.name} has no such property", fix)
        elif not properties[name].fits(value):
            fix = f"write it as {properties[name].example}"
            yield cluster.violation(where, "C11", f"{value[:60]!r} does not fit", fix)
        elif properties[name].needs and properties[name].needs not in component.additions:
            message = f"{properties[name].needs} is missing beside it"
            yield cluster.violation(where, "C11", message, "add it")


def addresses(setting: TenantSetting) -> Iterator[Violation]:
    """A8: one address is one cluster, and one machine's port serves one cluster."""
    servers: dict[str, str] = {}
    ports: dict[tuple[str, str], str] = {}
    for cluster in setting.catalog.clusters.values():
        spec, name = cluster.manifest.spec, cluster.manifest.name
        server = spec.api_server.rstrip("/").lower()
        first = servers.setdefault(server, name)
        if first != name:
            message = f"is the address of Cluster/{first} too"
            yield cluster.violation(("spec", "apiServer"), "A8", message, "correct one of them")
        machine = server.partition("://")[2].rpartition(":")[0] or server.partition("://")[2]
        gateway = spec.components_list.gateway
        for field, port in (gateway.additions if gateway else {}).items():
            first = ports.setdefault((machine, port), name)
            if first != name:
                path: Path = ("spec", "componentsList", "gateway", "additions", field)
                message = f"port {port[:10]} of {machine} serves Cluster/{first} already"
                yield cluster.violation(path, "A8", message, "choose another port")


def unknown_products(setting: TenantSetting) -> Iterator[Violation]:
    """C16, a warning: rights of products that are not declared have no effect."""
    products = setting.catalog.products
    for cluster in setting.catalog.clusters.values():
        spec = cluster.manifest.spec
        lent = spec.reserved_namespaces_allowed_products
        named: list[tuple[Path, str]] = [
            *((("spec", "allowedProducts", index), name) for index, name in enumerate(spec.allowed_products)),
            *((("spec", "productAllowedClusterResources", name), name) for name in spec.product_allowed_cluster_resources),
            *((("spec", "reservedNamespacesAllowedProducts", space, index), name)
              for space, names in lent.items() for index, name in enumerate(names)),
        ]  # fmt: skip
        for path, name in named:
            if name not in products:
                message = f"there is no product {name!r}; it has no effect"
                yield cluster.violation(path, "C16", message, "declare the product, or correct the name")
