"""What may not change once it is there: rules B3, C12, D8, E5, L14. Pure. What did not change is never refused (D9)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from nautes_domain.catalog import Declared
from nautes_domain.failures import Violation
from nautes_domain.source import Path
from nautes_domain.validation.removals import users_of
from nautes_domain.validation.setting import ENVIRONMENT, Setting, TenantSetting

_FIXED: Final[Mapping[str, tuple[str, Path]]] = {
    "CodeRepoBinding": ("B3", ("spec", "codeRepo")),
    "DeploymentRuntime": ("D8", ENVIRONMENT),
    "ProjectPipelineRuntime": ("L14", ("spec", "project")),
}
"""The field of each kind that stays as it was first declared."""

_OF_CLUSTERS: Final = ("clusterKind", "clusterType", "usage", "hostCluster", "workerType")


def fixed(setting: Setting) -> Iterator[Violation]:
    """B3, D8, L14: what makes an entity another one does not change under its name."""
    before = {one.entity: one for one in setting.before.entities()} if setting.before else {}
    for declared in setting.catalog.entities():
        kind = declared.manifest.kind
        if kind in _FIXED and declared.entity in before:
            rule, path = _FIXED[kind]
            was, now = _value(before[declared.entity], path), _value(declared, path)
            if was != now:
                fix = f"write {was}; or remove it, push, and declare it anew"
                yield declared.violation(path, rule, f"was {was!r} and cannot change", fix)


def moved_environments(setting: Setting) -> Iterator[Violation]:
    """E5: an environment on which runtimes stand stays on its cluster."""
    if setting.before is None:
        return
    for name, environment in setting.catalog.environments.items():
        before = setting.before.environments.get(name)
        was = before.manifest.spec.cluster if before else environment.manifest.spec.cluster
        if environment.manifest.spec.cluster == was:
            continue
        users = [
            f"{one.entity} ({one.place})"
            for one in setting.catalog.runtimes()
            if one.manifest.spec.destination.environment == name
        ]
        if users:
            fix = f"write {was}; or remove these runtimes first, and push"
            message = f"was {was!r} and cannot change, since {', '.join(users)} stand there"
            yield environment.violation(("spec", "cluster"), "E5", message, fix)


def changed_clusters(setting: TenantSetting) -> Iterator[Violation]:
    """C12: a cluster that is used stays what it is."""
    before = setting.before.clusters if setting.before else {}
    for name, cluster in setting.catalog.clusters.items():
        if name not in before:
            continue
        changed = [one for one in _OF_CLUSTERS if _field(before[name], one) != _field(cluster, one)]
        users = users_of(setting, name) if changed else ()
        for field in changed if users else ():
            message = f"was {_field(before[name], field)!r} and cannot change while {', '.join(users)} use the cluster"
            fix = f"write {_field(before[name], field)}; or remove these first"
            yield cluster.violation(("spec", field), "C12", message, fix)


def _field(cluster: Declared[Any], field: str) -> str:
    spec = cluster.manifest.spec
    values = (spec.cluster_kind, spec.cluster_type, spec.usage, spec.host_cluster, spec.worker_type)
    return str(dict(zip(_OF_CLUSTERS, values, strict=True))[field])


def _value(declared: Declared[Any], path: Path) -> Any:
    """Return the text that stands at a path of the document."""
    value: Any = declared.document.value
    for part in path:
        value = value[part]
    return value
