import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.kubernetes import definitions, schema, strategies
from nautes_localstack.kubernetes.errors import ApiError, invalid
from nautes_localstack.kubernetes.kinds import CONFIG_MAPS, NAMESPACES, ROLE_BINDINGS, SECRETS

RULES = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "colour": {"type": "string", "default": "red", "enum": ["red", "green"]},
                "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
                "either": {"x-kubernetes-int-or-string": True},
                "maybe": {"type": "string", "nullable": True},
                "parts": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}},
                },
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "half": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            },
        }
    },
}
VALIDATOR = schema.validator(RULES)


def causes(**spec):
    return [(one.field, one.message, one.reason) for one in schema.violations({"spec": spec}, VALIDATOR)]


def test_unknown_fields_are_removed_and_named():
    obj = {
        "apiVersion": "v1",
        "metadata": {"anything": 1},
        "other": 1,
        "spec": {
            "size": 1,
            "zzz": 1,
            "parts": [{"on": True, "off": 1}],
            "labels": {"a": "b"},
            "free": {"x": {"y": 1}},
        },
    }
    assert schema.prune(obj, RULES) == ["other", "spec.zzz", "spec.parts[0].off"]
    assert obj["spec"] == {"size": 1, "parts": [{"on": True}], "labels": {"a": "b"}, "free": {"x": {"y": 1}}}
    assert obj["metadata"] == {"anything": 1}


def test_defaults_are_filled_in_at_every_depth_and_each_time_anew():
    obj = {"spec": {"size": 1, "parts": [{}, {"on": False}]}}
    schema.default(obj, RULES)
    assert obj["spec"] == {"size": 1, "colour": "red", "parts": [{"on": True}, {"on": False}]}
    rules = {
        "type": "object",
        "properties": {"a": {"type": "object", "default": {}, "properties": {"b": {"default": 1}}}},
    }
    first, second = {}, {}
    schema.default(first, rules)
    first["a"]["b"] = 2
    schema.default(second, rules)
    assert second == {"a": {"b": 1}}


def test_nulls_go_where_they_are_not_allowed():
    obj = {"spec": {"size": None, "maybe": None, "labels": {"a": None}, "parts": [{"on": None}]}}
    schema.drop_nulls(obj, RULES)
    assert obj == {"spec": {"maybe": None, "labels": {}, "parts": [{}]}}


@pytest.mark.parametrize(
    ("spec", "field", "message", "reason"),
    [
        ({}, "spec.size", "Required value", "FieldValueRequired"),
        ({"size": "big"}, "spec.size", 'Invalid value: "string": spec.size in body must be of type integer: "string"', "FieldValueTypeInvalid"),
        ({"size": True}, "spec.size", 'Invalid value: "boolean": spec.size in body must be of type integer: "boolean"', "FieldValueTypeInvalid"),
        ({"size": 0}, "spec.size", "Invalid value: 0: spec.size in body should be greater than or equal to 1", "FieldValueInvalid"),
        ({"size": 10}, "spec.size", "Invalid value: 10: spec.size in body should be less than or equal to 9", "FieldValueInvalid"),
        ({"size": 1, "colour": "blue"}, "spec.colour", 'Unsupported value: "blue": supported values: "red", "green"', "FieldValueNotSupported"),
        ({"size": 1, "name": "A1"}, "spec.name", "Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'", "FieldValueInvalid"),
        ({"size": 1, "name": "a"}, "spec.name", 'Invalid value: "a": spec.name in body should be at least 2 chars long', "FieldValueInvalid"),
        ({"size": 1, "parts": []}, "spec.parts", 'Invalid value: "array": spec.parts in body should have at least 1 items', "FieldValueInvalid"),
        ({"size": 1, "labels": {"a": 1}}, "spec.labels.a", 'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"', "FieldValueTypeInvalid"),
    ],
)  # fmt: skip
def test_violations_are_worded_as_kubernetes_does(spec, field, message, reason):
    assert causes(**spec) == [(field, message, reason)]


@pytest.mark.parametrize(
    "spec",
    [
        {"size": 1, "either": 3, "maybe": None, "half": 0.5},
        {"size": 9, "either": "three", "tags": ["a", "b"], "free": {"a": [1, None]}},
    ],
)
def test_what_is_allowed_has_no_violations(spec):
    assert causes(**spec) == []


@pytest.mark.parametrize("spec", [{"either": 1.5}, {"tags": ["a", "a"]}, {"half": 0}, {"maybe": 3}])
def test_words_of_openapi_are_understood(spec):
    assert len(causes(size=1, **spec)) == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["size", "parts", "on", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(values)
def test_what_was_pruned_and_filled_in_stays_as_it_is(value):
    once = {"spec": copy.deepcopy(value)}
    schema.prune(once, RULES)
    schema.drop_nulls(once, RULES)
    schema.default(once, RULES)
    twice = copy.deepcopy(once)
    assert schema.prune(twice, RULES) == []
    schema.default(twice, RULES)
    assert twice == once


def test_several_violations_are_one_refusal_and_repeated_ones_are_said_once():
    body = invalid(
        "Gear", "example.com", "x", schema.violations({"spec": {"colour": "blue"}}, VALIDATOR)
    ).body()
    assert body["message"].startswith('Gear.example.com "x" is invalid: [spec.colour: ')
    assert len(body["details"]["causes"]) == 2


def definition(**changes):
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gears", "kind": "Gear"},
        "versions": [
            {
                "name": name,
                "served": True,
                "storage": name == "v1",
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
            for name in ("v1alpha1", "v1beta2", "v1", "v2", "v1beta10")
        ],
    }
    return {"metadata": {"name": "gears.example.com"}, "spec": {**spec, **changes}}


def test_versions_are_ranked_as_kubernetes_does():
    found = [one.version for one in definitions.resources_of(definition())]
    assert found == ["v2", "v1", "v1beta10", "v1beta2", "v1alpha1"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"group": ""}, "spec.group"),
        ({"names": {"plural": "gears"}}, "spec.names.kind"),
        ({"names": {"plural": "wheels", "kind": "Gear"}}, "metadata.name"),
        (
            {"versions": [{"name": "v1", "served": True, "storage": True}]},
            "spec.versions[0].schema.openAPIV3Schema",
        ),
        ({"versions": []}, "spec.versions"),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused(changes, field):
    assert field in [one.field for one in definitions.violations(definition(**changes))]
    assert definitions.violations(definition()) == []


def test_secrets_are_stored_encoded_and_wrong_ones_are_not_repeated():
    secret = {"metadata": {"name": "x"}, "stringData": {"k": "v"}, "data": {"old": "YQ=="}}
    strategies.fill(SECRETS, secret)
    assert secret == {"metadata": {"name": "x"}, "data": {"old": "YQ==", "k": "dg=="}, "type": "Opaque"}
    with pytest.raises(ApiError) as raised:
        strategies.fill(SECRETS, {"metadata": {}, "data": {"k": "canary secret"}})
    assert "canary" not in str(raised.value.body())


def test_what_never_changes_cannot_be_changed():
    old = {"metadata": {"name": "x"}, "data": {"a": "1"}, "immutable": True, "type": "Opaque"}
    assert strategies.violations(CONFIG_MAPS, {**old, "data": {}}, old)
    assert strategies.violations(SECRETS, {**old, "type": "other"}, old)
    binding = {"metadata": {"name": "x"}, "roleRef": {"apiGroup": "g", "kind": "Role", "name": "a"}}
    moved = {**binding, "roleRef": {**binding["roleRef"], "name": "b"}}
    assert [one.field for one in strategies.violations(ROLE_BINDINGS, moved, binding)] == ["roleRef"]
    assert strategies.violations(ROLE_BINDINGS, binding, binding) == []


@pytest.mark.parametrize(
    ("resource", "name", "fits"),
    [
        (CONFIG_MAPS, "kube-root-ca.crt", True),
        (CONFIG_MAPS, "a..b", False),
        (CONFIG_MAPS, "Upper", False),
        (CONFIG_MAPS, "a" * 254, False),
        (NAMESPACES, "a.b", False),
        (NAMESPACES, "a" * 64, False),
        (NAMESPACES, "a-b\n", False),
        (ROLE_BINDINGS, "system:node-proxier", True),
        (ROLE_BINDINGS, "a/b", False),
    ],
)
def test_names(resource, name, fits):
    obj = {"metadata": {"name": name}, "roleRef": {"kind": "Role", "name": "x"}}
    found = [one for one in strategies.violations(resource, obj, None) if one.field == "metadata.name"]
    assert (found == []) is fits


@pytest.mark.parametrize(
    "obj",
    [
        {"data": {"a": 1}},
        {"data": ["a"]},
        {"metadata": {"labels": {"a": 1}}},
        {"metadata": {"finalizers": "x"}},
        {"metadata": "x"},
    ],
)
def test_built_in_kinds_want_their_types(obj):
    with pytest.raises(ApiError) as raised:
        strategies.check_types(obj, CONFIG_MAPS.shape, "ConfigMap")
    assert raised.value.code == 400
