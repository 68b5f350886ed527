"""The state machine of commit statuses."""

import pytest

from nautes_localstack.forge.statuses import CREATED, STATES, RefusedMove, move

ALLOWED = {
    (CREATED, "pending"),
    (CREATED, "running"),
    (CREATED, "success"),
    (CREATED, "failed"),
    (CREATED, "canceled"),
    (CREATED, "skipped"),
    ("pending", "running"),
    ("pending", "success"),
    ("pending", "failed"),
    ("pending", "canceled"),
    ("pending", "skipped"),
    ("running", "success"),
    ("running", "failed"),
    ("running", "canceled"),
    ("skipped", "pending"),
    ("skipped", "running"),
}


@pytest.mark.parametrize("current", [CREATED, *STATES])
@pytest.mark.parametrize("wanted", STATES)
def test_every_move(current: str, wanted: str) -> None:
    if (current, wanted) in ALLOWED:
        assert move(current, wanted) == wanted
    else:
        with pytest.raises(RefusedMove, match=f"^Cannot transition status via :\\w+ from :{current} "):
            move(current, wanted)


def test_the_words_of_a_refusal() -> None:
    with pytest.raises(RefusedMove) as refused:
        move("pending", "pending")
    assert str(refused.value) == (
        'Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "enqueue")'
    )
