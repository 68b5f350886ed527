"""JSON Schema of every kind, for editors: generated from the models, so that both say the same. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from nautes_domain.manifests import KINDS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ANY_KIND: Final = "manifest"
"""Name of the schema that holds for a file of any kind."""


def schema_of(kind: str) -> Mapping[str, Any]:
    """Return the JSON Schema of one kind. Raises KeyError if there is no such kind."""
    schema = KINDS[kind].model_json_schema(by_alias=True, mode="validation")
    schema["properties"]["kind"]["const"] = kind
    return {"$schema": DIALECT, **schema}


def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return every schema by name; the one for any kind refers to the others as files beside it."""
    anyone = {"$schema": DIALECT, "title": "Manifest", "oneOf": [{"$ref": f"{kind}.json"} for kind in KINDS]}
    return {**{kind: schema_of(kind) for kind in KINDS}, ANY_KIND: anyone}
