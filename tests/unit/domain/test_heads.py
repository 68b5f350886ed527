"""What moved without our being told: believed at the second look, forgotten when it is told after all."""

from hypothesis import given
from hypothesis import strategies as st

from nautes_domain import heads
from nautes_domain.capabilities import Head
from nautes_domain.heads import Heads
from support.gitlab_payloads import NEW, OLD, TAG, ZERO, deleted, delivered, merge_request, push

MAIN, IDEA, V1 = "refs/heads/main", "refs/heads/idea", "refs/tags/v1"


def stands(**refs):
    names = {"main": MAIN, "idea": IDEA, "v1": V1}
    return {names[name]: head if isinstance(head, Head) else Head(head, head) for name, head in refs.items()}


def twice(known, now):
    first, known = heads.look(known, now)
    assert first == ()
    return heads.look(known, now)


def test_nothing_of_the_first_look_is_missed():
    known = heads.first_look(stands(main=OLD))
    assert twice(known, stands(main=OLD)) == ((), known)


def test_what_moved_is_missed_at_the_second_look():
    missed, _ = twice(heads.first_look(stands(main=OLD)), stands(main=NEW, idea=NEW, v1=Head(TAG, NEW)))
    assert [(one.ref, one.before, one.after, one.commit) for one in missed] == [
        (IDEA, ZERO, NEW, NEW), (MAIN, OLD, NEW, NEW), (V1, ZERO, TAG, NEW)
    ]  # fmt: skip


def test_a_ref_that_is_gone_is_a_deletion():
    (missed,), known = twice(heads.first_look(stands(main=OLD, idea=NEW)), stands(main=OLD))
    assert (missed.ref, missed.before, missed.after, missed.commit) == (IDEA, NEW, ZERO, "")
    known = heads.heard(known, delivered(deleted("idea", before=NEW)))
    assert twice(known, stands(main=OLD))[0] == ()


def test_that_everything_is_gone_is_not_believed():
    known = heads.first_look(stands(main=OLD, idea=NEW))
    assert twice(known, {}) == ((), known)


def test_what_moves_on_between_two_looks_waits_for_another():
    _, known = heads.look(heads.first_look(stands(main=OLD)), stands(main=NEW))
    missed, known = heads.look(known, stands(main=TAG))
    assert missed == ()
    assert heads.look(known, stands(main=TAG))[0][0].after == TAG


def test_what_is_told_between_two_looks_is_not_missed():
    _, known = heads.look(heads.first_look(stands(main=OLD)), stands(main=NEW))
    known = heads.heard(known, delivered(push(before=OLD, after=NEW)))
    assert known.instance == "https://gitlab.example"
    assert heads.look(known, stands(main=NEW))[0] == ()
    assert heads.was_heard(known, delivered(push(before=OLD, after=NEW)))
    assert not heads.was_heard(known, delivered(push(before=NEW, after=OLD)))
    assert heads.was_heard(known, delivered(deleted("idea")))


def test_what_was_found_is_outdated_by_anything_that_was_heard_since():
    """Deliveries may wait on the bus while two looks pass; those behind them must not be acted upon twice."""
    known = heads.first_look(stands(main=OLD))
    found = delivered(push(before=OLD, after=NEW))
    assert not heads.was_heard(known, found)
    assert heads.was_heard(heads.heard(known, delivered(push(before=OLD, after=TAG))), found)
    assert heads.was_heard(heads.heard(known, delivered(deleted("main"))), found)
    made = delivered(push(before="0" * len(OLD), after=NEW))
    assert not heads.was_heard(heads.first_look({}), made)
    assert heads.was_heard(known, made)


def test_only_pushes_move_refs():
    known = heads.first_look(stands(main=OLD))
    assert heads.heard(known, delivered(merge_request())) == known


REFS = st.dictionaries(
    st.sampled_from([MAIN, IDEA, V1]), st.sampled_from([OLD, NEW, TAG]).map(lambda one: Head(one, one))
)


@given(REFS, REFS)
def test_two_looks_find_exactly_what_differs(before, after):
    missed, known = twice(heads.first_look(before), after)
    differ = {ref for ref in {*before, *after} if before.get(ref) != after.get(ref)}
    assert {one.ref for one in missed} == (differ if after else set())
    assert all(one.before != one.after for one in missed)
    assert Heads.model_validate_json(known.model_dump_json()) == known


def test_the_largest_record_fits_into_a_bucket():
    refs = {
        f"refs/heads/feature/{number:05d}-some-longer-name": f"{number:040x}"[::-1]
        for number in range(heads.MOST_REFS)
    }
    assert len(Heads(seen=refs).model_dump_json()) < 512 * 1024
