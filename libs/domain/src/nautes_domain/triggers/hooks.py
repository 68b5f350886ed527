"""The hooks of a run: what its runtime names, with the hooks that are installed and the values that they want."""

from collections.abc import Set as AbstractSet

from nautes_domain.failures import Rejected
from nautes_domain.hooks import PIPELINE_STATUS, RUN_NAME, HookKinds, PlacedHook, Resource, folders
from nautes_domain.manifests import Hook
from nautes_domain.triggers.runs import RunToStart


def placed(
    run: RunToStart, component: str, kinds: HookKinds, present: AbstractSet[Resource]
) -> tuple[PlacedHook, ...]:
    """Return the hooks of a run in their order, those before the pipeline first.

    `present` are the resources that the tenant has. Raises Rejected (code `no-such-hook`) for one that was declared
    while it was installed and is not any more.
    """
    named = ((run.hooks.pre_hooks, False), (run.hooks.post_hooks, True)) if run.hooks else ()
    return tuple(
        _placed(run, hook, component, kinds, present, after=after) for hooks, after in named for hook in hooks
    )


def _placed(
    run: RunToStart,
    hook: Hook,
    component: str,
    kinds: HookKinds,
    present: AbstractSet[Resource],
    *,
    after: bool,
) -> PlacedHook:
    kind = kinds.get(component, {}).get(hook.name)
    if kind is None:
        raise Rejected(
            f"{component} has no hook {hook.name!r} any more",
            what=f"ProjectPipelineRuntime/{run.considered.runtime}",
            who="platform team, or the owners of the runtime",
            next_step="install the wheel that brings it, or remove the hook from the runtime",
            code="no-such-hook",
        )
    known = {**run.values, RUN_NAME: run.request.name}
    values = {name: hook.vars.get(name, "") for name in kind.variables.get("properties", {})}
    values |= {name: known.get(name, "") for name in kind.wants if name != PIPELINE_STATUS}
    return PlacedHook(kind, hook.label, after, values, folders(kind, present), run.repository)
