import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.failures import Rejected
from nautes_domain.plan import Action, Budget, Plan, Ref, Verb, Wanted, covers, differences, plan

ORDER = ("Parent", "Child")
REFS = st.builds(Ref, st.just("s"), st.sampled_from(ORDER), st.sampled_from("abcde"))
SPECS = st.dictionaries(
    st.sampled_from("xyz"), st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2), max_size=3
)
DESIRED = st.dictionaries(REFS, st.builds(Wanted, SPECS, st.just("a reason")))
OBSERVED = st.dictionaries(REFS, SPECS)


def applied(observed, todo):
    """What a system holds after a plan: it merges what it is told, as server-side apply does."""
    state = dict(observed)
    for action in todo:
        if action.verb is Verb.DELETE:
            del state[action.ref]
        else:
            state[action.ref] = {**state.get(action.ref, {}), **action.after}
    return state


@given(DESIRED, OBSERVED)
def test_applying_a_plan_reaches_the_desired_state_and_a_second_plan_is_empty(desired, observed):
    after = applied(observed, plan(desired, observed, order=ORDER))
    assert after.keys() == desired.keys()
    assert all(covers(after[ref], wanted.spec) for ref, wanted in desired.items())
    again = plan(desired, after, order=ORDER)
    assert len(again) == 0
    assert again.unchanged == len(desired)


@given(DESIRED, OBSERVED)
def test_a_plan_touches_every_object_at_most_once_and_only_where_it_must(desired, observed):
    todo = plan(desired, observed, order=ORDER)
    refs = [action.ref for action in todo]
    assert len(refs) == len(set(refs))
    for action in todo:
        assert action.because
        if action.verb is Verb.CREATE:
            assert action.ref not in observed
        elif action.verb is Verb.UPDATE:
            assert not covers(observed[action.ref], desired[action.ref].spec)
        else:
            assert action.ref not in desired


@given(DESIRED, OBSERVED)
def test_parents_are_written_first_and_removed_last(desired, observed):
    todo = plan(desired, observed, order=ORDER)
    ranks = [(action.verb is Verb.DELETE, ORDER.index(action.ref.kind)) for action in todo]
    writes = [rank for gone, rank in ranks if not gone]
    removals = [rank for gone, rank in ranks if gone]
    assert [gone for gone, _ in ranks] == sorted(gone for gone, _ in ranks)
    assert writes == sorted(writes)
    assert removals == sorted(removals, reverse=True)


def test_what_the_system_added_is_no_difference_but_a_longer_list_is():
    assert covers({"a": 1, "b": {"c": [1, 2], "d": 5}}, {"b": {"c": [1, 2]}})
    assert not covers({"b": {"c": [1, 2, 3]}}, {"b": {"c": [1, 2]}})
    assert not covers({"a": 1}, {"a": True})
    assert list(differences({"b": {"c": 1}}, {"b": {"c": 2, "d": 3}, "e": 4})) == ["b.c", "b.d", "e"]


def a_plan(deletions: int, observed: int, creations: int = 0) -> Plan:
    gone = [Action(Verb.DELETE, Ref("s", "Child", str(n)), {}, None, "gone") for n in range(deletions)]
    new = [Action(Verb.CREATE, Ref("s", "Child", f"n{n}"), None, {}, "new") for n in range(creations)]
    return Plan((*new, *gone), observed=observed)


@pytest.mark.parametrize(
    ("todo", "allowed"),
    [
        (a_plan(0, 0), True),
        (a_plan(1, 1), True),
        (a_plan(2, 2), False),  # everything is never nothing left by accident
        (a_plan(2, 2, creations=1), True),
        (a_plan(20, 21), True),
        (a_plan(21, 100), True),
        (a_plan(51, 100), False),
    ],
)
def test_the_budget_refuses_mass_deletion_unless_confirmed(todo, allowed):
    Budget(everything=True).check(todo)
    if allowed:
        Budget().check(todo)
    else:
        with pytest.raises(Rejected) as refused:
            Budget().check(todo)
        assert refused.value.code == "deletion-budget"
        assert "Nautes-Allow-Deletions" in refused.value.next_step
