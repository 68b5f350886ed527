"""Declarations to the objects that should exist on the code host, the clusters and in Argo CD. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nautes_domain import names
from nautes_domain.access import CREATOR, is_person
from nautes_domain.capabilities import (
    ADDITIONAL,
    Deployer,
    Deployment,
    HookNeeds,
    ReadKey,
    Space,
    TenantSpace,
)
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog
from nautes_domain.events import HOOK_EVENTS as HOOK_EVENTS_BY_KIND
from nautes_domain.events import DeliveryKind
from nautes_domain.manifests import AdditionalGit, CodeRepo, ProjectPipelineRuntime
from nautes_domain.plan import Ref, State, Wanted, merged

HOOK_EVENTS: Final = ("push_events", "tag_push_events")
"""What every hook subscribes to; more of GitLab's events come with the runtimes that listen to them."""

MERGE_REQUESTS: Final = HOOK_EVENTS_BY_KIND[DeliveryKind.MERGE_REQUEST]
NOTES: Final = HOOK_EVENTS_BY_KIND[DeliveryKind.NOTE]

PRIVATE: Final = "private"
"""Who sees a group or project if nothing else is declared: its members only."""

SecretVersions = Mapping[str, int]
"""Version of the secret of each hook, by hook id; absent while it was not issued."""

ReadKeys = Mapping[str, ReadKey]
"""The keys with which what is deployed is read, by repository; empty where none are needed."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things are reached, without trailing slashes."""

    gateway: str
    code_host: str
    code_host_ssh: str = ""
    """`ssh://git@host[:port]`, empty where what is deployed is read without credentials."""

    def hook(self, hook: str) -> str:
        """Return the URL that a hook calls."""
        return f"{self.gateway}/hooks/gitlab/{hook}"

    def clone(self, group: str, project: str) -> str:
        """Return the HTTP address of a repository, without credentials."""
        return f"{self.code_host}/{names.project_path(group, project)}.git"

    def source(self, group: str, project: str) -> str:
        """Return the address from which a repository is deployed."""
        base = self.code_host_ssh or self.code_host
        return f"{base}/{names.project_path(group, project)}.git"


def config_projects(tenant: str, catalog: TenantCatalog) -> Iterator[tuple[str, str]]:
    """Yield (group, project) of every repository that holds declarations, the tenant's first."""
    yield tenant, names.TENANT_PROJECT
    for product in catalog.products:
        yield product, names.CONFIG_PROJECT


def repositories(catalog: ProductCatalog) -> Iterator[tuple[str, str]]:
    """Yield (group, project) of every repository that a product declares."""
    for name in catalog.repos:
        yield catalog.product, name


def events_of(catalog: ProductCatalog, repository: str) -> Iterable[str]:
    """Return what a repository's hook subscribes to: pushes, what it lists, and what any runtime wants to hear."""
    wanted: set[str] = {*HOOK_EVENTS, *catalog.repos[repository].manifest.events}
    for declared in catalog.pipelines.values():
        for source in declared.manifest.spec.event_sources:
            if source.gitlab is not None and source.gitlab.repo_name == repository:
                wanted |= set(source.gitlab.events)
    if MERGE_REQUESTS in wanted:  # what answers them may be asked for in a comment
        wanted.add(NOTES)
    return sorted(wanted)


def tenant_state(
    tenant: str, catalog: TenantCatalog, addresses: Addresses, versions: SecretVersions
) -> State:
    """Return the groups of tenant and products, each with the project that holds its declarations."""
    states: list[State] = []
    for group, project in config_projects(tenant, catalog):
        entity = f"Tenant/{tenant}" if group == tenant else f"Product/{group}"
        because = f"{entity} needs a place for its declarations"
        ref = Ref("gitlab", "Group", group)
        product = catalog.products.get(group)
        shown = (
            product.manifest.spec.git.gitlab.visibility if product and product.manifest.spec.git else PRIVATE
        )
        creator = product.manifest.metadata.annotations.get(CREATOR, "") if product else ""
        owned = {"creator": creator} if is_person(creator) else {}
        states.append({ref: Wanted({"visibility": shown, **owned}, because, entity)})
        states.append(_hosted(group, project, addresses, versions, (entity, because)))
    return merged(states)


def product_state(
    catalog: ProductCatalog,
    addresses: Addresses,
    versions: SecretVersions,
    *,
    spaces: TenantSpace,
    deployer: Deployer,
    keys: ReadKeys | None = None,
    needs: Iterable[HookNeeds] = (),
) -> State:
    """Return everything that a valid product needs: repositories with hooks, namespaces and what is in them, applications."""
    scope = names.scope("product", catalog.product)
    states: list[State] = [
        _hosted(
            *place,
            addresses,
            versions,
            (f"CodeRepo/{place[1]}", f"CodeRepo/{place[1]} is declared"),
            events_of(catalog, place[1]),
            _visibility(catalog.repos[place[1]]),
        )
        for place in repositories(catalog)
    ]
    states.append(spaces.space_state(scope, tuple(spaces_of(catalog))))
    states.append(spaces.hook_state(scope, tuple(needs)))
    deployments = tuple(deployments_of(catalog, addresses, keys or {}))
    if deployments:
        states.append(deployer.product_state(catalog.product, deployments))
    return merged(states)


def _hosted(
    group: str,
    project: str,
    addresses: Addresses,
    versions: SecretVersions,
    reason: tuple[str, str],
    events: Iterable[str] = HOOK_EVENTS,
    visibility: str = PRIVATE,
) -> State:
    entity, because = reason
    hook = names.hook_id(group, project)
    hook_spec = {
        "url": addresses.hook(hook),
        "events": list(events),
        "secret_version": versions.get(hook, 0),
    }
    return {
        Ref("gitlab", "Project", project, group): Wanted(
            {"visibility": visibility, "initialize": True}, because, entity
        ),
        Ref("gitlab", "Hook", hook, names.project_path(group, project)): Wanted(
            hook_spec, f"pushes to {group}/{project} must be heard", entity
        ),
    }


def _visibility(repo: Declared[CodeRepo]) -> str:
    place = repo.manifest.spec.git
    return place.gitlab.visibility if place else PRIVATE


def spaces_of(catalog: ProductCatalog) -> Iterable[Space]:
    """Yield each namespace that the runtimes of a valid product use, with its machine account."""
    for pipeline in catalog.pipelines.values():
        runtime = pipeline.manifest
        yield Space(
            product=catalog.product,
            runtime=runtime.name,
            cluster=catalog.cluster_of(runtime),
            namespace=runtime.namespace,
            account=runtime.account,
            may_run=True,
            entity=pipeline.entity,
        )
    for deployment in catalog.deployments.values():
        target = deployment.manifest
        for namespace in target.namespaces:
            yield Space(
                product=catalog.product,
                runtime=target.name,
                cluster=catalog.cluster_of(target),
                namespace=namespace,
                account=target.account,
                may_run=False,
                entity=deployment.entity,
            )


def sources(catalog: ProductCatalog) -> Iterable[str]:
    """Return the names of the repositories that are deployed from, each once."""
    manifests = {one.manifest.spec.manifest_source.code_repo for one in catalog.deployments.values()}
    additional = {git.own_repo for _, git in additional_of(catalog)}
    return sorted(manifests | additional - {""})


def additional_of(
    catalog: ProductCatalog,
) -> Iterator[tuple[Declared[ProjectPipelineRuntime], AdditionalGit]]:
    """Yield the pipeline runtimes that have more deployed beside their pipelines, and from where."""
    for declared in catalog.pipelines.values():
        git = declared.manifest.additional
        if git is not None:
            yield declared, git


def deployments_of(catalog: ProductCatalog, addresses: Addresses, keys: ReadKeys) -> Iterable[Deployment]:
    """Yield what Argo CD keeps equal to Git for a valid product."""
    for declared in catalog.deployments.values():
        runtime = declared.manifest
        source = runtime.spec.manifest_source
        yield Deployment(
            product=catalog.product,
            name=runtime.name,
            repository_url=addresses.source(catalog.product, source.code_repo),
            revision=source.target_revision,
            path=source.path,
            cluster=catalog.cluster_of(runtime),
            namespaces=runtime.namespaces,
            entity=declared.entity,
            read_key=keys.get(source.code_repo),
        )
    for pipelines, git in additional_of(catalog):
        target, own = pipelines.manifest, git.own_repo
        yield Deployment(
            product=catalog.product,
            name=target.name,
            part=ADDITIONAL,
            repository_url=addresses.source(catalog.product, own) if own else git.url,
            revision=git.revision,
            path=git.path,
            cluster=catalog.cluster_of(target),
            namespaces=(target.namespace,),
            entity=pipelines.entity,
            read_key=keys.get(own),
        )
