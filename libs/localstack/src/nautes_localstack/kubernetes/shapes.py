"""The shape of objects as merging sees it: which lists are keyed, which maps are one value. Pure.

Follows structured-merge-diff, the library behind server-side apply ("schema.Schema"); the words in CRDs are
`x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Form = Literal["scalar", "map", "list", "any"]
Object = dict[str, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """One place in an object.

    A map knows its `fields` by name and has an `element` for any other key (None: no other key is allowed).
    `form` "any" takes its shape from the value: maps field by field, lists as one value.
    """

    form: Form
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    element: "Shape | None" = None
    atomic: bool = False
    keys: tuple[str, ...] = ()
    """Of a list: its items are told apart by these fields; none and not atomic: by their value."""
    always: bool = False
    """A structure that the server always writes, so that nobody owns its being there."""
    text: bool = False
    """A value that must be a string."""
    key_defaults: Mapping[str, Any] = field(default_factory=dict)
    """What a key is when an item does not state it."""

    def child(self, key: str) -> "Shape | None":
        """Return the shape under a key of a map; None if there can be none."""
        return self.fields.get(key) or self.element


SCALAR: Final = Shape("scalar")
TEXT: Final = Shape("scalar", text=True)
ANY: Final = Shape("any")
ATOM_LIST: Final = Shape("list", element=ANY, atomic=True)
ATOM_MAP: Final = Shape("map", element=ANY, atomic=True)
TEXT_MAP: Final = Shape("map", element=TEXT)
TEXT_SET: Final = Shape("list", element=TEXT)


def struct(scalars: str = "", /, **fields: Shape) -> Shape:
    """Return a structure of the server's own: scalar fields by names in one text, others by keyword."""
    return Shape("map", {**dict.fromkeys(scalars.split(), SCALAR), **fields}, always=True)


def pointer(shape: Shape) -> Shape:
    """Return the same structure, but one that may be absent."""
    return Shape(shape.form, shape.fields, shape.element, shape.atomic, shape.keys)


def keyed(item: Shape, *keys: str, **defaults: Any) -> Shape:
    """Return a list whose items are told apart by some of their fields, which may have defaults."""
    return Shape("list", element=item, keys=keys, key_defaults=defaults)


def atom(shape: Shape) -> Shape:
    """Return the same map or list as one value: it is replaced as a whole."""
    return Shape(shape.form, shape.fields, shape.element, atomic=True)


METADATA: Final = struct(
    "deletionGracePeriodSeconds generation",
    **dict.fromkeys(
        ("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink", "creationTimestamp", "deletionTimestamp"),
        TEXT,
    ),
    labels=TEXT_MAP,
    annotations=TEXT_MAP,
    finalizers=TEXT_SET,
    ownerReferences=keyed(atom(struct("apiVersion kind name uid controller blockOwnerDeletion")), "uid"),
    managedFields=ATOM_LIST,
)  # fmt: skip
"""ObjectMeta."""


def whole(**fields: Shape) -> Shape:
    """Return the shape of an object with these fields besides its kind and metadata."""
    return Shape("map", {"apiVersion": TEXT, "kind": TEXT, "metadata": METADATA, **fields}, always=True)


def of_schema(schema: Mapping[str, Any]) -> Shape:
    """Return the shape of a structural schema (Kubernetes, "CustomResourceDefinitions", structural schemas)."""
    kind = schema.get("type")
    open_ended = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if kind == "array":
        return _of_array(schema)
    if kind == "object" or "properties" in schema or "additionalProperties" in schema:
        return _of_object(schema, open_ended=open_ended)
    return ANY if open_ended or not kind else SCALAR


def of_crd(schema: Mapping[str, Any]) -> Shape:
    """Return the shape of a whole custom resource."""
    found = of_schema({"type": "object", **schema})
    fields = {**found.fields, "apiVersion": TEXT, "kind": TEXT, "metadata": METADATA}
    return Shape("map", fields, found.element, always=True)


def _of_object(schema: Mapping[str, Any], *, open_ended: bool) -> Shape:
    fields = {name: of_schema(one) for name, one in (schema.get("properties") or {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        fields |= {"apiVersion": TEXT, "kind": TEXT, "metadata": METADATA}
    more = schema.get("additionalProperties")
    element = of_schema(more) if isinstance(more, Mapping) else ANY if open_ended or more else None
    if not fields and element is None:
        # "type: object" alone takes nothing but an empty map.
        return Shape("map", atomic=schema.get("x-kubernetes-map-type") == "atomic")
    return Shape("map", fields, element, schema.get("x-kubernetes-map-type") == "atomic")


def _of_array(schema: Mapping[str, Any]) -> Shape:
    items = schema.get("items")
    element = of_schema(items) if isinstance(items, Mapping) else ANY
    match schema.get("x-kubernetes-list-type"):
        case "map":
            keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
            known = items.get("properties") or {} if isinstance(items, Mapping) else {}
            defaults = {key: known[key]["default"] for key in keys if "default" in known.get(key, {})}
            return Shape("list", element=element, keys=keys, key_defaults=defaults)
        case "set":
            return Shape("list", element=element)
        case _:
            return Shape("list", element=element, atomic=True)
