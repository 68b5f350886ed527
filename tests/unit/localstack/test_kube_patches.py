import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.kubernetes.errors import ApiError
from nautes_localstack.kubernetes.patches import json_patch, merge_patch, strategic_patch
from nautes_localstack.kubernetes.shapes import ATOM_LIST, SCALAR, TEXT_MAP, TEXT_SET, keyed, struct, whole

SHAPE = whole(
    spec=struct(
        "size",
        items=keyed(struct("name v", inner=keyed(struct("id w"), "id")), "name"),
        tags=TEXT_SET,
        rules=ATOM_LIST,
        labels=TEXT_MAP,
        choice=struct("kind", one=SCALAR, two=SCALAR),
    )
)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386(target, patch, result):
    assert merge_patch(target, patch) == result


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("xy"), st.integers())
    )
)
def test_a_merge_patch_without_nulls_onto_nothing_is_itself(patch):
    assert merge_patch({}, patch) == patch


def test_a_json_patch_applies_in_order_and_leaves_its_target_alone():
    target = {"data": {"a": "1"}}
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "add", "path": "/data/b", "value": "2"},
        {"op": "remove", "path": "/data/a"},
    ]
    assert json_patch(target, operations) == {"data": {"b": "2"}}
    assert target == {"data": {"a": "1"}}


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/data/a", "value": "2"}],
        [{"op": "remove", "path": "/data/missing"}],
        [{"op": "replace", "path": "no slash", "value": 1}],
        [{"op": "nonsense", "path": "/data"}],
        [{"path": "/data"}],
        [3],
        [{"op": "replace", "path": "", "value": 3}],
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused(operations):
    with pytest.raises(ApiError) as raised:
        json_patch({"data": {"a": "1"}}, operations)
    assert raised.value.code == 422


def test_a_json_patch_must_be_a_list():
    with pytest.raises(ApiError) as raised:
        json_patch({}, {"op": "add"})
    assert raised.value.code == 400


def spec(target, patch):
    return strategic_patch({"spec": target}, {"spec": patch}, SHAPE)["spec"]


def test_keyed_lists_merge_by_key_at_every_depth():
    target = {"items": [{"name": "a", "v": "1", "inner": [{"id": 1, "w": "x"}]}]}
    patch = {"items": [{"name": "a", "inner": [{"id": 2}]}, {"name": "b"}]}
    assert spec(target, patch) == {
        "items": [{"name": "b"}, {"name": "a", "v": "1", "inner": [{"id": 2}, {"id": 1, "w": "x"}]}]
    }


def test_other_lists_are_united_or_replaced():
    target = {"tags": ["a", "b"], "rules": [{"x": 1}], "labels": {"k": "1"}}
    patch = {"tags": ["b", "c"], "rules": [{"y": 2}], "labels": {"l": "2", "k": None}}
    assert spec(target, patch) == {"tags": ["a", "b", "c"], "rules": [{"y": 2}], "labels": {"l": "2"}}


def test_directives_delete_replace_order_and_retain():
    target = {
        "items": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
        "tags": ["x", "y", "z"],
        "choice": {"kind": "one", "one": 1},
        "labels": {"k": "1"},
    }
    patch = {
        "items": [{"name": "a", "$patch": "delete"}, {"name": "d"}],
        "$setElementOrder/items": [{"name": "c"}, {"name": "d"}, {"name": "b"}],
        "$deleteFromPrimitiveList/tags": ["y"],
        "choice": {"$retainKeys": ["kind", "two"], "kind": "two", "two": 2},
        "labels": {"$patch": "replace", "l": "2"},
    }
    assert spec(target, patch) == {
        "items": [{"name": "c"}, {"name": "d"}, {"name": "b"}],
        "tags": ["x", "z"],
        "choice": {"kind": "two", "two": 2},
        "labels": {"l": "2"},
    }
    assert spec(target, {"items": [{"$patch": "replace"}, {"name": "n"}]})["items"] == [{"name": "n"}]
