"""Who may read which repository's key: one policy and role per runtime, from the owners' declarations. Pure.

Rights are judged again at every reconcile (security rule 2): a right that was withdrawn since the
declarations were accepted is not granted, whatever the snapshot says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from nautes_domain import names
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.manifests import DeploymentRuntime, ProjectPipelineRuntime
from nautes_domain.plan import Ref, Spec, State, Wanted
from nautes_domain.source import Path
from nautes_domain.validation import ENVIRONMENT, may_use
from nautes_secret_broker.desired import READONLY

SYSTEM: Final = "vault"
AUDIENCE: Final = "vault"
TTL: Final = 900
"""Seconds that a login lasts."""

ReadPolicy = Callable[[Iterable[str]], Spec]
"""Paths in mount `git` to the spec of a policy that may read exactly these."""

Runtime = Declared[ProjectPipelineRuntime] | Declared[DeploymentRuntime]


@dataclass(frozen=True, slots=True)
class Use:
    """A repository that a runtime names, where it does so, and whether it may."""

    repo: str
    path: Path
    rule: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Grants:
    """What should exist, what was refused, and which repositories have no id yet."""

    state: State = field(default_factory=dict)
    denied: tuple[Violation, ...] = ()
    unknown: tuple[str, ...] = ()


def grants(
    catalog: ProductCatalog, tenant: TenantCatalog, ids: Mapping[str, int], policy: ReadPolicy
) -> Grants:
    """Return policies and roles of all runtimes of a product; `ids` are project ids by repository name."""
    state: dict[Ref, Wanted] = {}
    denied: list[Violation] = []
    unknown: set[str] = set()
    runtimes: list[Runtime] = [*catalog.pipelines.values(), *catalog.deployments.values()]
    for runtime in runtimes:
        uses = tuple(_uses(catalog, runtime))
        denied += [_denial(runtime, use) for use in uses if not use.allowed]
        cluster = _cluster(catalog, tenant, runtime)
        if not cluster:
            message = f"its cluster does not exist or is not assigned to {catalog.product}"
            denied.append(runtime.violation(ENVIRONMENT, "E2", message))
            continue
        allowed = {use.repo for use in uses if use.allowed}
        unknown |= allowed - ids.keys()
        readable = sorted(ids[repo] for repo in allowed & ids.keys())
        if readable:
            state |= _access(catalog.product, runtime, cluster, policy(_paths(readable)))
    return Grants(state, tuple(sorted(denied)), tuple(sorted(unknown)))


def clusters_of(catalog: ProductCatalog) -> frozenset[str]:
    """Return the clusters that a product's environments name."""
    return frozenset(one.manifest.spec.cluster for one in catalog.environments.values())


def _paths(project_ids: Iterable[int]) -> Iterator[str]:
    return (names.deploy_key_path(project_id, READONLY) for project_id in project_ids)


def _access(product: str, runtime: Runtime, cluster: str, policy: Spec) -> State:
    """Return one policy, and one role per namespace: a role is bound to one account in one namespace."""
    manifest = runtime.manifest
    name = names.account_policy(product, manifest.name)
    because = f"{runtime.entity} reads its repositories"
    found = {Ref(SYSTEM, "Policy", name): Wanted(policy, because, runtime.entity)}
    spaces = manifest.namespaces if isinstance(manifest, DeploymentRuntime) else (manifest.namespace,)
    for index, namespace in enumerate(spaces):
        further = (namespace,) if index else ()
        role = Ref(SYSTEM, "Role", names.dotted(product, manifest.account, *further), cluster)
        spec = {
            "account": manifest.account,
            "namespace": namespace,
            "audience": AUDIENCE,
            "policies": [name],
            "ttl": TTL,
        }
        found[role] = Wanted(spec, f"{because} from {namespace}", runtime.entity)
    return found


def _uses(catalog: ProductCatalog, runtime: Runtime) -> Iterator[Use]:
    manifest = runtime.manifest
    if isinstance(manifest, DeploymentRuntime):
        repo = manifest.spec.manifest_source.code_repo
        yield Use(repo, ("spec", "manifestSource", "codeRepo"), "D7", _may_deploy(catalog, manifest, repo))
        return
    spec = manifest.spec
    named: list[tuple[str, Path]] = [(spec.pipeline_source, ("spec", "pipelineSource"))]
    for index, source in enumerate(spec.event_sources):
        if source.gitlab is not None:
            named.append((source.gitlab.repo_name, ("spec", "eventSources", index, "gitlab", "repoName")))
    additional = spec.additional_resources
    if additional is not None and additional.git is not None and additional.git.code_repo is not None:
        named.append((additional.git.code_repo, ("spec", "additionalResources", "git", "codeRepo")))
    for repo, path in named:
        yield Use(repo, path, "L11", may_use(catalog, spec.project, repo))


def _may_deploy(catalog: ProductCatalog, runtime: DeploymentRuntime, repo: str) -> bool:
    """Say whether every project that is deployed may use the repository; without projects, only the product's own."""
    declared = catalog.repos.get(repo)
    if declared is None:
        return False
    projects = runtime.spec.projects_ref
    if not projects:
        return declared.manifest.spec.project is None
    return all(may_use(catalog, project, repo) for project in projects)


def _denial(runtime: Runtime, use: Use) -> Violation:
    message = f"{use.repo} may not be used here; no right on it is granted"
    fix = f"let the owner of {use.repo} add a CodeRepoBinding"
    return runtime.violation(use.path, use.rule, message, fix)


def _cluster(catalog: ProductCatalog, tenant: TenantCatalog, runtime: Runtime) -> str:
    """Return the cluster of a runtime if the product may use it now (security rule 3), else the empty text."""
    environment = catalog.environments.get(runtime.manifest.spec.destination.environment)
    if environment is None:
        return ""
    name = environment.manifest.spec.cluster
    cluster = tenant.clusters.get(name)
    assigned = cluster is not None and catalog.product in cluster.manifest.spec.allowed_products
    return name if assigned else ""
