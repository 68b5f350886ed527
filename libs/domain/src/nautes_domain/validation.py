"""The rules between entities: what exists, who may use what, and who was first. Pure.

Rule ids are those of the original (its validation rules C…, P…, T…, R…, B…, J…, E…, D…, L…); `A…` are ours.
Every rule looks at the whole catalog and yields all its violations; none stops another.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from nautes_domain import names
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.manifests import Cluster, DeploymentRuntime, ProjectPipelineRuntime
from nautes_domain.source import Path

Claims = Mapping[tuple[str, str], str]
"""Who holds a namespace: (cluster, namespace) to product."""

ENVIRONMENT: Final[Path] = ("spec", "destination", "environment")


@dataclass(frozen=True, slots=True)
class Setting:
    """A product among the others: what the rules may look at."""

    catalog: ProductCatalog
    tenant: TenantCatalog
    claims: Claims = field(default_factory=dict)
    """Namespaces held by other products."""


Rule = Callable[[Setting], Iterator[Violation]]


def may_use(catalog: ProductCatalog, project: str, repo: str) -> bool:
    """Say whether a project may use a repository: it owns it, or the owner lent it (security rule 2).

    Only bindings in this catalog count, which is the owner's own; an empty project list lends to nobody.
    """
    declared = catalog.repos.get(repo)
    if declared is None:
        return False
    if declared.manifest.spec.project == project:
        return True
    return any(
        binding.manifest.spec.code_repo == repo
        and binding.manifest.spec.product == catalog.product
        and project in binding.manifest.spec.projects
        for binding in catalog.bindings.values()
    )


def cluster_of(setting: Setting, environment: str) -> Declared[Cluster] | None:
    """Return the cluster behind an environment, None when either is missing."""
    declared = setting.catalog.environments.get(environment)
    return None if declared is None else setting.tenant.clusters.get(declared.manifest.spec.cluster)


def claims_of(catalog: ProductCatalog) -> Claims:
    """Return the namespaces which a product's runtimes use."""
    return {place: catalog.product for _, place in _places(catalog)}


def tenant_violations(tenant: TenantCatalog, name: str) -> tuple[Violation, ...]:
    """Return everything that is wrong between the entities of the tenant `name`."""
    found: list[Violation] = []
    for cluster in tenant.clusters.values():
        found.extend(_cluster(cluster, tenant, name))
    for product in tenant.products.values():
        manifest = product.manifest
        if manifest.spec.name != manifest.name:
            fix = f"write {manifest.name}"
            found.append(product.violation(("spec", "name"), "P1", "differs from metadata.name", fix))
        if manifest.name == name:
            message = "is the name of the tenant, whose group holds the platform's own repository"
            found.append(product.violation(("metadata", "name"), "P1", message, "choose another name"))
    return tuple(sorted(found))


def product_violations(setting: Setting) -> tuple[Violation, ...]:
    """Return everything that is wrong between the entities of a product."""
    return tuple(sorted({violation for rule in RULES for violation in rule(setting)}))


def _cluster(cluster: Declared[Cluster], tenant: TenantCatalog, tenant_name: str) -> Iterator[Violation]:
    spec = cluster.manifest.spec
    host = tenant.clusters.get(spec.host_cluster)
    checks = (
        (cluster.manifest.name == tenant_name, ("metadata", "name"), "C15", "is the name of the tenant"),
        (spec.usage == "host" and spec.cluster_type != "physical", ("spec", "clusterType"), "C3", "a host must be physical"),
        (spec.usage == "host" and spec.worker_type != "", ("spec", "workerType"), "C3", "a host has no worker type"),
        (spec.cluster_type == "physical" and spec.host_cluster != "", ("spec", "hostCluster"), "C4", "a physical cluster has no host"),
        (spec.cluster_type == "virtual" and host is None, ("spec", "hostCluster"), "C5", "a virtual cluster needs a declared host cluster"),
        (host is not None and host.manifest.spec.usage != "host", ("spec", "hostCluster"), "C5", "is not a host"),
        (spec.usage == "worker" and spec.worker_type == "", ("spec", "workerType"), "C6", "a worker is for `pipeline` or `deployment`"),
    )  # fmt: skip
    for broken, path, rule, message in checks:
        if broken:
            yield cluster.violation(path, rule, message)
    own = spec.components_list.namespaces()
    for namespace in spec.reserved_namespaces_allowed_products:
        if namespace not in own:
            field_path = ("spec", "reservedNamespacesAllowedProducts", namespace)
            yield cluster.violation(field_path, "C8", f"{namespace} belongs to no component of this cluster")


def _folders(setting: Setting) -> Iterator[Violation]:
    """T2, J2: an entity lies in the folder that its name or owner gives."""
    catalog = setting.catalog
    expected: list[tuple[Declared[Any], str, Path]] = [
        *((one, one.manifest.name, ("metadata", "name")) for one in catalog.projects.values()),
        *((one, one.manifest.name, ("metadata", "name")) for one in catalog.repos.values()),
        *((one, one.manifest.spec.project, ("spec", "project")) for one in catalog.pipelines.values()),
        *((one, one.manifest.spec.code_repo, ("spec", "codeRepo")) for one in catalog.bindings.values()),
    ]
    for declared, folder, path in expected:
        found = declared.file.rpartition("/")[0].rpartition("/")[2]
        if found != folder:
            fix = f"move the file to the folder {folder}"
            yield declared.violation(path, "T2", f"the file lies in the folder {found!r}", fix)


def _owners(setting: Setting) -> Iterator[Violation]:
    """T4, B4, J1: everything in a product's repository belongs to that product."""
    product = setting.catalog.product
    for declared in setting.catalog.entities():
        named = getattr(declared.manifest.spec, "product", product)
        if named == product:
            continue
        rule = "B4" if declared.manifest.kind == "CodeRepoBinding" else "T4"
        message = f"names product {named!r}, but lies in the repository of {product!r}"
        yield declared.violation(("spec", "product"), rule, message, f"write {product}")


def _repos(setting: Setting) -> Iterator[Violation]:
    """R1, R4: a repository is named after its path, and its project exists."""
    for repo in setting.catalog.repos.values():
        spec = repo.manifest.spec
        if spec.repo_name != repo.manifest.name:
            message = "differs from metadata.name"
            yield repo.violation(("spec", "repoName"), "R1", message, f"write {repo.manifest.name}")
        yield from _exists(repo, ("spec", "project"), "R4", spec.project, setting.catalog.projects)


def _bindings(setting: Setting) -> Iterator[Violation]:
    """B2, B5: what is lent exists, and so do the projects that it is lent to."""
    for binding in setting.catalog.bindings.values():
        spec = binding.manifest.spec
        yield from _exists(binding, ("spec", "codeRepo"), "B2", spec.code_repo, setting.catalog.repos)
        for index, project in enumerate(spec.projects):
            path = ("spec", "projects", index)
            yield from _exists(binding, path, "B5", project, setting.catalog.projects)


def _environments(setting: Setting) -> Iterator[Violation]:
    """E2, E3: the cluster exists, is assigned to the product, and is used once."""
    product = setting.catalog.product
    uses = Counter(one.manifest.spec.cluster for one in setting.catalog.environments.values())
    for environment in setting.catalog.environments.values():
        name, path = environment.manifest.spec.cluster, ("spec", "cluster")
        cluster = setting.tenant.clusters.get(name)
        if cluster is None or product not in cluster.manifest.spec.allowed_products:
            # one message for both: a product must not learn which clusters there are
            message = f"cluster {name!r} does not exist or is not assigned to {product}"
            fix = "ask the tenant's administrators to list the product in Cluster.spec.allowedProducts"
            yield environment.violation(path, "E2", message, fix)
        if uses[name] > 1:
            message = f"more than one environment of {product} is on cluster {name}"
            yield environment.violation(path, "E3", message, "use one environment per cluster")


def _deployments(setting: Setting) -> Iterator[Violation]:
    """D2, D7: references exist and every project may use the repository."""
    catalog = setting.catalog
    for runtime in catalog.deployments.values():
        spec = runtime.manifest.spec
        repo, path = spec.manifest_source.code_repo, ("spec", "manifestSource", "codeRepo")
        yield from _exists(runtime, ENVIRONMENT, "D2", spec.destination.environment, catalog.environments)
        yield from _exists(runtime, path, "D2", repo, catalog.repos)
        owner = catalog.repos[repo].manifest.spec.project if repo in catalog.repos else None
        if owner is not None and not spec.projects_ref:
            message = f"{repo} belongs to project {owner}, and no project is given"
            yield runtime.violation(
                ("spec", "projectsRef"), "D7", message, f"list {owner}, or another that may use it"
            )
        for index, project in enumerate(spec.projects_ref):
            where: Path = ("spec", "projectsRef", index)
            yield from _exists(runtime, where, "D2", project, catalog.projects)
            yield from _right(setting, runtime, where, "D7", project, repo)
    for one, other in combinations(catalog.deployments.values(), 2):
        mine, theirs = one.manifest.spec, other.manifest.spec
        same = mine.destination.environment == theirs.destination.environment
        if same and mine.manifest_source == theirs.manifest_source:
            message = f"deploys the same as {one.entity} to the same environment"
            yield other.violation(("spec", "manifestSource"), "D3", message, "remove one of them")


def _pipelines(setting: Setting) -> Iterator[Violation]:
    """L3 to L9, L11: references of pipeline runtimes exist, are unique, and are allowed."""
    catalog = setting.catalog
    for runtime in catalog.pipelines.values():
        spec = runtime.manifest.spec
        yield from _exists(runtime, ("spec", "project"), "L4", spec.project, catalog.projects)
        yield from _exists(runtime, ENVIRONMENT, "L4", spec.destination.environment, catalog.environments)
        repos: list[tuple[Path, str]] = [(("spec", "pipelineSource"), spec.pipeline_source)]
        for index, source in enumerate(spec.event_sources):
            if source.gitlab is not None:
                repos.append((("spec", "eventSources", index, "gitlab", "repoName"), source.gitlab.repo_name))
            if (source.gitlab is None) == (source.calendar is None):
                message = "needs exactly one of gitlab and calendar"
                yield runtime.violation(("spec", "eventSources", index), "A2", message)
        for path, repo in repos:
            yield from _exists(runtime, path, "L4", repo, catalog.repos)
            yield from _right(setting, runtime, path, "L11", spec.project, repo)
        yield from _triggers(runtime)


def _triggers(runtime: Declared[ProjectPipelineRuntime]) -> Iterator[Violation]:
    spec = runtime.manifest.spec
    groups: tuple[tuple[str, str, str, Iterable[Any]], ...] = (
        ("pipelines", "path", "L3", [one.path for one in spec.pipelines]),
        ("pipelines", "name", "L6", [one.name for one in spec.pipelines]),
        ("eventSources", "name", "L6", [one.name for one in spec.event_sources]),
        ("pipelineTriggers", "", "L7", [(t.event_source, t.pipeline, t.revision) for t in spec.pipeline_triggers]),
    )  # fmt: skip
    for key, part, rule, values in groups:
        seen: set[Any] = set()
        for index, value in enumerate(values):
            if value in seen:
                path: Path = ("spec", key, index, part) if part else ("spec", key, index)
                yield runtime.violation(path, rule, f"{value!r} stands here twice", "remove one of them")
            seen.add(value)
    sources = {one.name for one in spec.event_sources}
    pipelines = {one.name for one in spec.pipelines}
    for index, trigger in enumerate(spec.pipeline_triggers):
        at: Path = ("spec", "pipelineTriggers", index)
        yield from _exists(runtime, (*at, "eventSource"), "L7", trigger.event_source, sources)
        yield from _exists(runtime, (*at, "pipeline"), "L7", trigger.pipeline, pipelines)
        for number, one in enumerate(trigger.inputs):
            if (one.source.built_in_var is None) == (one.source.from_event is None):
                message = "needs exactly one of builtInVar and fromEvent"
                yield runtime.violation((*at, "inputs", number, "source"), "L8", message)


def _worker_types(setting: Setting) -> Iterator[Violation]:
    """D4, L10: a runtime stands on a worker of its own kind."""
    runtimes: list[tuple[Declared[Any], str, str]] = [
        *((one, "D4", "deployment") for one in setting.catalog.deployments.values()),
        *((one, "L10", "pipeline") for one in setting.catalog.pipelines.values()),
    ]
    for runtime, rule, worker_type in runtimes:
        environment = runtime.manifest.spec.destination.environment
        cluster = cluster_of(setting, environment)
        if cluster is None:
            continue
        spec = cluster.manifest.spec
        if spec.usage != "worker" or spec.worker_type != worker_type:
            message = f"environment {environment} is not on a {worker_type} worker"
            yield runtime.violation(ENVIRONMENT, rule, message)
        elif worker_type == "pipeline" and spec.components_list.pipeline is None:
            yield runtime.violation(ENVIRONMENT, rule, "its cluster has no pipeline component")


def _namespaces(setting: Setting) -> Iterator[Violation]:
    """D5, D6, L12 and A3: nobody's namespace is taken, and no reserved one."""
    holders: dict[tuple[str, str], Declared[Any]] = {}
    for runtime, (cluster_name, namespace) in _places(setting.catalog):
        pipeline = isinstance(runtime.manifest, ProjectPipelineRuntime)
        path: Path = ("spec", "destination", "namespace" if pipeline else "namespaces")
        cluster = setting.tenant.clusters.get(cluster_name)
        components = cluster.manifest.spec.components_list.namespaces() if cluster else frozenset()
        lent = cluster.manifest.spec.reserved_namespaces_allowed_products if cluster else {}
        if names.is_reserved_namespace(namespace) or namespace in components:
            if setting.catalog.product not in lent.get(namespace, ()):
                message = f"namespace {namespace} is reserved"
                yield runtime.violation(path, "L12" if pipeline else "D5", message, "choose another")
        elif (
            setting.claims.get((cluster_name, namespace), setting.catalog.product) != setting.catalog.product
        ):
            message = f"namespace {namespace} is taken on this cluster"
            yield runtime.violation(path, "L12" if pipeline else "D6", message, "choose another")
        first = holders.setdefault((cluster_name, namespace), runtime)
        both_deploy = isinstance(first.manifest, DeploymentRuntime) and not pipeline
        if first is not runtime and not both_deploy:
            message = f"namespace {namespace} is used by {first.entity} already"
            yield runtime.violation(path, "L12", message, "choose another")


def _accounts(setting: Setting) -> Iterator[Violation]:
    """A4: one machine account serves one runtime on a cluster, so that its rights are that runtime's alone."""
    holders: dict[tuple[str, str], Declared[Any]] = {}
    runtimes: list[Declared[Any]] = [
        *setting.catalog.pipelines.values(),
        *setting.catalog.deployments.values(),
    ]
    for runtime in runtimes:
        environment = setting.catalog.environments.get(runtime.manifest.spec.destination.environment)
        if environment is None:
            continue
        key = (environment.manifest.spec.cluster, runtime.manifest.account)
        first = holders.setdefault(key, runtime)
        if first is not runtime:
            message = f"account {runtime.manifest.account} serves {first.entity} on the same cluster"
            yield runtime.violation(("spec", "account"), "A4", message, "choose another")


def _places(catalog: ProductCatalog) -> Iterator[tuple[Declared[Any], tuple[str, str]]]:
    """Yield each runtime with each (cluster, namespace) that it uses."""
    for pipeline in catalog.pipelines.values():
        environment = catalog.environments.get(pipeline.manifest.spec.destination.environment)
        if environment is not None:
            yield pipeline, (environment.manifest.spec.cluster, pipeline.manifest.namespace)
    for deployment in catalog.deployments.values():
        environment = catalog.environments.get(deployment.manifest.spec.destination.environment)
        if environment is not None:
            for namespace in deployment.manifest.namespaces:
                yield deployment, (environment.manifest.spec.cluster, namespace)


def _exists(
    declared: Declared[Any], path: Path, rule: str, name: str | None, known: Iterable[str]
) -> Iterator[Violation]:
    if name is not None and name not in known:
        yield declared.violation(
            path, rule, f"{name!r} does not exist in this product", "declare it, or correct the name"
        )


def _right(
    setting: Setting, declared: Declared[Any], path: Path, rule: str, project: str, repo: str
) -> Iterator[Violation]:
    catalog = setting.catalog
    if repo in catalog.repos and project in catalog.projects and not may_use(catalog, project, repo):
        fix = f"let the owner of {repo} add a CodeRepoBinding for {project}"
        yield declared.violation(path, rule, f"project {project} may not use {repo}", fix)


RULES: Final[tuple[Rule, ...]] = (
    _folders, _owners, _repos, _bindings, _environments, _deployments, _pipelines, _worker_types,
    _namespaces, _accounts,
)  # fmt: skip
