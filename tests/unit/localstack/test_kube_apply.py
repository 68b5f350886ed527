import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.kubernetes import apply, fields
from nautes_localstack.kubernetes.apply import Scope, Writer
from nautes_localstack.kubernetes.errors import ApiError
from nautes_localstack.kubernetes.kinds import CONFIG_MAPS
from nautes_localstack.kubernetes.shapes import ANY, of_crd

GEARS = of_crd(
    {
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "teeth": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "properties": {
                                "name": {"type": "string"},
                                "v": {"type": "string"},
                                "w": {"type": "string"},
                            },
                        },
                    },
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "order": {"type": "array", "items": {"type": "string"}},
                    "box": {
                        "type": "object",
                        "x-kubernetes-map-type": "atomic",
                        "additionalProperties": {"type": "string"},
                    },
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        }
    }
)
NOW = "2026-01-02T03:04:05Z"
ONE, TWO = Writer("one", "Apply", "v1"), Writer("two", "Apply", "v1")
HAND = Writer("hand", "Update", "v1")


class Thing:
    """An object with its owners, as writes go over it."""

    def __init__(self, shape=GEARS):
        self.scope = Scope(shape)
        self.object = None
        self.managed = {}

    def apply(self, spec, who=ONE, *, force=False):
        config = {"apiVersion": "v1", "kind": "Gear", "metadata": {"name": "x"}, "spec": spec}
        self.object, self.managed = apply.applied(
            self.object, copy.deepcopy(config), self.managed, who, self.scope, NOW, force=force
        )
        return self.object["spec"]

    def update(self, spec, who=HAND):
        new = {**(self.object or {"metadata": {}}), "spec": spec}
        self.managed = apply.updated(self.object, new, self.managed, who, self.scope, NOW)
        self.object = new

    def owned(self, who=ONE):
        return fields.encode(self.managed[who].paths) if who in self.managed else {}


def test_who_applies_owns_what_is_stated():
    thing = Thing()
    thing.apply(
        {"size": 1, "teeth": [{"name": "a", "v": "1"}], "tags": ["x"], "order": ["p"], "box": {"k": "v"}}
    )
    assert thing.owned() == {
        "f:spec": {
            "f:size": {},
            "f:teeth": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:v": {}}},
            "f:tags": {'v:"x"': {}},
            "f:order": {},
            "f:box": {},
        }
    }


def test_what_is_no_longer_applied_goes_unless_another_owns_it():
    thing = Thing()
    thing.apply({"size": 1, "tags": ["x", "y"], "free": {"a": {"b": 1}}})
    thing.apply({"size": 1, "free": {"a": {"c": 2}}}, TWO)
    assert thing.apply({"tags": ["y"]}) == {"size": 1, "tags": ["y"], "free": {"a": {"c": 2}}}
    assert thing.owned() == {"f:spec": {"f:tags": {'v:"y"': {}}}}


def test_an_item_goes_with_what_nobody_owns_in_it():
    thing = Thing()
    thing.apply({"teeth": [{"name": "a", "v": "1"}, {"name": "b", "v": "2"}]})
    for one in thing.object["spec"]["teeth"]:
        one["w"] = "filled in by the server"
    assert [one["name"] for one in thing.apply({"teeth": [{"name": "b", "v": "2"}]})["teeth"]] == ["b"]


def test_an_item_stays_for_the_fields_of_another():
    thing = Thing()
    thing.apply({"teeth": [{"name": "a", "v": "1"}]})
    thing.apply({"teeth": [{"name": "a", "w": "2"}]}, TWO)
    assert thing.apply({}) == {"teeth": [{"name": "a", "w": "2"}]}


def test_another_value_for_a_field_of_another_is_a_conflict():
    thing = Thing()
    thing.apply({"size": 1, "teeth": [{"name": "a", "v": "1"}]})
    thing.update({"size": 2, "teeth": [{"name": "a", "v": "1"}]})
    assert thing.owned(HAND) == {"f:spec": {"f:size": {}}}
    with pytest.raises(ApiError) as raised:
        thing.apply({"size": 3, "teeth": [{"name": "a", "v": "9"}]}, TWO)
    assert raised.value.code == 409
    assert [(one["message"], one["field"]) for one in raised.value.body()["details"]["causes"]] == [
        ('conflict with "hand" using v1', ".spec.size"),
        ('conflict with "one"', '.spec.teeth[name="a"].v'),
    ]
    assert "Apply failed with 2 conflicts" in raised.value.message
    assert thing.apply({"size": 3}, TWO, force=True)["size"] == 3
    assert HAND not in thing.managed


def test_the_same_value_is_shared():
    thing = Thing()
    thing.apply({"size": 1})
    thing.apply({"size": 1}, TWO)
    assert thing.owned(ONE) == thing.owned(TWO) == {"f:spec": {"f:size": {}}}
    assert thing.apply({}) == {"size": 1}


def test_atomic_lists_and_maps_are_replaced_as_a_whole():
    thing = Thing()
    thing.apply({"order": ["a", "b"], "box": {"k": "1", "l": "2"}})
    assert thing.apply({"order": ["b"], "box": {"m": "3"}}) == {"order": ["b"], "box": {"m": "3"}}


def test_applied_items_keep_their_order_among_those_of_others():
    thing = Thing()
    thing.apply({"tags": ["a", "b"]})
    assert thing.apply({"tags": ["d", "c"]}, TWO)["tags"] == ["a", "b", "d", "c"]
    assert thing.apply({"tags": ["c", "a"]}, TWO, force=True)["tags"] == ["c", "a", "b"]


def test_a_field_that_the_schema_does_not_know_cannot_be_applied():
    with pytest.raises(ApiError) as raised:
        Thing().apply({"teeth": [{"name": "a", "x": "1"}]})
    assert raised.value.code == 500
    assert raised.value.message.endswith('.spec.teeth[name="a"].x: field not declared in schema')


def test_an_object_without_owners_belongs_to_before_first_apply():
    thing = Thing()
    thing.object = {"metadata": {"name": "x"}, "spec": {"size": 1, "order": ["a"]}}
    with pytest.raises(ApiError):
        thing.apply({"size": 2})
    thing.apply({"size": 2}, force=True)
    assert thing.owned(Writer("before-first-apply", "Update", "v1")) == {"f:spec": {".": {}, "f:order": {}}}


def test_an_update_owns_what_it_changes_and_loses_what_it_removes():
    thing = Thing(CONFIG_MAPS.shape)
    old = {"metadata": {"name": "x"}, "data": {"a": "1", "b": "2"}}
    managed = apply.updated(None, old, {}, HAND, thing.scope, NOW)
    assert fields.encode(managed[HAND].paths) == {"f:data": {".": {}, "f:a": {}, "f:b": {}}}
    other = Writer("other", "Update", "v1")
    managed = apply.updated(old, {**old, "data": {"b": "3"}}, managed, other, thing.scope, NOW)
    assert fields.encode(managed[HAND].paths) == {"f:data": {}}
    assert fields.encode(managed[other].paths) == {"f:data": {"f:b": {}}}


def test_the_status_has_owners_of_its_own():
    shape = of_crd(
        {"properties": {"spec": {"type": "object"}, "status": {"x-kubernetes-preserve-unknown-fields": True}}}
    )
    new = {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "ok"}}
    main = apply.updated(None, new, {}, HAND, Scope(shape, has_status=True), NOW)
    assert fields.encode(main[HAND].paths) == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    status = Writer("hand", "Update", "v1", "status")
    managed = apply.updated(
        {"metadata": {}}, new, {}, status, Scope(shape, has_status=True, status=True), NOW
    )
    assert fields.encode(managed[status].paths) == {"f:status": {".": {}, "f:phase": {}}}


def test_owners_survive_being_written_down():
    thing = Thing()
    thing.apply({"size": 1, "teeth": [{"name": "a", "v": "1"}]})
    thing.update({"size": 2, "teeth": [{"name": "a", "v": "1"}]})
    entries = apply.encode(thing.managed)
    assert [one["operation"] for one in entries] == ["Apply", "Update"]
    assert apply.decode(entries) == thing.managed
    assert apply.decode([{"manager": "broken"}, 3]) == apply.decode(None) == {}


names = st.sampled_from("abcd")
specs = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 3),
        "order": st.lists(names),
        # An empty list of which the items are owned is owned by nobody, here as in a real server.
        "tags": st.lists(names, unique=True, min_size=1),
        "teeth": st.lists(
            st.fixed_dictionaries({"name": names}, optional={"v": names, "w": names}),
            unique_by=lambda one: one["name"],
            min_size=1,
        ),
        "box": st.dictionaries(names, names, min_size=1),
        "free": st.dictionaries(names, st.dictionaries(names, st.integers(0, 2)), min_size=1),
    },
)


def holds(value, wanted):
    if isinstance(wanted, dict):
        return all(key in value and holds(value[key], one) for key, one in wanted.items())
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict):
        return all(any(holds(other, one) for other in value) for one in wanted)
    return value == wanted or (isinstance(wanted, list) and set(wanted) <= set(value))


@given(st.lists(st.tuples(specs, st.sampled_from([ONE, TWO])), min_size=1, max_size=5))
def test_what_was_applied_last_is_there_and_applying_it_again_changes_nothing(steps):
    thing = Thing()
    for spec, who in steps:
        assert holds(thing.apply(spec, who, force=True), spec)
    before = (copy.deepcopy(thing.object), thing.managed)
    spec, who = steps[-1]
    thing.apply(spec, who)
    assert (thing.object, thing.managed) == before


@given(specs)
def test_a_single_applier_takes_back_all_that_it_gave(spec):
    thing = Thing()
    thing.apply(spec)
    assert {key: one for key, one in thing.apply({}).items() if one not in ({}, [])} == {}


@given(specs)
def test_sets_of_fields_survive_being_written_down(spec):
    paths = fields.of_value({"spec": spec}, GEARS)
    if () not in paths:
        assert fields.decode(fields.encode(paths)) == paths


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_nothing_differs_only_where_all_is_the_same(old, new):
    change = fields.compare({"spec": old}, {"spec": new}, ANY)
    assert bool(change.written | change.removed) == (old != new)
