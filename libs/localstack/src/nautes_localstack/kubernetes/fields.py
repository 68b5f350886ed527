"""Sets of fields: what an object holds, what changed between two, how two merge. Pure.

A field is a path of elements as FieldsV1 writes them: `f:name` of a map, `k:{"name":"x"}` of a keyed list,
`v:"x"` of a set. Follows structured-merge-diff v6, `typed/{tofieldset,compare,merge,remove}.go`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nautes_localstack.kubernetes.shapes import ANY, SCALAR, Shape

Path = tuple[str, ...]
Paths = set[Path]
_ABSENT: Final = object()


class Undeclared(Exception):
    """A field that the shape does not know; the text is what a real server says."""


@dataclass
class Comparison:
    """Fields that differ between two objects."""

    added: Paths = field(default_factory=set)
    modified: Paths = field(default_factory=set)
    removed: Paths = field(default_factory=set)

    @property
    def written(self) -> Paths:
        """Fields that the newer object sets anew."""
        return self.added | self.modified


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the set as FieldsV1: a tree in which `.` marks a member that has members below it."""
    tree: dict[str, Any] = {}
    members = sorted(paths)
    for path in members:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    _tidy(tree)
    tree.pop(".", None)
    return tree


def _tidy(tree: dict[str, Any]) -> None:
    for key, node in tree.items():
        if key == ".":
            continue
        _tidy(node)
        if len(node) == 1 and "." in node:
            node.clear()


def decode(tree: Mapping[str, Any], prefix: Path = ()) -> Paths:
    """Return the set that FieldsV1 stands for."""
    found: Paths = set()
    for key, node in tree.items():
        if key == ".":
            found.add(prefix)
        elif not node:
            found.add((*prefix, key))
        else:
            found |= decode(node, (*prefix, key))
    return found


def display(path: Path) -> str:
    """Return a path as messages write it: `.data.a`, `.items[name="x"].v`."""
    return "".join(_shown(element) for element in path)


def _shown(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "k":
        return "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()) + "]"
    return f".{rest}" if kind == "f" else f"[={rest}]" if kind == "v" else f"[{rest}]"


def element_of(item: Any, shape: Shape) -> str:
    """Return the path element of an item of a list that is not atomic."""
    if shape.keys and isinstance(item, Mapping):
        stated = {**shape.key_defaults, **item}
        keys = {key: stated[key] for key in shape.keys if key in stated}
        return "k:" + json.dumps(keys, separators=(",", ":"), sort_keys=True)
    return "v:" + json.dumps(item, separators=(",", ":"), sort_keys=True)


def form_of(value: Any, shape: Shape) -> str:
    """Return how to look at a value: `map` and `list` are entered, `leaf` is one value."""
    if shape.atomic:
        return "leaf"
    if isinstance(value, Mapping) and shape.form in ("map", "any"):
        return "map"
    if isinstance(value, list) and shape.form == "list":
        return "list"
    return "leaf"


def below(shape: Shape, key: str) -> Shape:
    """Return the shape of a field that a value has, whether the shape knows it or not."""
    return ANY if shape.form == "any" else shape.child(key) or ANY


def of_value(value: Any, shape: Shape, path: Path = ()) -> Paths:
    """Return the fields that a value states, as its applier owns them."""
    found: Paths = set()
    form = form_of(value, shape)
    if form == "map":
        for key, child in value.items():
            place = (*path, f"f:{key}")
            found |= of_value(child, below(shape, key), place)
            if child is None or child == {} or key not in shape.fields:
                found.add(place)
    elif form == "list":
        for item in value:
            place = (*path, element_of(item, shape))
            found |= of_value(item, shape.element or ANY, place)
            found.add(place)
    else:
        found.add(path)
    return found


def check(value: Any, shape: Shape, path: Path = ()) -> None:
    """Raise Undeclared at the first field that the shape does not know."""
    if shape.form == "any":
        return
    if shape.form == "map" and isinstance(value, Mapping):
        for key, child in value.items():
            place = (*path, f"f:{key}")
            known = shape.child(key)
            if known is None:
                raise Undeclared(f"{display(place)}: field not declared in schema")
            check(child, known, place)
    elif shape.form == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            keyed = not shape.atomic and isinstance(item, Mapping) and shape.keys
            place = (*path, element_of(item, shape) if keyed else f"i:{index}")
            check(item, shape.element or ANY, place)


def compare(old: Any, new: Any, shape: Shape) -> Comparison:
    """Return which fields were added, modified and removed. None stands for an absent object."""
    found = Comparison()
    _compare(_ABSENT if old is None else old, _ABSENT if new is None else new, shape, (), found)
    return found


def _compare(old: Any, new: Any, shape: Shape, path: Path, found: Comparison) -> None:
    if old is not _ABSENT and old == new:
        return
    old_form = form_of(old, shape) if old is not _ABSENT else ""
    new_form = form_of(new, shape) if new is not _ABSENT else ""
    form = new_form or old_form
    if form == "leaf" or (old_form and new_form and old_form != new_form) or not (old or new):
        _leaf(old, new, path, found)
        return
    befores, afters = _children(old, shape, form), _children(new, shape, form)
    if not befores and not afters:
        if not shape.always:
            _leaf(old, new, path, found)
        return
    for element in {**befores, **afters}:
        inner = below(shape, element[2:]) if form == "map" else shape.element or ANY
        before, after = befores.get(element, _ABSENT), afters.get(element, _ABSENT)
        _compare(before, after, inner, (*path, element), found)
    if not shape.always and path:
        if old is _ABSENT:
            found.added.add(path)
        elif new is _ABSENT:
            found.removed.add(path)


def _leaf(old: Any, new: Any, path: Path, found: Comparison) -> None:
    if old is _ABSENT:
        found.added.add(path)
    elif new is _ABSENT:
        found.removed.add(path)
    else:
        found.modified.add(path)


def _children(value: Any, shape: Shape, form: str) -> dict[str, Any]:
    if form == "map":
        return {f"f:{key}": child for key, child in value.items()} if isinstance(value, Mapping) else {}
    if not isinstance(value, list):
        return {}
    return {element_of(item, shape): item for item in value}


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """Return the live value with the applied one laid over it."""
    form = form_of(config, shape)
    if form == "map" and isinstance(live, Mapping):
        merged = dict(live)
        for key, child in config.items():
            merged[key] = merge(live[key], child, below(shape, key)) if key in live else child
        return merged
    if form == "list" and isinstance(live, list):
        return _merge_lists(live, config, shape)
    return config


def _merge_lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Keep the order of the applied items, and those of others in front of what they stood in front of."""
    theirs = [(element_of(item, shape), item) for item in live]
    ours = {element_of(item, shape): item for item in config}
    values = dict(theirs)
    merged: dict[str, Any] = {}
    rest = iter(ours)
    for element, item in theirs:
        if element not in ours:
            merged[element] = item
            continue
        while element not in merged:
            following = next(rest)
            merged[following] = _merged_item(values, ours, following, shape)
    for element in rest:
        merged[element] = _merged_item(values, ours, element, shape)
    return list(merged.values())


def _merged_item(values: Mapping[str, Any], ours: Mapping[str, Any], element: str, shape: Shape) -> Any:
    if element not in values:
        return ours[element]
    return merge(values[element], ours[element], shape.element or SCALAR)


def remove(value: Any, paths: Iterable[Path], shape: Shape) -> Any:
    """Return the value without these fields and all that is below them."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _remove(value, tree, shape)


def _remove(value: Any, tree: Mapping[str, Any], shape: Shape) -> Any:
    form = form_of(value, shape)
    if form == "leaf" or not tree:
        return value
    kept = []
    for element, child in _children(value, shape, form).items():
        node = tree.get(element)
        if node is not None and "." in node:
            continue
        inner = below(shape, element[2:]) if form == "map" else shape.element or ANY
        kept.append((element, _remove(child, node, inner) if node else child))
    return {element[2:]: child for element, child in kept} if form == "map" else [child for _, child in kept]


def with_parents(paths: Iterable[Path], shape: Shape) -> Paths:
    """Return the set with every declared field that has members below it (`EnsureNamedFieldsAreMembers`)."""
    found = set(paths)
    for path in list(found):
        place: Path = ()
        inner = shape
        for element in path[:-1]:
            place = (*place, element)
            if element.startswith("f:"):
                if inner.form == "map" and element[2:] in inner.fields:
                    found.add(place)
                inner = below(inner, element[2:])
            else:
                inner = inner.element or ANY
    return found
