"""Pipeline runtimes to what their hooks must find beside them. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from nautes_domain.capabilities import HookNeeds, ReadKey
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog
from nautes_domain.hooks import HookKinds, Resource, folders
from nautes_domain.manifests import ProjectPipelineRuntime
from nautes_domain.validation import resources_of
from nautes_reconciler.desired import Addresses


def sources(catalog: ProductCatalog, tenant: TenantCatalog, kinds: HookKinds) -> Iterable[str]:
    """Return the names of the repositories whose keys hooks ask for, each once."""
    return sorted(
        {
            declared.manifest.spec.pipeline_source
            for declared, wanted in _wanted(catalog, tenant, kinds)
            if Resource.SSH_KEY in wanted
        }
    )


def needs_of(
    catalog: ProductCatalog,
    tenant: TenantCatalog,
    kinds: HookKinds,
    addresses: Addresses,
    keys: Mapping[str, ReadKey],
) -> Iterator[HookNeeds]:
    """Yield what the hooks of each runtime of a valid product need; `keys` are by repository."""
    for declared, wanted in _wanted(catalog, tenant, kinds):
        runtime = declared.manifest
        source, reads = runtime.spec.pipeline_source, Resource.SSH_KEY in wanted
        yield HookNeeds(
            runtime=runtime.name,
            cluster=catalog.cluster_of(runtime),
            namespace=runtime.namespace,
            entity=declared.entity,
            read_key=keys.get(source, ReadKey(source, "")) if reads else None,
            repository_url=addresses.source(catalog.product, source)
            if reads and addresses.code_host_ssh
            else "",
            known_hosts=tenant.ssh_known_hosts if reads else "",
            authorities=tenant.certificate_authorities if Resource.CA_FILE in wanted else "",
        )


def _wanted(
    catalog: ProductCatalog, tenant: TenantCatalog, kinds: HookKinds
) -> Iterator[tuple[Declared[ProjectPipelineRuntime], frozenset[Resource]]]:
    """Yield the runtimes with hooks, and all that these ask for; hooks that are unknown ask for nothing."""
    present = resources_of(tenant)
    for declared in catalog.pipelines.values():
        hooks = declared.manifest.spec.hooks
        cluster = tenant.clusters.get(catalog.cluster_of(declared.manifest))
        component = cluster.manifest.spec.components_list.pipeline if cluster else None
        if hooks is None or component is None:
            continue
        known = kinds.get(component.name, {})
        used = (known[one.name] for one in (*hooks.pre_hooks, *hooks.post_hooks) if one.name in known)
        wanted = {resource for kind in used for resource in folders(kind, present).values()}
        if wanted:
            yield declared, frozenset(wanted)
