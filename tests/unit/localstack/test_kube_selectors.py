import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.kubernetes.errors import ApiError
from nautes_localstack.kubernetes.selectors import Selector, parse_fields, parse_labels

KNOWN = ("metadata.name", "metadata.namespace")


def matches(text, **labels):
    return Selector(parse_labels(text)).holds({"metadata": {"labels": labels}})


@pytest.mark.parametrize(
    ("text", "labels", "result"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "2"}, False),
        ("a = 1 , b=2", {"a": "1", "b": "2"}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in (1,2)", {}, False),
        ("a notin (1,2)", {"a": "3"}, True),
        ("a notin (1)", {}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("!a,b", {"b": "x"}, True),
        ("a=", {"a": ""}, True),
        ("a>1", {"a": "2"}, True),
        ("a<1", {"a": "x"}, False),
        ("nautes.io/scope=product_x", {"nautes.io/scope": "product_x"}, True),
    ],
)
def test_label_selectors(text, labels, result):
    assert Selector(parse_labels(text)).holds({"metadata": {"labels": labels}}) is result


@pytest.mark.parametrize("text", ["a=b=c", "a in", "a in (1", "a,", "=", "a b", "(", "a=b c", "-a=1"])
def test_what_is_no_selector_is_refused(text):
    with pytest.raises(ApiError) as raised:
        parse_labels(text)
    assert raised.value.code == 400


label = st.from_regex(r"[a-z]{1,5}", fullmatch=True)


@given(st.dictionaries(label, label), label, label)
def test_a_selector_and_its_opposite_share_nothing(labels, key, value):
    for one, other in (
        (f"{key}={value}", f"{key}!={value}"),
        (key, f"!{key}"),
        (f"{key} in ({value})", f"{key} notin ({value})"),
    ):
        assert matches(one, **labels) != matches(other, **labels)


def test_field_selectors_compare_as_text():
    obj = {"metadata": {"name": "x"}, "spec": {"on": True, "count": 3}}
    known = (*KNOWN, "spec.on", "spec.count", "spec.missing")
    assert Selector(fields=parse_fields("metadata.name=x,spec.on=true", known, custom=False)).holds(obj)
    assert Selector(fields=parse_fields("spec.count==3,spec.missing=", known, custom=False)).holds(obj)
    assert not Selector(fields=parse_fields("metadata.name!=x", known, custom=False)).holds(obj)


@pytest.mark.parametrize("text", ["data.a=1", "metadata.name", "metadata.name>1"])
def test_only_known_fields_select(text):
    with pytest.raises(ApiError) as raised:
        parse_fields(text, KNOWN, custom=False)
    assert raised.value.code == 400
