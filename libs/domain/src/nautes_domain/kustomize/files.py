"""What a kustomization file says, as far as it is understood. Pure.

Source of fields: kustomize v5, `api/types/kustomization.go`; the file's names: `api/internal/loader`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from nautes_domain.kustomize.refusing import refusal, refusal_at
from nautes_domain.source import Document, Path, parse

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")

MOST_ENTRIES: Final = 100

_HEAD: Final = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_KNOWN: Final = frozenset(
    {"metadata", "resources", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels"}
    | {"commonAnnotations", "patches", *_HEAD}
)
_OLD: Final = {
    "bases": "resources",
    "patchesJson6902": "patches",
    "patchesStrategicMerge": "patches",
    "vars": "the trigger's inputs",
}
_TARGET: Final = ("group", "version", "kind", "name", "namespace")


@dataclass(frozen=True, slots=True)
class Patch:
    """One change: of the object that it names itself, or of all that `target` means. `path` and `text` are apart."""

    place: Path
    path: str = ""
    text: str = ""
    target: Mapping[str, str] | None = None
    """Regular expressions, each of the whole text."""


@dataclass(frozen=True, slots=True)
class Kustomization:
    """The file of one folder."""

    document: Document
    resources: tuple[str, ...]
    patches: tuple[Patch, ...]
    prefix: str
    suffix: str
    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def read(text: bytes, file: str) -> Kustomization:
    """Return what a kustomization file says. Raises Rejected for whatever is not understood."""
    documents = parse(text, file)
    if len(documents) != 1:
        message = f"the file holds {len(documents)} documents; a kustomization file holds one"
        raise refusal(file, message, "keep exactly one")
    document = documents[0]
    _check_fields(document)
    labels: dict[str, str] = {}
    for index, entry in enumerate(_items(document, ("labels",))):
        labels |= _pairs(document, ("labels", index), entry)
    resources = (
        _text(document, ("resources", i), one) for i, one in enumerate(_items(document, ("resources",)))
    )
    prefix, suffix, namespace = (
        _text(document, (key,), document.value.get(key) or "")
        for key in ("namePrefix", "nameSuffix", "namespace")
    )
    return Kustomization(
        document=document,
        resources=tuple(resources),
        patches=tuple(
            _patch(document, index, one) for index, one in enumerate(_items(document, ("patches",)))
        ),
        prefix=prefix,
        suffix=suffix,
        namespace=namespace,
        labels=labels | _texts(document, ("commonLabels",), document.value.get("commonLabels")),
        annotations=_texts(document, ("commonAnnotations",), document.value.get("commonAnnotations")),
    )


def _check_fields(document: Document) -> None:
    for key, expected in _HEAD.items():
        if document.value.get(key, expected) != expected:
            raise refusal_at(document, (key,), f"{key} is not {expected}", f"write `{key}: {expected}`")
    for key in document.value:
        if key not in _KNOWN:
            fix = f"use {_OLD[key]}" if key in _OLD else "build it outside, and commit what comes of it"
            raise refusal_at(document, (key,), f"{key[:60]!r} is not built here", fix)


def _items(document: Document, path: tuple[str]) -> list[Any]:
    found = document.value.get(path[0]) or []
    if not isinstance(found, list):
        raise refusal_at(document, path, f"{path[0]} is not a list", "write a list")
    if len(found) > MOST_ENTRIES:
        raise refusal_at(document, path, f"{path[0]} has more than {MOST_ENTRIES} entries", "write fewer")
    return found


def _text(document: Document, path: Path, value: Any) -> str:
    if not isinstance(value, str):
        raise refusal_at(document, path, "this is not text", "put it in quotes")
    return value


def _texts(document: Document, path: Path, value: Any) -> dict[str, str]:
    if not isinstance(value or {}, Mapping):
        raise refusal_at(document, path, "this is not a mapping", "write keys and texts")
    return {key: _text(document, (*path, key), one) for key, one in (value or {}).items()}


def _entry(document: Document, path: Path, value: Any, known: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refusal_at(document, path, "this is not a mapping", "write fields")
    for key in value:
        if key not in known:
            fix = f"write only {', '.join(sorted(known))}"
            raise refusal_at(document, (*path, key), f"{key[:60]!r} is not built here", fix)
    return value


def _pairs(document: Document, path: Path, value: Any) -> dict[str, str]:
    # Selectors and templates are fields of other kinds than PipelineRun: for it the two flags change nothing.
    entry = _entry(document, path, value, frozenset({"pairs", "includeSelectors", "includeTemplates"}))
    return _texts(document, (*path, "pairs"), entry.get("pairs"))


def _patch(document: Document, index: int, value: Any) -> Patch:
    place: Path = ("patches", index)
    entry = _entry(document, place, value, frozenset({"path", "patch", "target"}))
    path, text = (_text(document, (*place, key), entry.get(key) or "") for key in ("path", "patch"))
    if bool(path) == bool(text):
        raise refusal_at(document, place, "needs exactly one of path and patch", "write one of them")
    target = entry.get("target")
    if target is not None:
        _entry(document, (*place, "target"), target, frozenset(_TARGET))
        target = _texts(document, (*place, "target"), target)
    return Patch(place, path, text, target)
