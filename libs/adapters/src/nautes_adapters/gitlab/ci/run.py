"""A request for a pipeline, and what it says of itself afterwards: its variables. Pure.

Source: GitLab API, "Create a new pipeline" and "Get pipeline variables"; GitLab, "Use CI/CD variables", on `$`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Rejected, Violation, pipeline_file_rejected
from nautes_domain.runs import TRACEPARENT
from nautes_domain.source import Document, parse

RUN: Final = "NAUTES_RUN"
"""Variable with the name of the run: by it a pipeline is found again."""
MARKS: Final = "NAUTES_MARKS"
"""Variable with labels and annotations, a JSON object."""
TRACE: Final = "TRACEPARENT"
FILE: Final = "NAUTES_PIPELINE_FILE"
"""Variable for a `.gitlab-ci.yml` that says no more than `include: [{local: $NAUTES_PIPELINE_FILE}]`."""

KEYWORDS: Final = frozenset(
    {"after_script", "before_script", "cache", "default", "image", "include", "services", "spec", "stages", "variables"}
    | {"workflow"}
)  # fmt: skip
"""Words of a configuration that name no job (GitLab, "CI/CD YAML syntax reference", global keywords)."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")
_POINTER: Final = re.compile(r"/variables/([A-Za-z_][A-Za-z0-9_]*)(?:/value)?\Z")
_OURS: Final = re.compile(r"(CI|GITLAB|NAUTES)_|TRACEPARENT\Z", re.IGNORECASE)
"""Variables that mean something to GitLab or to us; an event sets none of them."""


def build(request: RunRequest, source: bytes, *, file: str, cluster: str) -> Mapping[str, Any]:
    """Return the pipeline to ask for: project, ref, the commit that must be at its head, and variables by name.

    Raises Rejected with every violation of the file that shows without GitLab: it holds jobs, and no Kubernetes
    object. What GitLab alone can judge, as what is included, is judged when it makes the pipeline.
    """
    if request.held:
        raise Rejected(
            "GitLab CI holds no pipelines back",
            what=f"pipeline file {file}",
            who="owners of the runtime",
            next_step="leave `concurrency.limit` out, and use `resource_group` in the pipeline file",
            code="cannot-hold",
        )
    if request.hooks:
        raise Rejected(
            "GitLab CI takes no hooks",
            what=f"pipeline file {file}",
            who="owners of the runtime",
            next_step="remove `spec.hooks`, and write such jobs into the pipeline file with stages `.pre` and `.post`",
            code="no-hooks",
        )
    document = _only(parse(source, file), file)
    found = [*_findings(document), *_names(document, request.params), *_unplaced(document, request)]
    if found:
        raise pipeline_file_rejected(file, found)
    marks = {
        "namespace": request.namespace,
        "account": request.account,
        "labels": dict(request.labels),
        "annotations": dict(request.annotations),
    }
    return {
        "project_id": request.origin.project_id,
        "ref": request.origin.revision,
        "sha": request.origin.commit,
        "variables": {
            **{name: value.replace("$", "$$") for name, value in _given(request).items()},
            RUN: request.name,
            MARKS: json.dumps(marks, sort_keys=True).replace("$", "\\u0024"),
            FILE: request.origin.path,
            "NAUTES_CLUSTER": cluster,
            "NAUTES_NAMESPACE": request.namespace,
            "NAUTES_ACCOUNT": request.account,
        },
    }


def body(run: Mapping[str, Any], traceparent: str) -> dict[str, Any]:
    """Return what GitLab is sent. The trace context is no part of the run's content."""
    variables = {**run["variables"], **({TRACE: traceparent} if traceparent else {})}
    return {
        "ref": run["ref"],
        "variables": [{"key": key, "value": value} for key, value in sorted(variables.items())],
    }


def marks_of(variables: Mapping[str, str]) -> tuple[str, str, Mapping[str, str], Mapping[str, str]] | None:
    """Return name, namespace, labels and annotations from the variables of a pipeline; None if it is none of ours."""
    try:
        marks = json.loads(variables[MARKS])
        name, namespace = variables[RUN], str(marks["namespace"])
        labels, notes = (
            {str(key): str(value) for key, value in marks[field].items()}
            for field in ("labels", "annotations")
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return name, namespace, labels, {**notes, **_traced(variables)}


def _traced(variables: Mapping[str, str]) -> Mapping[str, str]:
    return {TRACEPARENT: variables[TRACE]} if variables.get(TRACE) else {}


def _only(documents: tuple[Document, ...], file: str) -> Document:
    """Return the configuration: the only document, or the last one behind a header with `spec`."""
    found = [one for one in documents if set(one.value) != {"spec"}]
    if len(found) == 1:
        return found[0]
    line = found[1].line_of() if found else 1
    message = f"the file holds {len(found)} documents; a pipeline file holds one configuration of GitLab CI"
    raise pipeline_file_rejected(
        file, [Violation(file, line, "file", "", "", "gitlab-ci", message, "keep exactly one")]
    )


def _findings(document: Document) -> Iterator[Violation]:
    value = document.value
    jobs = {name: body for name, body in value.items() if name not in KEYWORDS and not name.startswith(".")}
    if "apiVersion" in value or isinstance(value.get("kind"), str):
        yield _violation(document, "kind", "this is a Kubernetes object and no configuration of GitLab CI")
        return
    if not jobs and "include" not in value:
        yield _violation(document, "", "the file has no job", "add a job with a `script`")
    for name, job in jobs.items():
        if not isinstance(job, Mapping):
            yield _violation(document, name, f"the job {name[:80]} is not a mapping")
        elif not {"script", "run", "trigger", "extends"} & job.keys():
            yield _violation(document, name, f"the job {name[:80]} has nothing to do", "give it a `script`")


def _names(document: Document, params: Mapping[str, str]) -> Iterator[Violation]:
    for name in sorted(params):
        if not _NAME.match(name) or _OURS.match(name):
            message = f"the event's variable {name[:80]!r} cannot be handed to GitLab CI"
            fix = "use letters, digits and _, and no name beginning with CI_, GITLAB_ or NAUTES_"
            yield _violation(document, "", message, fix)


def _given(request: RunRequest) -> Mapping[str, str]:
    """Return every variable that an event or a trigger gives a value."""
    inputs = {_input(pointer): value for pointer, value in request.inputs.items()}
    return {**request.params, **inputs}


def _input(pointer: str) -> str:
    """Return the variable that a pointer into the file means, empty if it means none."""
    found = _POINTER.match(pointer)
    return found[1] if found and not _OURS.match(found[1]) else ""


def _unplaced(document: Document, request: RunRequest) -> Iterator[Violation]:
    """Yield every input that is no variable of the file: GitLab reads the file itself, so nothing else can change."""
    declared = document.value.get("variables")
    for pointer in request.inputs:
        name = _input(pointer)
        if not name or not isinstance(declared, Mapping) or name not in declared:
            message = f"no variable of the file stands at {pointer[:80]}"
            fix = "point to `/variables/NAME`, and declare NAME among the file's `variables`"
            line = document.line_of(("variables",))
            yield Violation(document.file, line, "GitLab CI", "", pointer[:80], "input", message, fix)


def _violation(
    document: Document, field: str, message: str, fix: str = "write a GitLab CI file"
) -> Violation:
    line = document.line_of((field,)) if field else 1
    return Violation(document.file, line, "GitLab CI", "", field[:80], "gitlab-ci", message, fix)
