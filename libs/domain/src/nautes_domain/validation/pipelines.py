"""What stands in a pipeline runtime: rules L3, L5 to L9, L11, A2, A11, A12. Pure."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

from nautes_domain.catalog import Declared
from nautes_domain.components import BUILDS_NO_FOLDERS, HOLDS_NOTHING
from nautes_domain.failures import Violation
from nautes_domain.manifests import ProjectPipelineRuntime
from nautes_domain.patterns import means_files
from nautes_domain.source import Path
from nautes_domain.validation.references import references
from nautes_domain.validation.repositories import provider_hosts
from nautes_domain.validation.setting import Setting

Runtime = Declared[ProjectPipelineRuntime]

BUILT_IN: Final = frozenset({
    "EventSourceCodeRepoName", "EventSourceCodeRepoURL", "ServiceAccount", "Namespace", "PipelineCodeRepoName",
    "PipelineCodeRepoURL", "PipelineRevision", "PipelineFilePath", "ProviderType", "CodeRepoProviderURL",
    "PipelineDashBoardURL", "PipelineLabel",
})  # fmt: skip
"""Variables of the platform (section 4.9 of the original, step 10)."""

_PARAMETER: Final = re.compile(r"/spec/params/(0|[1-9][0-9]*)/value(/[^/]+)*")

FROM_EVENT: Final = frozenset(
    {"ref", "commitID", "source_branch", "target_branch", "state", "labels", "title"}
)
"""Variables of an event (section 1.11 of the original)."""


def sources(setting: Setting) -> Iterator[Violation]:
    """A2: an event source is of exactly one sort."""
    for runtime in setting.catalog.pipelines.values():
        for index, source in enumerate(runtime.manifest.spec.event_sources):
            if (source.gitlab is None) == (source.calendar is None):
                message = "needs exactly one of gitlab and calendar"
                yield runtime.violation(("spec", "eventSources", index), "A2", message, "write one of them")


def rights(setting: Setting) -> Iterator[Violation]:
    """L11: the project may use every repository that its runtime names."""
    catalog = setting.catalog
    for runtime in catalog.pipelines.values():
        project = runtime.manifest.spec.project
        for one in references(runtime.manifest):
            known = one.kind == "CodeRepo" and one.name in catalog.repos and project in catalog.projects
            if known and not setting.may_use(project, one.name):
                fix = f"let the owner of {one.name} add a CodeRepoBinding for {project}"
                yield runtime.violation(one.path, "L11", f"project {project} may not use {one.name}", fix)


def uniqueness(setting: Setting) -> Iterator[Violation]:
    """L3, L6, L7: paths, names and triggers stand once; triggers name what is there."""
    for runtime in setting.catalog.pipelines.values():
        yield from _once(runtime)
        yield from _triggers(runtime)


def _once(runtime: Runtime) -> Iterator[Violation]:
    spec = runtime.manifest.spec
    groups: tuple[tuple[str, str, str, Iterable[Any]], ...] = (
        ("pipelines", "name", "L6", [one.name for one in spec.pipelines]),
        ("eventSources", "name", "L6", [one.name for one in spec.event_sources]),
        ("pipelineTriggers", "", "L7", [(t.event_source, t.pipeline, t.revision) for t in spec.pipeline_triggers]),
    )  # fmt: skip
    for key, part, rule, values in groups:
        seen: set[Any] = set()
        for index, value in enumerate(values):
            if value in seen:
                path: Path = ("spec", key, index, part) if part else ("spec", key, index)
                yield runtime.violation(path, rule, f"{value!r} stands here twice", "remove one of them")
            seen.add(value)
    files: list[str] = []
    for index, pipeline in enumerate(spec.pipelines):
        if means_files(pipeline.path) and pipeline.path.endswith("/"):
            message = f"{pipeline.path} is no one folder"
            fix = "name each folder without * and ?, or files: `ci/*.yaml`"
            yield runtime.violation(("spec", "pipelines", index, "path"), "L3", message, fix)
        twin = next((one for one in files if _overlap(one, pipeline.path)), None)
        if twin is not None:
            message = f"{pipeline.path} stands here twice: {twin} means it too"
            yield runtime.violation(("spec", "pipelines", index, "path"), "L3", message, "remove one of them")
        files.append(pipeline.path)


def _overlap(one: str, other: str) -> bool:
    """Say whether two paths are equal, or one is a pattern that means the other; `*` stays within a folder."""
    if one.count("/") != other.count("/"):
        return False
    pairs = zip(one.split("/"), other.split("/"), strict=True)
    return all(fnmatchcase(a, b) or fnmatchcase(b, a) for a, b in pairs)


def _triggers(runtime: Runtime) -> Iterator[Violation]:
    spec = runtime.manifest.spec
    sources = {one.name for one in spec.event_sources}
    pipelines = {one.name for one in spec.pipelines}
    for index, trigger in enumerate(spec.pipeline_triggers):
        named = (("eventSource", trigger.event_source, sources), ("pipeline", trigger.pipeline, pipelines))
        for field, name, known in named:
            if name not in known:
                message = f"{name!r} does not exist in this runtime"
                fix = f"write one of {', '.join(sorted(known))}"
                yield runtime.violation(("spec", "pipelineTriggers", index, field), "L7", message, fix)


def inputs(setting: Setting) -> Iterator[Violation]:
    """L8: an input is one variable that exists."""
    for runtime in setting.catalog.pipelines.values():
        for index, trigger in enumerate(runtime.manifest.spec.pipeline_triggers):
            for number, one in enumerate(trigger.inputs):
                path: Path = ("spec", "pipelineTriggers", index, "inputs", number, "source")
                given = (("builtInVar", one.source.built_in_var, BUILT_IN), ("fromEvent", one.source.from_event, FROM_EVENT))  # fmt: skip
                named = [(field, name, known) for field, name, known in given if name]
                if len(named) != 1:
                    message = "needs exactly one of builtInVar and fromEvent"
                    yield runtime.violation(path, "L8", message, "write one of them")
                for field, name, known in named:
                    if name not in known:
                        fix = f"write one of {', '.join(sorted(known))}"
                        message = f"there is no variable {name[:60]!r}"
                        yield runtime.violation((*path, field), "L8", message, fix)


def places(setting: Setting) -> Iterator[Violation]:
    """A11: what an event says becomes the value of a parameter and nothing else (security rule 10)."""
    for runtime in setting.catalog.pipelines.values():
        for index, trigger in enumerate(runtime.manifest.spec.pipeline_triggers):
            for number, one in enumerate(trigger.inputs):
                pointer = one.transmission_method.kustomization.path
                said = one.source.from_event or one.source.built_in_var == "PipelineRevision"
                if said and not _PARAMETER.fullmatch(pointer):
                    at: Path = ("spec", "pipelineTriggers", index, "inputs", number)
                    path = (*at, "transmissionMethod", "kustomization", "path")
                    message = (
                        f"{pointer[:60]} is no value of a parameter, and an event's words go nowhere else"
                    )
                    yield runtime.violation(path, "A11", message, "write `/spec/params/0/value`")


def abilities(setting: Setting) -> Iterator[Violation]:
    """A12: what a runtime asks for, its cluster's pipeline component can do."""
    for runtime in setting.catalog.pipelines.values():
        spec = runtime.manifest.spec
        cluster = setting.cluster_of(spec.destination.environment)
        component = cluster.manifest.spec.components_list.pipeline if cluster else None
        if component is None:  # L10 says so
            continue
        if spec.concurrency.limit is not None and component.name in HOLDS_NOTHING:
            fix = "leave it out; `resource_group` in the pipeline file limits jobs"
            message = f"{component.name} keeps no run waiting"
            yield runtime.violation(("spec", "concurrency", "limit"), "A12", message, fix)
        for index, pipeline in enumerate(spec.pipelines):
            if pipeline.path.endswith("/") and component.name in BUILDS_NO_FOLDERS:
                path: Path = ("spec", "pipelines", index, "path")
                yield runtime.violation(path, "A12", f"{component.name} builds no folders", "name a file")


def same_files(setting: Setting) -> Iterator[Violation]:
    """L5: no two runtimes start the same file of the same repository in the same place."""
    places: dict[tuple[str, str, str], list[tuple[str, Runtime]]] = {}
    for runtime in setting.catalog.pipelines.values():
        spec = runtime.manifest.spec
        place = (spec.pipeline_source, spec.destination.environment, runtime.manifest.namespace)
        taken = places.setdefault(place, [])
        for index, pipeline in enumerate(spec.pipelines):
            other = next(
                (one for path, one in taken if one is not runtime and _overlap(path, pipeline.path)), None
            )
            if other is not None:
                path: Path = ("spec", "pipelines", index, "path")
                message = f"{other.entity} starts {pipeline.path} in the same place"
                yield runtime.violation(path, "L5", message, "remove one of them")
        taken.extend((pipeline.path, runtime) for pipeline in spec.pipelines)


def additional(setting: Setting) -> Iterator[Violation]:
    """L9: further manifests come from a repository of the product, or from outside of the tenant."""
    hosts = provider_hosts(setting.tenant)
    for runtime in setting.catalog.pipelines.values():
        resources = runtime.manifest.spec.additional_resources
        git = resources.git if resources else None
        if git is None:
            continue
        path: Path = ("spec", "additionalResources", "git")
        if git.code_repo is None and not git.url:
            yield runtime.violation(path, "L9", "needs codeRepo or url", "write one of them")
        if any(f"{separator}{host}" in git.url for host in hosts for separator in "@/"):
            message = "the address is on the tenant's own code host, where rights are given by name"
            yield runtime.violation((*path, "url"), "L9", message, "write codeRepo instead")
