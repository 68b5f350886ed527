"""All resources that are served: the built-in ones and those of CustomResourceDefinitions. Pure, but for its memory."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nautes_localstack.kubernetes import schema
from nautes_localstack.kubernetes.errors import REQUIRED, Cause
from nautes_localstack.kubernetes.kinds import BUILT_IN, CUSTOM_VERBS, METADATA_FIELDS, Custom, Resource
from nautes_localstack.kubernetes.shapes import Object, of_crd

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Place = tuple[str, str, str]
"""Group, version and plural."""

_MESSAGES: Final = {
    "NamesAccepted": "no conflicts found",
    "Established": "the initial names have been accepted",
}
_REASONS: Final = {"NamesAccepted": "NoConflicts", "Established": "InitialNamesAccepted"}


class Registry:
    """What there is now."""

    def __init__(self) -> None:
        self._resources: dict[Place, Resource] = {
            (one.group, one.version, one.plural): one for one in BUILT_IN
        }
        self._validators: dict[Place, Validator] = {}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def get(self, group: str, version: str, plural: str) -> Resource | None:
        """Return a resource as one version shows it."""
        return self._resources.get((group, version, plural))

    def stored(self, qualified: str) -> Resource:
        """Return the resource of stored objects, in its first version. Raises KeyError."""
        for one in self._resources.values():
            if one.qualified == qualified:
                return one
        raise KeyError(qualified)

    def versions(self, group: str) -> list[str]:
        """Return the versions of a group, best first."""
        return list(dict.fromkeys(one.version for one in self._resources.values() if one.group == group))

    def groups(self) -> list[str]:
        """Return the named groups: built-in ones first."""
        return [one for one in dict.fromkeys(one.group for one in self._resources.values()) if one]

    def define(self, definition: Object) -> None:
        """Serve what a definition says, instead of what it said before."""
        self.forget(definition["metadata"]["name"])
        for one in resources_of(definition):
            self._resources[one.group, one.version, one.plural] = one

    def forget(self, definition: str) -> None:
        """Stop serving what a definition said."""
        for place, one in list(self._resources.items()):
            if one.custom is not None and one.custom.definition == definition:
                del self._resources[place]
                self._validators.pop(place, None)

    def validator(self, resource: Resource) -> "Validator":
        """Return the rules of a custom resource."""
        place = (resource.group, resource.version, resource.plural)
        if place not in self._validators and resource.custom is not None:
            self._validators[place] = schema.validator(resource.custom.schema)
        return self._validators[place]


def resources_of(definition: Object) -> list[Resource]:
    """Return a resource per served version, best version first."""
    spec = definition["spec"]
    served = [one for one in spec["versions"] if one.get("served")]
    return [_resource(definition["metadata"]["name"], spec, one) for one in sorted(served, key=_rank)]


def _resource(name: str, spec: Mapping[str, Any], version: Mapping[str, Any]) -> Resource:
    names = spec["names"]
    rules = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        shape=of_crd(rules),
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or names["kind"] + "List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        verbs=CUSTOM_VERBS,
        has_status="status" in (version.get("subresources") or {}),
        generation=True,
        selectable=METADATA_FIELDS
        + tuple(one["jsonPath"].lstrip(".") for one in version.get("selectableFields") or ()),
        custom=Custom(rules, name, tuple(version.get("additionalPrinterColumns") or ())),
    )


def _rank(version: Mapping[str, Any]) -> tuple[int, int, int]:
    """Order versions as Kubernetes does: v2 before v1 before v1beta2 before v1alpha1."""
    text = str(version["name"]).removeprefix("v")
    for level, word in enumerate(("alpha", "beta")):
        if word in text:
            major, _, minor = text.partition(word)
            return (1 - level + 1, -_number(major), -_number(minor))
    return (0, -_number(text), 0)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def default_definition(definition: Object) -> None:
    """Fill in what a definition leaves open, in place."""
    spec = definition.setdefault("spec", {})
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(names.get("kind"), str):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", names["kind"] + "List")
    spec.setdefault("conversion", {"strategy": "None"})
    if spec.get("preserveUnknownFields") is False:
        # The default is not written (apiextensions/v1, `omitempty`).
        del spec["preserveUnknownFields"]


def violations(definition: Object) -> list[Cause]:
    """Return what keeps a definition from being served."""
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    found = [
        Cause(f"spec.{key}", "Required value", REQUIRED) for key in ("group", "scope") if not spec.get(key)
    ]
    found += [
        Cause(f"spec.names.{key}", "Required value", REQUIRED)
        for key in ("plural", "kind")
        if not names.get(key)
    ]
    name = definition["metadata"]["name"]
    if not found and name != f"{names['plural']}.{spec['group']}":
        text = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        found.append(Cause("metadata.name", text))
    versions = [one for one in spec.get("versions") or () if isinstance(one, Mapping)]
    if sum(bool(one.get("storage")) for one in versions) != 1:
        text = "Invalid value: must have exactly one version marked as storage version"
        found.append(Cause("spec.versions", text))
    for index, one in enumerate(versions):
        rules = (one.get("schema") or {}).get("openAPIV3Schema")
        if not isinstance(rules, Mapping):
            place = f"spec.versions[{index}].schema.openAPIV3Schema"
            found.append(Cause(place, "Required value: schemas are required", REQUIRED))
    return found


def established(definition: Object, now: str) -> Object:
    """Return the status of a definition that is served."""
    conditions = [
        {
            "type": kind,
            "status": "True",
            "lastTransitionTime": now,
            "reason": _REASONS[kind],
            "message": _MESSAGES[kind],
        }
        for kind in ("NamesAccepted", "Established")
    ]
    before = definition.get("status") or {}
    stored = before.get("storedVersions") or storage_versions(definition)
    return {"conditions": conditions, "acceptedNames": definition["spec"]["names"], "storedVersions": stored}


def storage_versions(definition: Object) -> list[str]:
    """Return the versions in which objects are stored."""
    return [one["name"] for one in definition["spec"].get("versions") or () if one.get("storage")]
