"""Environments: rules E2, E3. Pure."""

from collections import Counter
from collections.abc import Iterator

from nautes_domain.failures import Violation
from nautes_domain.validation.setting import Setting


def environments(setting: Setting) -> Iterator[Violation]:
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
