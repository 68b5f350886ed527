"""Hooks of pipeline runtimes: rule L13. Pure; which hooks are installed is an argument."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nautes_domain.catalog import Declared, TenantCatalog
from nautes_domain.failures import Violation
from nautes_domain.hooks import HookKind, Resource, folders
from nautes_domain.manifests import Hook, Hooks, ProjectPipelineRuntime
from nautes_domain.names import is_label
from nautes_domain.source import Path
from nautes_domain.validation.setting import Setting

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Runtime = Declared[ProjectPipelineRuntime]

LONGEST_LABEL: Final = 40
"""Characters of an alias: with the rest of its name, a task's name stays a label."""


def resources_of(tenant: TenantCatalog) -> frozenset[Resource]:
    """Return what hooks may find beside them: what the tenant declares, and what needs nothing."""
    declared = {
        Resource.CA_FILE: tenant.certificate_authorities,
        Resource.SSH_KEY: tenant.ssh_known_hosts,
    }
    return frozenset({Resource.EMPTY, *(resource for resource, text in declared.items() if text)})


Listed = tuple[Path, Hook, bool]
"""Where a hook stands, the hook, and whether it stands after the pipeline."""


def hooks(setting: Setting) -> Iterator[Violation]:
    """L13: hooks are known to the cluster's pipeline component, fit where they stand, and have what they need."""
    for runtime in setting.catalog.pipelines.values():
        if runtime.manifest.spec.hooks is None:
            continue
        listed = tuple(_listed(runtime.manifest.spec.hooks))
        yield from _labels(runtime, listed)
        cluster = setting.cluster_of(runtime.manifest.spec.destination.environment)
        component = cluster.manifest.spec.components_list.pipeline if cluster else None
        if component is None:  # L10 says so
            continue
        known = setting.hooks.get(component.name, {})
        for path, hook, after in listed:
            kind = known.get(hook.name)
            if kind is None:
                fix = f"write one of {', '.join(sorted(known))}" if known else "remove it"
                message = f"{component.name} knows no hook {hook.name[:60]!r}"
                yield runtime.violation((*path, "name"), "L13", message, fix)
                continue
            yield from _place(runtime, path, kind, after=after)
            yield from _needs(runtime, path, kind, setting.tenant)
            yield from _variables(runtime, path, kind, hook)


def _listed(hooks: Hooks) -> Iterator[Listed]:
    for field, found in (("preHooks", hooks.pre_hooks), ("postHooks", hooks.post_hooks)):
        for index, hook in enumerate(found):
            yield ("spec", "hooks", field, index), hook, field == "postHooks"


def _labels(runtime: Runtime, listed: tuple[Listed, ...]) -> Iterator[Violation]:
    seen: set[str] = set()
    for path, hook, _ in listed:
        where = (*path, "alias" if hook.alias else "name")
        if hook.label in seen:
            message = f"{hook.label[:60]!r} names another hook already"
            yield runtime.violation(where, "L13", message, "give each an alias of its own")
        elif hook.alias and not (is_label(hook.alias) and len(hook.alias) <= LONGEST_LABEL):
            fix = f"use 1 to {LONGEST_LABEL} lower-case letters, digits and inner hyphens"
            yield runtime.violation(where, "L13", "the alias is not a name", fix)
        seen.add(hook.label)


def _place(runtime: Runtime, path: Path, kind: HookKind, *, after: bool) -> Iterator[Violation]:
    if not (kind.is_post_hook if after else kind.is_pre_hook):
        other = "preHooks" if after else "postHooks"
        message = f"{kind.name} does not stand {'after' if after else 'before'} a pipeline"
        yield runtime.violation((*path, "name"), "L13", message, f"move it to {other}")
    for index, source in enumerate(runtime.manifest.spec.event_sources):
        sort = "gitlab" if source.gitlab else "calendar"
        if sort not in kind.event_source_types:
            message = f"{kind.name} does not serve event source {index} ({sort}) of the runtime"
            fix = "remove the hook, or use a runtime of its own for these events"
            yield runtime.violation((*path, "name"), "L13", message, fix)


def _needs(runtime: Runtime, path: Path, kind: HookKind, tenant: TenantCatalog) -> Iterator[Violation]:
    lacking = {
        Resource.ACCESS_TOKEN: ("an access token, and the platform issues none", "use a hook that reads with a key"),
        Resource.CA_FILE: ("the tenant's certificate authorities, and none are declared", "ask the tenant's administrators to declare spec.certificateAuthorities of the Tenant"),
        Resource.SSH_KEY: ("the code host's SSH keys to know it by, and none are declared", "ask the tenant's administrators to declare spec.sshKnownHosts of the Tenant"),
    }  # fmt: skip
    present = resources_of(tenant)
    for resource in sorted(set(folders(kind, present).values()) & lacking.keys() - present):
        what, fix = lacking[resource]
        yield runtime.violation((*path, "name"), "L13", f"{kind.name} needs {what}", fix)


def _variables(runtime: Runtime, path: Path, kind: HookKind, hook: Hook) -> Iterator[Violation]:
    fix = f"see `nautes hooks show {kind.name}`"
    errors = _validator(kind).iter_errors(dict(hook.vars))
    found = ((tuple(error.absolute_path), error.message) for error in errors)
    for place, message in sorted(found, key=repr):
        yield runtime.violation((*path, "vars", *place), "L13", message[:300], fix)
    for name, value in sorted(hook.vars.items()):
        if "$(" in value:
            message = "`$(` would be replaced, and hooks are given text as it is"
            yield runtime.violation((*path, "vars", name), "L13", message, "leave it out")


def _validator(kind: HookKind) -> "Validator":
    """Return what validates variables of a hook; nothing is ever fetched for it."""
    import jsonschema  # noqa: PLC0415 - slow to import, and few runtimes have hooks
    from referencing.jsonschema import EMPTY_REGISTRY  # noqa: PLC0415

    return jsonschema.Draft202012Validator(dict(kind.variables), registry=EMPTY_REGISTRY)
