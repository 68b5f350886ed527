"""Objects on their way through a folder: their names, and the changes that are made to them. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import jsonpatch
import jsonpointer

from nautes_domain import patterns
from nautes_domain.kustomize.refusing import refusal
from nautes_domain.source import Document, Path

KIND: Final = "PipelineRun"
GROUP: Final = "tekton.dev"
_STEERING: Final = ("config.kubernetes.io/", "internal.config.kubernetes.io/", "kustomize.config.k8s.io/")
"""Annotations that tell kustomize what to do with an object."""


MOST_OPERATIONS: Final = 200
MOST_BYTES: Final = 1024 * 1024
MOST_DEPTH: Final = 60


class Unfit(Exception):
    """A change does not fit the object; the text says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """By what an object is found; the namespace of none is `default`, as for kustomize."""

    version: str
    name: str
    namespace: str

    def texts(self) -> Mapping[str, str]:
        """Return what a target is held against."""
        return {
            "group": GROUP, "version": self.version, "kind": KIND, "name": self.name, "namespace": self.namespace,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Object:
    """A PipelineRun with the names that it has, and had."""

    value: Mapping[str, Any]
    before: tuple[Name, ...] = ()

    @property
    def name(self) -> Name:
        """The present name."""
        return name_of(self.value)

    @property
    def names(self) -> tuple[Name, ...]:
        """Present and former names."""
        return (*self.before, self.name)

    def changed(self, value: Mapping[str, Any]) -> "Object":
        """Return the object with another content; its former name stays known."""
        return Object(value, self.names)


def read(document: Document) -> Object:
    """Return an object of a resource file. Raises Rejected for what is no PipelineRun with a name."""
    value = document.value
    metadata = value.get("metadata")
    version = value.get("apiVersion")
    if value.get("kind") != KIND or not isinstance(version, str) or not version.startswith(f"{GROUP}/"):
        kind = str(value.get("kind"))[:60]
        fix = "commit what else is needed where additionalResources point, and name it in the run"
        message = f"{kind} is no {KIND}, and nothing else is created"
        raise refusal(document.file, message, fix, line=document.line_of(("kind",)), field="kind")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        line = document.line_of(("metadata",))
        raise refusal(
            document.file, "the object has no name", "write metadata.name", line=line, field="metadata.name"
        )
    if not isinstance(metadata.get("namespace") or "", str):
        line = document.line_of(("metadata", "namespace"))
        raise refusal(
            document.file, "the namespace is not text", "leave it out: the runtime's is used", line=line
        )
    notes = metadata.get("annotations")
    if any(str(key).startswith(_STEERING) for key in (notes if isinstance(notes, Mapping) else ())):
        message, line = (
            "annotations that steer kustomize are not followed",
            document.line_of(("metadata", "annotations")),
        )
        raise refusal(document.file, message, "remove them", line=line, field="metadata.annotations")
    return Object(value)


def name_of(value: Mapping[str, Any]) -> Name:
    """Return the name of a PipelineRun."""
    metadata = value["metadata"]
    return Name(
        value["apiVersion"].partition("/")[2], metadata["name"], metadata.get("namespace") or "default"
    )


def meant(target: Mapping[str, str], one: Object) -> bool:
    """Say whether a target means an object, by any of its names. Raises ValueError for what is no expression."""
    wanted = {key: expression for key, expression in target.items() if expression}
    return any(
        all(patterns.whole(expression, name.texts()[key]) for key, expression in wanted.items())
        for name in one.names
    )


def merged(target: Any, patch: Any, path: Path = ()) -> Any:
    """Return a value with a strategic merge patch laid over it: null removes, lists are replaced.

    Of kinds whose schema it does not know, as a PipelineRun, kustomize merges no lists. Raises Unfit where
    the two are of different sorts, and for directives.
    """
    if target is not None and _sort(target) is not _sort(patch):
        raise Unfit(f"{'.'.join(map(str, path)) or 'the patch'} is of another sort in the object")
    if not isinstance(patch, Mapping):
        return patch
    if any(key.startswith("$") for key in patch):
        raise Unfit("directives, as $patch, are not followed")
    result = dict(target or {})
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value, (*path, key))
    return result


def _sort(value: Any) -> type:
    return type(value) if isinstance(value, dict | list) else str


def operated(value: Mapping[str, Any], operations: list[Any]) -> Mapping[str, Any]:
    """Return an object after the operations of RFC 6902. Raises Unfit if one does not apply, or changes the name."""
    if len(operations) > MOST_OPERATIONS:
        raise Unfit(f"there are more than {MOST_OPERATIONS} operations")
    result = _unshared(value)
    for number, operation in enumerate(_unshared(operations)):
        try:
            _check(result, operation)
            result = jsonpatch.apply_patch(result, [operation], in_place=True)
        except (
            jsonpatch.JsonPatchException,
            jsonpointer.JsonPointerException,
            TypeError,
            KeyError,
            AttributeError,
        ):
            raise Unfit(f"operation {number} does not apply") from None  # fmt: skip
        if operation["op"] == "copy":  # copies of copies would double each time
            check_size(result)
    if _identity(result) != _identity(value):
        raise Unfit("operations change neither kind nor name nor namespace")
    return result  # type: ignore[no-any-return]


def check_size(value: Any) -> None:
    """Raise Unfit for a value that is too large or too deep to be written out."""
    left, waiting = MOST_BYTES, [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        parts = list(one.values()) if isinstance(one, Mapping) else one if isinstance(one, list) else []
        left -= 8 + (
            len(one) if isinstance(one, str) else sum(map(len, one)) if isinstance(one, Mapping) else 0
        )
        if left < 0 or depth > MOST_DEPTH:
            raise Unfit(
                f"what comes of it is larger than {MOST_BYTES} bytes, or deeper than {MOST_DEPTH} levels"
            )
        waiting.extend((part, depth + 1) for part in parts)


def _unshared(value: Any) -> Any:
    """Return a copy in which nothing stands in two places, as what an alias means does."""
    if isinstance(value, Mapping):
        return {key: _unshared(one) for key, one in value.items()}
    return [_unshared(one) for one in value] if isinstance(value, list) else value


def _check(value: Any, operation: Any) -> None:
    """Raise where jsonpatch is laxer than RFC 6902: it takes 1 for true and for 1.0."""
    if operation["op"] == "test":
        found = jsonpointer.resolve_pointer(value, operation["path"])
        if json.dumps(found, sort_keys=True) != json.dumps(operation["value"], sort_keys=True):
            raise KeyError


def _identity(value: Any) -> list[Any]:
    if not isinstance(value, Mapping) or not isinstance(value.get("metadata"), Mapping):
        return []
    return [
        value.get("apiVersion"),
        value.get("kind"),
        *(value["metadata"].get(key) for key in ("name", "namespace")),
    ]


def labelled(one: Object, field: str, entries: Mapping[str, str]) -> Object:
    """Return an object with labels or annotations, over those of the same key."""
    if not entries:
        return one
    metadata = one.value["metadata"]
    there = metadata.get(field) or {}
    if not isinstance(there, Mapping):
        raise Unfit(f"metadata.{field} is not a mapping")
    return replace(one, value={**one.value, "metadata": {**metadata, field: {**there, **entries}}})


def renamed(one: Object, **given: str) -> Object:
    """Return an object with another name or namespace."""
    return one.changed({**one.value, "metadata": {**one.value["metadata"], **given}})


def doubles(objects: tuple[Object, ...]) -> Iterator[str]:
    """Yield the names that two objects have."""
    seen: set[Name] = set()
    for one in objects:
        if one.name in seen:
            yield one.name.name
        seen.add(one.name)
