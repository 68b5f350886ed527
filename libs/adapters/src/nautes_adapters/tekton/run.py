"""A run object from a pipeline file: what people wrote, with name, place, account and labels forced. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from nautes_adapters.tekton import hooks
from nautes_adapters.tekton.rules import API_VERSION, KIND, violations
from nautes_adapters.tekton.status import PENDING
from nautes_domain import pointers
from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Violation, pipeline_file_rejected
from nautes_domain.runs import TRACEPARENT
from nautes_domain.source import Document, parse

SPAN_CONTEXT: Final = "tekton.dev/pipelinerunSpanContext"
"""A JSON object with the headers of W3C Trace Context."""

_RESERVED: Final = ("nautes.io/", "tekton.dev/", "kubernetes.io/", "k8s.io/", "argocd.argoproj.io/")
"""Labels and annotations that mean something to the platform; those of a file are left out."""


def build(request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
    """Return the run. Raises Rejected (code `pipeline-file`) with every violation of the file.

    Whether it waits is said by the request and not by the file. Kept of the metadata are labels and annotations
    outside the platform's own prefixes. Inputs take their places first; what is judged is the file with them.
    Event data becomes `spec.params`, in place of a parameter of the same name. Hooks stand around the file's tasks.
    """
    document = _only(parse(source, file), file)
    lost = _unplaced(document, request)
    written = _copy(document.value) if lost else pointers.replaced(_copy(document.value), request.inputs)
    said = {**request.params, **request.inputs, **hooks.told(request.hooks)}
    found = (
        *lost,
        *violations(replace(document, value=written), said, hooks.findings(written, request.hooks)),
    )
    if found:
        raise pipeline_file_rejected(file, found)
    metadata, spec = written.get("metadata") or {}, written["spec"]
    spec = hooks.surrounded({key: value for key, value in spec.items() if key != "status"}, request.hooks)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": request.name,
            "namespace": request.namespace,
            "labels": {**_kept(metadata.get("labels")), **request.labels},
            "annotations": {**_kept(metadata.get("annotations")), **request.annotations},
        },
        "spec": {
            **spec,
            "params": _with_event(spec.get("params") or [], request.params),
            "taskRunTemplate": {
                **(spec.get("taskRunTemplate") or {}),
                "serviceAccountName": request.account,
            },
            **_task_runs(spec),
            **({"status": PENDING} if request.held else {}),
        },
    }


def traced(run: Mapping[str, Any], traceparent: str) -> Mapping[str, Any]:
    """Return the run with the trace context that its spans go on with; unchanged if there is none.

    Tekton's annotation is read by Tekton since v0.44 if it is told to trace (Tekton `pkg/reconciler/pipelinerun/tracing.go`);
    later versions know `deliveryTraceparent` too and prefer this one (Tekton documentation, "Tracing setup").
    """
    if not traceparent:
        return run
    carrier = json.dumps({"traceparent": traceparent})
    metadata = run["metadata"]
    annotations = {**metadata["annotations"], SPAN_CONTEXT: carrier, TRACEPARENT: traceparent}
    return {**run, "metadata": {**metadata, "annotations": annotations}}


def _only(documents: tuple[Document, ...], file: str) -> Document:
    if len(documents) == 1:
        return documents[0]
    line = documents[1].line_of() if documents else 1
    message = f"the file holds {len(documents)} documents; a pipeline file holds one PipelineRun"
    violation = Violation(file, line, KIND, "", "", "pipeline-run", message, "keep exactly one")
    raise pipeline_file_rejected(file, (violation,))


def _unplaced(document: Document, request: RunRequest) -> tuple[Violation, ...]:
    """Return a violation for every input that the file has no place for."""
    fix = "add the parameter to the file, or mend the trigger's inputs"
    name = str((document.value.get("metadata") or {}).get("name") or "")[:80]
    return tuple(
        Violation(
            document.file,
            document.line_of(),
            KIND,
            name,
            pointer,
            "input",
            f"nothing stands at {pointer}",
            fix,
        )
        for pointer in pointers.missing(document.value, request.inputs)
    )


def _kept(entries: Mapping[str, str] | None) -> dict[str, str]:
    """Return the labels or annotations that people may set: no prefix of the platform, nor a subdomain of one."""
    return {key: value for key, value in (entries or {}).items() if not _is_reserved(key)}


def _is_reserved(key: str) -> bool:
    prefix, slash, _ = key.rpartition("/")
    return bool(slash) and any(f".{prefix}/".endswith(f".{one}") for one in _RESERVED)


def _with_event(params: list[dict[str, Any]], event: Mapping[str, str]) -> list[dict[str, Any]]:
    written = {param["name"] for param in params}
    replaced = [
        {**param, "value": event[param["name"]]} if param["name"] in event else param for param in params
    ]
    return replaced + [{"name": name, "value": event[name]} for name in sorted(event.keys() - written)]


def _task_runs(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of single tasks without accounts of their own."""
    if not spec.get("taskRunSpecs"):
        return {}
    kept = [
        {key: value for key, value in one.items() if key != "serviceAccountName"}
        for one in spec["taskRunSpecs"]
    ]
    return {"taskRunSpecs": kept}


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_copy(one) for one in value]
    return value
