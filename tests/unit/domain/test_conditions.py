import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain import conditions
from nautes_domain.triggers.verdicts import variables
from support.gitlab_payloads import delivered, merge_request, push

EVENT = {
    **conditions.SAMPLE,
    "labels": ["ci", "fast"],
    "number": 7,
    "title": "Ripen",
    "variables": {"A": "b"},
}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [("kind == 'push'", True), ("'ci' in labels && number > 6", True), ("labels.exists(one, one == 'slow')", False),
     ("title.matches('^Rip.*')", True), ("variables.A == 'b'", True), ("size(labels) == 2", True), ("!draft", True),
     ("has(variables.B)", False)],
)  # fmt: skip
def test_a_condition_holds_or_not(expression, holds):
    assert conditions.checked(expression) == expression
    assert conditions.evaluate(expression, EVENT).holds is holds


@pytest.mark.parametrize(
    ("expression", "words"),
    [("kind ==", "does not parse"), ("colour == 'red'", "known are about, action"), ("title", "it gives string"),
     ("number > '3'", "no matching overload"), ("title.matches('[')", "match error"), ("a" * 501, "longer than 500"),
     ("[" * 21 + "]" * 21, "stand more than 20 deep"), ("!" * 499 + "x", ""),
     ("labels.map(a, labels.map(b, labels.map(c, 1))) == []", "more than 2 comprehensions")],
)  # fmt: skip
def test_what_could_never_be_evaluated_is_refused_when_it_is_declared(expression, words):
    with pytest.raises(ValueError) as refused:
        conditions.checked(expression)
    assert words in str(refused.value)
    assert not conditions.evaluate(expression, EVENT).holds


def test_what_only_some_events_have_is_accepted_and_said_when_it_is_missing():
    assert conditions.checked("labels[3] == 'x'")
    outcome = conditions.evaluate("labels[3] == 'x'", EVENT)
    assert not outcome.holds
    assert "cannot be evaluated" in outcome.words


def test_a_delivery_gives_every_variable():
    for payload in (push(), merge_request("update")):
        said = variables(delivered(payload))
        assert said.keys() == conditions.SAMPLE.keys()
        assert {name: type(value) for name, value in said.items()} == {
            name: type(value) for name, value in conditions.SAMPLE.items()
        }


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["labels", ".", "map(", "x", ",", ")", "'", "==", "1", "[", "]", "&&"])).map(
        " ".join
    )
)
@settings(deadline=None)
def test_no_condition_raises_anything_else(expression):
    assert conditions.evaluate(expression, EVENT).words
    try:
        conditions.checked(expression)
    except ValueError as refused:
        assert str(refused)
