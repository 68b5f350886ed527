"""Hooks as tasks around those of a pipeline file. Pure.

Before them, hooks run one after the other and every task of the file waits for the last; one that fails ends the run
(Tekton Pipelines, docs/pipelines.md, "Using the runAfter field"). Those after them are `finally` tasks, which run
however the others ended and are told how by `$(tasks.status)` ("Using aggregate execution status of all tasks").
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from nautes_adapters.tekton.rules import Finding
from nautes_domain.hooks import (
    AUTHORITIES,
    AUTHORITIES_FILE,
    KEYS,
    KNOWN_HOSTS,
    PIPELINE_STATUS,
    PlacedHook,
    Resource,
    key_entries,
)

PREFIX: Final = "nautes-"
"""How our tasks and workspaces begin, and those of a file around which they are put do not."""
STATUS: Final = "$(tasks.status)"

RULE: Final = "hooks"


def told(hooks: Iterable[PlacedHook]) -> Mapping[str, str]:
    """Return all that hooks are given, for Tekton's own variables to be refused in it."""
    return {f"{hook.label}.{name}": value for hook in hooks for name, value in hook.values.items()}


def findings(document: Mapping[str, Any], hooks: Sequence[PlacedHook]) -> Iterator[Finding]:
    """Yield everything that keeps hooks from being put around a pipeline; what no hook needs is not asked."""
    spec = document.get("spec")
    if not hooks or not isinstance(spec, Mapping):
        return
    pipeline = spec.get("pipelineSpec")
    if not isinstance(pipeline, Mapping):
        message = (
            "hooks can be put around a pipeline that is written here, not around one that is referred to"
        )
        fix = "write the pipeline as spec.pipelineSpec, or remove spec.hooks of the runtime"
        yield Finding(("spec", "pipelineRef"), RULE, message, fix)
        return
    for field in ("tasks", "finally"):
        tasks = pipeline.get(field) or []
        if not isinstance(tasks, list) or not all(isinstance(one, Mapping) for one in tasks):
            yield Finding(("spec", "pipelineSpec", field), RULE, f"{field} is not a list of tasks")
            continue
        yield from _reserved(("spec", "pipelineSpec", field), tasks)
        for index, task in enumerate(tasks):
            if not isinstance(task.get("runAfter") or [], list):
                where = ("spec", "pipelineSpec", field, index, "runAfter")
                yield Finding(where, RULE, "runAfter is not a list of names")
    yield from _reserved(("spec", "pipelineSpec", "workspaces"), pipeline.get("workspaces") or [])
    yield from _reserved(("spec", "workspaces"), spec.get("workspaces") or [])


def _reserved(path: tuple[str | int, ...], entries: Any) -> Iterator[Finding]:
    if not isinstance(entries, list):
        yield Finding(path, RULE, f"{path[-1]} is not a list")
        return
    for index, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, str) and name.startswith(PREFIX):
            message = f"names that begin with {PREFIX} are those of hooks"
            yield Finding((*path, index, "name"), RULE, message, "give it another name")


def surrounded(spec: Mapping[str, Any], hooks: Sequence[PlacedHook]) -> dict[str, Any]:
    """Return the spec of a run with hooks around its pipeline; there are no `findings` about it."""
    if not hooks:
        return dict(spec)
    before, after = [one for one in hooks if not one.after], [one for one in hooks if one.after]
    pipeline = dict(spec["pipelineSpec"])
    pipeline["tasks"] = [*_chain(before), *_waiting(pipeline.get("tasks") or [], before)]
    if after:
        pipeline["finally"] = [*(pipeline.get("finally") or []), *(_task(one) for one in after)]
    bound = [binding for hook in hooks for binding in _bindings(hook)]
    if not bound:
        return {**spec, "pipelineSpec": pipeline}
    declared = [{"name": one["name"]} for one in bound]
    pipeline["workspaces"] = [*(pipeline.get("workspaces") or []), *declared]
    return {**spec, "pipelineSpec": pipeline, "workspaces": [*(spec.get("workspaces") or []), *bound]}


def needed(hooks: Iterable[PlacedHook]) -> AbstractSet[tuple[str, str, str]]:
    """Return kind, name and entry of everything that must be in the namespace before a run with hooks starts."""
    found: set[tuple[str, str, str]] = set()
    for hook in hooks:
        if Resource.SSH_KEY in hook.folders.values():
            entries = key_entries(hook.repository)
            found |= {("Secret", KEYS, entry) for entry in (entries.key, entries.url, KNOWN_HOSTS)}
        if Resource.CA_FILE in hook.folders.values():
            found.add(("ConfigMap", AUTHORITIES, AUTHORITIES_FILE))
    return found


def task_name(hook: PlacedHook) -> str:
    """Return the name of a hook's task: at most 52 characters."""
    return f"{PREFIX}{'post' if hook.after else 'pre'}-{hook.label}"


def _chain(hooks: Sequence[PlacedHook]) -> Iterator[dict[str, Any]]:
    previous: list[str] = []
    for hook in hooks:
        yield {**_task(hook), **({"runAfter": previous} if previous else {})}
        previous = [task_name(hook)]


def _waiting(tasks: Iterable[Mapping[str, Any]], before: Sequence[PlacedHook]) -> Iterator[Mapping[str, Any]]:
    """Yield the file's tasks, each that waits for no other by name waiting for the last hook."""
    for task in tasks:
        yield {**task, "runAfter": [task_name(before[-1])]} if before and not task.get("runAfter") else task


def _task(hook: PlacedHook) -> dict[str, Any]:
    names, folders = hook.kind.parameters, hook.kind.resources
    optional = folders.keys() - hook.folders.keys()
    body = {
        **_plain(hook.kind.task),
        "params": [{"name": name, "type": "string", "default": ""} for name in names],
        **({"workspaces": [_folder(name, optional=name in optional) for name in folders]} if folders else {}),
    }
    given = {name: _literal(value) for name, value in hook.values.items()}
    if PIPELINE_STATUS in names:
        given[PIPELINE_STATUS] = STATUS if hook.after else ""
    return {
        "name": task_name(hook),
        "params": [{"name": name, "value": given[name]} for name in names],
        **(
            {"workspaces": [{"name": one, "workspace": _workspace(hook, one)} for one in hook.folders]}
            if hook.folders
            else {}
        ),
        "taskSpec": body,
    }


def _literal(value: str) -> str:
    """Return a text of which a container's environment makes that text (Kubernetes, "Dependent environment variables")."""
    return value.replace("$", "$$")


def _folder(name: str, *, optional: bool) -> dict[str, Any]:
    return {"name": name, "optional": True} if optional else {"name": name}


def _workspace(hook: PlacedHook, name: str) -> str:
    """Return the name of a hook's folder among the pipeline's; injective, since a number holds no hyphen."""
    return f"{task_name(hook)}-{list(hook.kind.resources).index(name)}"


def _bindings(hook: PlacedHook) -> Iterator[dict[str, Any]]:
    for name, resource in hook.folders.items():
        yield {"name": _workspace(hook, name), **_volume(resource, hook.repository)}


def _volume(resource: Resource, repository: str) -> dict[str, Any]:
    match resource:
        case Resource.CA_FILE:
            items = [{"key": AUTHORITIES_FILE, "path": AUTHORITIES_FILE}]
            return {"configMap": {"name": AUTHORITIES, "items": items}}
        case Resource.SSH_KEY:
            entries = key_entries(repository)
            files = {entries.key: "ssh-privatekey", entries.url: "url", KNOWN_HOSTS: KNOWN_HOSTS}
            items = [{"key": key, "path": path} for key, path in files.items()]
            return {"secret": {"secretName": KEYS, "items": items}}
        case _:
            return {"emptyDir": {}}


def _plain(value: Any) -> Any:
    """Return what can be written as JSON and shares nothing with the hook."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
