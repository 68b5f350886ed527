"""Where runtimes stand: rules D4, D5, D6, L10, L12, A3, A5. Pure."""

from collections.abc import Iterator
from typing import Any

from nautes_domain import names
from nautes_domain.catalog import Declared
from nautes_domain.failures import Violation
from nautes_domain.manifests import DeploymentRuntime, ProjectPipelineRuntime
from nautes_domain.validation.setting import ENVIRONMENT, Setting, places, space_path


def worker_types(setting: Setting) -> Iterator[Violation]:
    """D4, L10: a runtime stands on a worker of its own kind."""
    for runtime in setting.catalog.runtimes():
        pipeline = isinstance(runtime.manifest, ProjectPipelineRuntime)
        rule, worker_type = ("L10", "pipeline") if pipeline else ("D4", "deployment")
        environment = runtime.manifest.spec.destination.environment
        cluster = setting.cluster_of(environment)
        if cluster is None:
            continue
        spec = cluster.manifest.spec
        if spec.usage != "worker" or spec.worker_type != worker_type:
            message = f"environment {environment} is not on a {worker_type} worker"
            fix = f"name an environment on a {worker_type} worker"
            yield runtime.violation(ENVIRONMENT, rule, message, fix)
        elif pipeline and spec.components_list.pipeline is None:
            fix = "ask the tenant's administrators to add one"
            yield runtime.violation(ENVIRONMENT, rule, "its cluster has no pipeline component", fix)


def namespaces(setting: Setting) -> Iterator[Violation]:
    """D5, D6, L12 and A3: nobody's namespace is taken, and no reserved one."""
    holders: dict[tuple[str, str], Declared[Any]] = {}
    product = setting.catalog.product
    for runtime, place in places(setting.catalog):
        pipeline = isinstance(runtime.manifest, ProjectPipelineRuntime)
        path = space_path(runtime.manifest)
        _, namespace = place
        if _reserved(setting, *place):
            message = f"namespace {namespace} is reserved"
            yield runtime.violation(path, "L12" if pipeline else "D5", message, "choose another")
        elif setting.claims.get(place, product) != product:
            message = f"namespace {namespace} is taken on this cluster"
            yield runtime.violation(path, "L12" if pipeline else "D6", message, "choose another")
        first = holders.setdefault(place, runtime)
        both_deploy = isinstance(first.manifest, DeploymentRuntime) and not pipeline
        if first is not runtime and not both_deploy:
            message = f"namespace {namespace} is used by {first.entity} already"
            yield runtime.violation(path, "L12", message, "choose another")


def _reserved(setting: Setting, cluster_name: str, namespace: str) -> bool:
    """Say whether a namespace is the cluster's, the platform's or the tenant's, and not lent to the product."""
    cluster = setting.tenant.clusters.get(cluster_name)
    components = cluster.manifest.spec.components_list.namespaces() if cluster else frozenset()
    lent = cluster.manifest.spec.reserved_namespaces_allowed_products if cluster else {}
    kept = components | setting.tenant.reserved_namespaces
    if not names.is_reserved_namespace(namespace) and namespace not in kept:
        return False
    return setting.catalog.product not in lent.get(namespace, ())


def isolation(setting: Setting) -> Iterator[Violation]:
    """A5: an exclusive pipeline runtime has its environment to itself.

    So it has its cluster to itself as far as the product goes (E3), and its namespace and account with it (D4, L10, L12).
    """
    together: dict[str, list[Declared[ProjectPipelineRuntime]]] = {}
    for runtime in setting.catalog.pipelines.values():
        together.setdefault(runtime.manifest.spec.destination.environment, []).append(runtime)
    for environment, runtimes in together.items():
        for runtime in runtimes:
            other = next((one for one in runtimes[:2] if one is not runtime), None)
            if runtime.manifest.spec.isolation == "exclusive" and other is not None:
                message = f"is exclusive, but {other.entity} runs in environment {environment} too"
                fix = "write shared, or give one of them another environment"
                yield runtime.violation(("spec", "isolation"), "A5", message, fix)
