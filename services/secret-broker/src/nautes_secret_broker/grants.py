"""Who may read which repository's key: a policy per runtime, a role per account, from the owners' declarations. Pure.

An account reads what its runtimes read, all of them together. Rights are judged again at every reconcile
(security rule 2): a right that was withdrawn since the declarations were accepted is not granted, whatever
the snapshot says, neither to the runtime itself nor to another through an account that both work as.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from nautes_domain import names
from nautes_domain.catalog import ProductCatalog, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.manifests import ProjectPipelineRuntime
from nautes_domain.plan import Ref, Spec, State, Wanted, merged
from nautes_domain.validation import ENVIRONMENT, Setting
from nautes_domain.validation.accounts import ACCOUNT, Runtime, may_read, reads, shared, sharing
from nautes_domain.validation.setting import namespaces_of
from nautes_secret_broker.desired import READONLY

SYSTEM: Final = "vault"
AUDIENCE: Final = "vault"
TTL: Final = 900
"""Seconds that a login lasts."""

ReadPolicy = Callable[[Iterable[str]], Spec]
"""Paths in mount `git` to the spec of a policy that may read exactly these."""


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
    setting = Setting(catalog, tenant)
    states: list[State] = []
    denied = list(_homeless(setting))
    unknown: set[str] = set()
    for group in sharing(catalog):
        allowed = shared(setting, group)
        denied += (denial for runtime in group for denial in _denials(setting, runtime, allowed))
        cluster = catalog.cluster_of(group[0].manifest)
        if not _assigned(setting, cluster):
            continue
        policies: dict[str, dict[Ref, Wanted]] = {}
        for runtime in group:
            readable = {one.name for one in reads(runtime)} & allowed
            unknown |= readable - ids.keys()
            known = sorted(ids[repo] for repo in readable & ids.keys())
            mine = policies.setdefault(runtime.manifest.account, {})
            if known:
                because = f"{runtime.entity} reads its repositories"
                wanted = Wanted(policy(_paths(known)), because, runtime.entity)
                mine[_policy_ref(catalog.product, runtime)] = wanted
        for account, granted in policies.items():
            users = [one for one in group if one.manifest.account == account]
            states += [granted, _role(catalog.product, (cluster, account), users, granted)]
    return Grants(merged(states), tuple(sorted(denied)), tuple(sorted(unknown)))


def clusters_of(catalog: ProductCatalog) -> frozenset[str]:
    """Return the clusters that a product's environments name."""
    return frozenset(one.manifest.spec.cluster for one in catalog.environments.values())


def _paths(project_ids: Iterable[int]) -> Iterator[str]:
    return (names.deploy_key_path(project_id, READONLY) for project_id in project_ids)


def _policy_ref(product: str, runtime: Runtime) -> Ref:
    kind = "pipeline" if isinstance(runtime.manifest, ProjectPipelineRuntime) else "deployment"
    return Ref(SYSTEM, "Policy", names.runtime_policy(product, kind, runtime.manifest.name))


def _role(product: str, account: tuple[str, str], users: Iterable[Runtime], policies: State) -> State:
    """Return the role of an account: bound to its one name, in exactly the namespaces of its runtimes."""
    if not policies:
        return {}
    cluster, name = account
    entities = sorted(one.entity for one in users)
    spec = {
        "account": name,
        "namespaces": sorted({space for one in users for space in namespaces_of(one.manifest)}),
        "audience": AUDIENCE,
        "policies": sorted(ref.name for ref in policies),
        "ttl": TTL,
    }
    because = f"{', '.join(entities)} {'work' if len(entities) > 1 else 'works'} as {name} on {cluster}"
    return {Ref(SYSTEM, "Role", names.dotted(product, name), cluster): Wanted(spec, because, entities[0])}


def _denials(setting: Setting, runtime: Runtime, allowed: frozenset[str]) -> Iterator[Violation]:
    rule = "L11" if isinstance(runtime.manifest, ProjectPipelineRuntime) else "D7"
    for one in reads(runtime):
        fix = f"let the owner of {one.name} add a CodeRepoBinding"
        if not may_read(setting, runtime, one.name):
            message = f"{one.name} may not be used here; no right on it is granted"
            yield runtime.violation(one.path, rule, message, fix)
        elif one.name not in allowed:
            message = (
                f"no right on {one.name} is granted: others who share account or namespace may not use it"
            )
            yield runtime.violation(ACCOUNT, "A4", message, f"{fix}, or choose another account")


def _homeless(setting: Setting) -> Iterator[Violation]:
    """Yield the runtimes without a cluster that the product may use now (security rule 3)."""
    product = setting.catalog.product
    for runtime in setting.catalog.runtimes():
        environment = setting.catalog.environments.get(runtime.manifest.spec.destination.environment)
        if environment is None or not _assigned(setting, environment.manifest.spec.cluster):
            message = f"its cluster does not exist or is not assigned to {product}"
            yield runtime.violation(ENVIRONMENT, "E2", message)


def _assigned(setting: Setting, name: str) -> bool:
    cluster = setting.tenant.clusters.get(name)
    return cluster is not None and setting.catalog.product in cluster.manifest.spec.allowed_products
