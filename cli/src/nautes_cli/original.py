"""Manifests of the original's command line, turned into manifests of the platform. Pure.

Their form is `cmd/types/types.go` and `examples/` of the original's command line, v0.4.2 (section 8 of the
specification): no `metadata`, the name in `spec.name`, the product in `spec.product` (a binding's owner in
`spec.productName`). Keys were matched in any case by its first releases, and what it did not know it ignored;
both still hold here, but every key that is ignored is told.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Union, get_args, get_origin

from nautes_domain.manifests import KINDS
from nautes_domain.schema import Part
from nautes_domain.source import Document, Path

_OWNER: Final[Mapping[str, str]] = {"CodeRepoBinding": "productName"}
"""Where the product that owns an entity stands, if not in `spec.product`."""
_OTHER_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "CodeRepo": {"projectPipelineRuntime": "pipelineRuntime"}
}
_SENT_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {"Cluster": ("kubeconfig", "vcluster")}
"""What was part of the original's request and is never part of a declaration."""
_REPLIED_ONLY: Final = frozenset({"sshUrlToRepo", "httpUrlToRepo", "parentID"})
"""Keys that the original writes and never needs; nobody has to be told of them."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A key that has no meaning here."""

    line: int
    key: str


@dataclass(frozen=True, slots=True)
class Translated:
    """A document in the platform's form, and what stood beside the declaration."""

    document: Document
    product: str
    """The product that owns the entity; empty if none is named."""
    beside: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Credentials and settings of the request, by their key in the manifest."""
    ignored: tuple[Ignored, ...] = ()


def is_original(document: Document) -> bool:
    """Say whether a document has the form of the original's command line."""
    return "metadata" not in document.value and isinstance(document.value.get("spec"), Mapping)


def translate(document: Document) -> Translated:
    """Return a document of the original in the platform's form. Its kind must be a known one."""
    kind = document.value["kind"]
    spec = dict(document.value["spec"])
    owner = spec.pop(_OWNER[kind], "") if kind in _OWNER else spec.get("product", "")
    beside = {key: spec.pop(key) for key in _SENT_BESIDE.get(kind, ()) if key in spec}
    named = _completed(kind, {_OTHER_NAMES.get(kind, {}).get(key, key): value for key, value in spec.items()})
    fitted = _Fitted(document)
    body = fitted.part(_spec_of(kind), named, ("spec",), ("spec",))
    value = {**document.value, "metadata": {"name": spec.get("name", "")}, "spec": body}
    lines: dict[Path, int] = {path: line for path, line in document.lines.items() if path[:1] != ("spec",)}
    lines |= {
        ("metadata", "name"): document.line_of(("spec", "name")),
        ("spec",): document.line_of(("spec",)),
    }
    lines |= fitted.lines
    found = Document(document.file, value, lines)
    return Translated(found, owner if isinstance(owner, str) else "", beside, tuple(fitted.ignored))


def _completed(kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a spec in the platform's shape where the original's differs in more than spelling."""
    changed = dict(spec)
    if kind != "Product":
        changed.pop("name", None)
    if kind == "ProjectPipelineRuntime":
        changed.pop("product", None)
    if kind == "CodeRepo":
        changed.setdefault("repoName", spec.get("name"))
    if kind == "Cluster":
        changed.setdefault("componentsList", {})
    destination = changed.get("destination")
    if kind == "DeploymentRuntime" and isinstance(destination, str):  # its releases before 0.4
        changed["destination"] = {"environment": destination}
    return changed


class _Fitted:
    """Fits values to the models: keys get their present spelling, unknown ones are put aside."""

    def __init__(self, document: Document) -> None:
        self.lines: dict[Path, int] = {}
        self.ignored: list[Ignored] = []
        self._document = document

    def part(self, model: type[Part], value: Mapping[str, Any], old: Path, new: Path) -> Mapping[str, Any]:
        """Return a mapping with the keys of a model."""
        fields = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
        spelled = {name.lower(): name for name in fields}
        found: dict[str, Any] = {}
        for key, one in value.items():
            name = key if key in fields else spelled.get(key.lower())
            if name is None:
                if key not in _REPLIED_ONLY:
                    self.ignored.append(
                        Ignored(self._document.line_of((*old, key)), ".".join(map(str, (*old, key))))
                    )
            elif one is not None and name not in found:
                found[name] = self._value(fields[name], one, (*old, key), (*new, name))
        return found

    def _value(self, annotation: Any, value: Any, old: Path, new: Path) -> Any:
        self.lines[new] = self._document.line_of(old)
        if isinstance(value, Mapping):
            model = _part_in(annotation)
            if model is not None and not _is_mapping(annotation):
                return self.part(model, value, old, new)
            inner = _inner(annotation)
            return {key: self._value(inner, one, (*old, key), (*new, key)) for key, one in value.items()}
        if isinstance(value, list):
            inner = _inner(annotation)
            return [self._value(inner, one, (*old, at), (*new, at)) for at, one in enumerate(value)]
        # Its YAML library wrote numbers into fields of text; `true` stays what it is.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number else value


def _spec_of(kind: str) -> type[Part]:
    annotation = KINDS[kind].model_fields["spec"].annotation
    assert isinstance(annotation, type)  # noqa: S101 - every kind has a model for its spec
    return annotation


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, or the annotation itself."""
    if get_origin(annotation) in {Union, types.UnionType}:
        for one in get_args(annotation):
            yield from _members(one)
    else:
        yield annotation


def _is_mapping(annotation: Any) -> bool:
    return any(
        isinstance(get_origin(one), type) and issubclass(get_origin(one), Mapping)
        for one in _members(annotation)
    )


def _part_in(annotation: Any) -> type[Part] | None:
    """Return the model that an annotation stands for, if it is one."""
    return next(
        (one for one in _members(annotation) if isinstance(one, type) and issubclass(one, Part)), None
    )


def _inner(annotation: Any) -> Any:
    """Return what a list or mapping holds."""
    for one in _members(annotation):
        arguments = [inner for inner in get_args(one) if inner is not Ellipsis]
        if get_origin(one) is not None and arguments:
            return arguments[-1]
    return Any
