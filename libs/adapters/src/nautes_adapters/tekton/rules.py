"""What Tekton's admission webhook would refuse in a PipelineRun, and what we refuse. Pure; all at once.

The schema of the custom resource does not cover these (tektoncd/pipeline, `pipelinerun_validation.go` and
`workspace_validation.go`); found here, they come with file and line.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from nautes_domain.failures import Violation
from nautes_domain.source import Document, Path

API_VERSION: Final = "tekton.dev/v1"
KIND: Final = "PipelineRun"

_SPEC = frozenset(
    {
        "managedBy",
        "params",
        "pipelineRef",
        "pipelineSpec",
        "status",
        "taskRunSpecs",
        "taskRunTemplate",
        "timeouts",
        "workspaces",
    }
)
_MOVED: Final[Mapping[str, str]] = {
    "serviceAccountName": "remove it; the runtime's account is used",
    "podTemplate": "move it to spec.taskRunTemplate.podTemplate",
    "timeout": "move it to spec.timeouts.pipeline",
    "resources": "remove it; use workspaces and params",
    "bundle": "use a bundles resolver in spec.pipelineRef",
}
_STATES: Final = frozenset(
    {"", "Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunPending"}
)
_VOLUMES: Final = frozenset(
    {"persistentVolumeClaim", "volumeClaimTemplate", "emptyDir", "configMap", "secret", "projected", "csi"}
)
_RESULT = re.compile(r"\$\((tasks|finally)\.[^)]*\bresults\b")
_VARIABLE = re.compile(
    r"\$\((params|tasks|finally|context|workspaces|results|steps|step|inputs|outputs)\b[.\[]"
)
_UNIT: Final[Mapping[str, float]] = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_TERM = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(0|({_TERM.pattern})+)\Z")


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at a path of the document."""

    path: Path
    rule: str
    message: str
    fix: str = ""


def violations(
    document: Document, params: Mapping[str, str], further: Iterable[Finding] = ()
) -> tuple[Violation, ...]:
    """Return everything that keeps the document from being one run; `params` is what the event adds, `further` what else was found."""
    name = str((_mapping(document.value.get("metadata"))).get("name") or "")
    kind = str(document.value.get("kind") or "document")[:80]
    return tuple(
        Violation(
            document.file,
            document.line_of(found.path),
            kind,
            name[:80],
            ".".join(str(part) for part in found.path),
            found.rule,
            found.message,
            found.fix,
        )
        for found in (*_findings(document.value, params), *further)
    )


def _findings(value: Mapping[str, Any], params: Mapping[str, str]) -> Iterator[Finding]:
    wrong_kind = list(_identity(value))
    yield from wrong_kind
    if wrong_kind:
        return
    yield from _metadata(value.get("metadata"))
    yield from _event(params)
    spec = value.get("spec")
    if not isinstance(spec, Mapping):
        yield Finding(("spec",), "tekton-spec", "the run has no spec")
        return
    rules: tuple[Callable[[Mapping[str, Any]], Iterator[Finding]], ...] = (
        _fields, _pipeline, _params, _workspaces, _timeouts, _task_runs,
    )  # fmt: skip
    for rule in rules:
        yield from rule(spec)
    yield from _declared(spec, params)


def _identity(value: Mapping[str, Any]) -> Iterator[Finding]:
    if value.get("kind") != KIND:
        yield Finding(
            ("kind",), "pipeline-run", "a pipeline file holds one PipelineRun and nothing else",
            "write kind: PipelineRun",
        )  # fmt: skip
        return
    if value.get("apiVersion") != API_VERSION:
        fix = f"write apiVersion: {API_VERSION}"
        if value.get("apiVersion") == "tekton.dev/v1beta1":
            fix += (
                "; move serviceAccountName and podTemplate to taskRunTemplate, timeout to timeouts.pipeline"
            )
        yield Finding(("apiVersion",), "pipeline-run", f"only {API_VERSION} is run", fix)
    for key in value.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}:
        yield Finding((key,), "unknown-field", f"{key[:80]} is not a field of a PipelineRun", "remove it")


def _metadata(metadata: Any) -> Iterator[Finding]:
    if metadata is not None and not isinstance(metadata, Mapping):
        yield Finding(("metadata",), "metadata", "metadata is not a mapping")
        return
    for field in ("labels", "annotations"):
        entries = (metadata or {}).get(field)
        if entries is None:
            continue
        if not isinstance(entries, Mapping) or not all(isinstance(one, str) for one in entries.values()):
            yield Finding(("metadata", field), "metadata", f"{field} map text to text", "quote the values")


def _event(params: Mapping[str, str]) -> Iterator[Finding]:
    """Refuse event data that Tekton would expand: it knows no way to write such text literally."""
    for name in sorted(params):
        if _VARIABLE.search(params[name]):
            yield Finding(
                ("spec", "params"), "event-data", f"the event's {name} holds a Tekton variable reference",
                "rename the branch or tag",
            )  # fmt: skip


def _fields(spec: Mapping[str, Any]) -> Iterator[Finding]:
    for key in sorted(spec.keys() - _SPEC):
        fix = _MOVED.get(key, "remove it")
        yield Finding(("spec", key), "unknown-field", f"{API_VERSION} has no field spec.{key[:80]}", fix)
    state = spec.get("status")
    if state is not None and (not isinstance(state, str) or state not in _STATES):
        yield Finding(("spec", "status"), "tekton-status", "no such state", "remove spec.status")
    if spec.get("managedBy") not in {None, "tekton.dev/pipeline"}:
        yield Finding(
            ("spec", "managedBy"), "tekton-managed-by", "nobody would run it", "remove spec.managedBy"
        )


def _pipeline(spec: Mapping[str, Any]) -> Iterator[Finding]:
    given = [key for key in ("pipelineRef", "pipelineSpec") if spec.get(key) is not None]
    if len(given) != 1:
        word = "neither" if not given else "both"
        yield Finding(
            ("spec", *given[1:]), "tekton-pipeline", f"{word} of pipelineRef and pipelineSpec are given",
            "give exactly one of them",
        )  # fmt: skip
    for key in given:
        if not isinstance(spec[key], Mapping):
            yield Finding(("spec", key), "tekton-pipeline", f"{key} is not a mapping")


def _params(spec: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _named(spec, "params")
    for index, param in _items(spec, "params"):
        path = ("spec", "params", index, "value")
        if "value" not in param:
            yield Finding(path, "tekton-params", "the parameter has no value")
        elif any(_RESULT.search(text) for text in _texts(param["value"])):
            yield Finding(path, "tekton-params", "results of tasks do not exist yet when a run starts")


def _workspaces(spec: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _named(spec, "workspaces")
    for index, workspace in _items(spec, "workspaces"):
        given = [key for key in sorted(_VOLUMES) if workspace.get(key) is not None]
        if len(given) != 1:
            message = f"it is bound to {' and '.join(given) or 'nothing'}"
            yield Finding(
                ("spec", "workspaces", index), "tekton-workspaces", message, "bind it to exactly one volume"
            )


def _timeouts(spec: Mapping[str, Any]) -> Iterator[Finding]:
    timeouts = spec.get("timeouts")
    if timeouts is None:
        return
    if not isinstance(timeouts, Mapping):
        yield Finding(("spec", "timeouts"), "tekton-timeouts", "timeouts is not a mapping")
        return
    length: dict[str, timedelta] = {}
    for key in ("pipeline", "tasks", "finally"):
        if timeouts.get(key) is None:
            continue
        parsed = duration(timeouts[key])
        if parsed is None or parsed < timedelta(0):
            message = "not a duration of zero or more"
            yield Finding(("spec", "timeouts", key), "tekton-timeouts", message, "write it as 1h30m")
        else:
            length[key] = parsed
    whole = length.get("pipeline", timedelta(0))
    if not whole:
        return  # No limit, or the cluster's own, which is not known here.
    parts = [key for key in ("tasks", "finally") if key in length]
    for key in parts:
        if not length[key]:
            message = "it has no limit although the pipeline has one"
            yield Finding(("spec", "timeouts", key), "tekton-timeouts", message, "give it a limit")
    if sum((length[key] for key in parts), timedelta(0)) > whole:
        message = f"{' + '.join(parts)} is longer than the pipeline"
        yield Finding(("spec", "timeouts"), "tekton-timeouts", message, "raise timeouts.pipeline")


def _task_runs(spec: Mapping[str, Any]) -> Iterator[Finding]:
    template = spec.get("taskRunTemplate")
    if template is not None and not isinstance(template, Mapping):
        yield Finding(("spec", "taskRunTemplate"), "tekton-spec", "taskRunTemplate is not a mapping")
    tasks = spec.get("taskRunSpecs")
    if tasks is not None and not (isinstance(tasks, list) and all(isinstance(one, Mapping) for one in tasks)):
        yield Finding(("spec", "taskRunSpecs"), "tekton-spec", "taskRunSpecs is not a list of mappings")


def _declared(spec: Mapping[str, Any], params: Mapping[str, str]) -> Iterator[Finding]:
    """Refuse event data for a parameter that an inline pipeline declares as anything but text."""
    pipeline = _mapping(spec.get("pipelineSpec"))
    for index, param in _items(pipeline, "params"):
        name, kind = param.get("name"), param.get("type", "string")
        if name in params and kind != "string":
            yield Finding(
                ("spec", "pipelineSpec", "params", index),
                "event-data",
                f"the event gives text for {name}, which is declared as {str(kind)[:20]}",
                "declare it as string",
            )


def _named(spec: Mapping[str, Any], field: str) -> Iterator[Finding]:
    """Check a list of things with unique names."""
    entries = spec.get(field)
    if entries is None:
        return
    if not isinstance(entries, list):
        yield Finding(("spec", field), f"tekton-{field}", f"{field} is not a list")
        return
    seen: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name:
            yield Finding(("spec", field, index), f"tekton-{field}", "it has no name")
            continue
        seen[name] += 1
        if seen[name] == 2:
            message = f"{name[:80]!r} stands twice in {field}"
            yield Finding(("spec", field, index), f"tekton-{field}", message, "remove one of them")


def _items(spec: Mapping[str, Any], field: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    entries = spec.get(field)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping):
            yield index, entry


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def duration(text: Any) -> timedelta | None:
    """Return a Go duration such as `1h30m`, None if it is not one (Go, package time, ParseDuration)."""
    if not isinstance(text, str) or len(text) > 40 or not _DURATION.match(text):
        return None
    seconds = sum(float(number) * _UNIT[unit] for number, unit in _TERM.findall(text))
    try:
        return timedelta(seconds=-seconds if text.startswith("-") else seconds)
    except OverflowError:
        return None
