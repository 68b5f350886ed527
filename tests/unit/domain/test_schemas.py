"""The published schemas are those of the code, and judge the examples as the code does."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from nautes_domain.manifests import KINDS
from nautes_domain.schemas import schema_of, schemas
from support.examples import EXAMPLES

PUBLISHED = Path(__file__).parents[3] / "docs" / "schemas"
MANIFESTS = [
    path for path in sorted(EXAMPLES.rglob("*.yaml")) if b"nautes.resource.nautes.io" in path.read_bytes()
]


EVERY = schemas()
BESIDE = Registry().with_resources(
    [(f"{name}.json", Resource.from_contents(schema)) for name, schema in EVERY.items()]
)


def test_what_is_published_is_what_the_code_says():
    assert {path.stem for path in PUBLISHED.glob("*.json")} == EVERY.keys(), "run: make schemas"
    for name, schema in EVERY.items():
        text = json.loads((PUBLISHED / f"{name}.json").read_text())
        assert text == schema, f"{name}.json is not what the code says; run: make schemas"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_example_is_valid_by_its_schema_and_by_that_of_any_manifest(path):
    value = yaml.safe_load(path.read_text())
    for name in (value["kind"], "manifest"):
        jsonschema.Draft202012Validator(EVERY[name], registry=BESIDE).validate(value)
    value["spec"]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(EVERY[value["kind"]]).validate(value)


def test_every_field_is_spelt_as_in_the_original_and_unknown_ones_are_refused():
    for kind in KINDS:
        schema = schema_of(kind)
        for part in (schema, *schema.get("$defs", {}).values()):
            assert part.get("additionalProperties") is False
            assert all("_" not in name for name in part.get("properties", ()))
            assert part["description"]


def test_the_dead_fields_of_the_original_have_a_described_meaning():
    parts = schema_of("ProjectPipelineRuntime")["$defs"]
    assert parts["Pipeline"]["properties"]["label"]["default"] == "default"
    assert "*" in parts["Pipeline"]["properties"]["path"]["description"]
    assert "exclusive" in parts["ProjectPipelineRuntimeSpec"]["properties"]["isolation"]["description"]
