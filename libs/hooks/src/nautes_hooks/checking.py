"""What is wrong with a hook: said when it is found, so that no run ever meets it. Pure.

The task is held to one rule above all: what people wrote and events said reaches a step through its environment and
never stands in a script, a command or an argument, where a shell would read it (security rule 10).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema

from nautes_domain.hooks import PIPELINE_STATUS, RUN_VARIABLES, TAKERS, HookKind
from nautes_domain.names import is_label
from nautes_domain.validation.hooks import LONGEST_LABEL
from nautes_domain.validation.pipelines import BUILT_IN, FROM_EVENT

EVENT_SOURCES: Final = frozenset({"gitlab", "calendar"})
TASK: Final = frozenset({"steps", "stepTemplate", "volumes"})
"""What a task may say by itself; parameters and workspaces follow from the rest."""

_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}\Z")
_REFERENCE: Final = re.compile(
    r"\$\((?:params|tasks|finally|context|workspaces|results|steps|step|inputs|outputs)\b[^)]*\)?"
)
"""A variable of Tekton (Tekton Pipelines, docs/variables.md)."""


def faults(kind: HookKind) -> Iterator[str]:
    """Yield everything that is wrong with a hook, in words for who wrote it."""
    yield from _description(kind)
    wrong = list(_schema(kind.variables))
    yield from wrong
    if not wrong:
        yield from _parameters(kind)
    yield from _folders(kind)
    yield from _task(kind)


def _description(kind: HookKind) -> Iterator[str]:
    if not (is_label(kind.name) and len(kind.name) <= LONGEST_LABEL):
        yield f"its name is not 1 to {LONGEST_LABEL} lower-case letters, digits and inner hyphens"
    if kind.component not in TAKERS:
        yield f"{kind.component!r} takes no hooks; there is {', '.join(sorted(TAKERS))}"
    if not kind.description.strip():
        yield "it does not say what it does"
    if not (kind.is_pre_hook or kind.is_post_hook):
        yield "it stands neither before nor after a pipeline"
    if not kind.event_source_types or not kind.event_source_types <= EVENT_SOURCES:
        yield f"it serves some of {', '.join(sorted(EVENT_SOURCES))}, and nothing else"


def _schema(schema: Mapping[str, Any]) -> Iterator[str]:
    try:
        jsonschema.Draft202012Validator.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        yield f"the schema of its variables is none: {error.message}"[:300]
        return
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        yield "the schema of its variables needs `type: object` and `additionalProperties: false`"
    for name, one in schema.get("properties", {}).items():
        if not isinstance(one, Mapping) or one.get("type") != "string":
            yield f"its variable {name} is not of type string: manifests hold text"
    if any("$ref" in one or "$dynamicRef" in one for one in _mappings(schema)):
        yield "the schema of its variables refers to another"


def _parameters(kind: HookKind) -> Iterator[str]:
    for name in kind.parameters:
        if not _PARAMETER.match(name):
            yield f"{name[:80]!r} cannot be the name of a parameter"
    known = BUILT_IN | FROM_EVENT | RUN_VARIABLES
    unknown = sorted(set(kind.wants) - known)
    if unknown:
        yield f"there is no variable {', '.join(unknown)}; there are {', '.join(sorted(known))}"
    twice = sorted({name for name in kind.parameters if kind.parameters.count(name) > 1})
    if twice:
        yield f"{', '.join(twice)} means two things"
    if PIPELINE_STATUS in kind.wants and not kind.is_post_hook:
        yield f"it wants {PIPELINE_STATUS}, which nobody knows before a pipeline"


def _folders(kind: HookKind) -> Iterator[str]:
    for name in kind.resources:
        if not is_label(name):
            yield f"{name[:80]!r} cannot be the name of a folder"
    strange = sorted(kind.optional - kind.resources.keys())
    if strange:
        yield f"{', '.join(strange)} may be missing and is not asked for"


def _task(kind: HookKind) -> Iterator[str]:
    for key in sorted(kind.task.keys() - TASK):
        yield f"its task says {key}; it may say {', '.join(sorted(TASK))}"
    steps = kind.task.get("steps")
    if not isinstance(steps, list | tuple) or not steps or not all(isinstance(one, Mapping) for one in steps):
        yield "its task has no steps"
        return
    for index, step in enumerate(steps):
        if not step.get("image"):
            yield f"step {index} has no image"
    known = {f"$(params.{name})" for name in kind.parameters}
    known |= {f"$(workspaces.{name}.path)" for name in kind.resources}
    for place, text in _texts(kind.task, ()):
        found = set(_REFERENCE.findall(text))
        if found and not _is_environment(place):
            where = ".".join(str(part) for part in place)
            yield f"{where} holds {', '.join(sorted(found))}: values reach a step through `env` only"
        elif not found <= known:
            yield f"{', '.join(sorted(found - known))} is nothing that it asks for"


def _is_environment(place: tuple[str | int, ...]) -> bool:
    """Say whether a place is the value of an environment variable: `steps.0.env.2.value`, `stepTemplate.env.0.value`."""
    match place:
        case ("steps", int(), "env", int(), "value") | ("stepTemplate", "env", int(), "value"):
            return True
        case _:
            return False


def _texts(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*place, key))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _texts(one, (*place, index))


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from _mappings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _mappings(one)
