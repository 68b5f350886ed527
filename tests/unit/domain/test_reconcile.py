import itertools

import pytest

from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Budget, Ref, Verb, Wanted
from nautes_domain.reconcile import preview, reconcile


class Shelf:
    """A target over a dict, in which some objects cannot be written."""

    kinds = ("Box",)

    def __init__(self, system="shelf", *, broken=None, unseen=None):
        self.system = system
        self.objects = {}
        self.broken = broken or {}
        self.unseen = unseen

    async def observe(self, scope):
        if self.unseen:
            raise self.unseen
        return {ref: spec for (place, ref), spec in self.objects.items() if place == scope}

    async def apply(self, action):
        if action.ref.name in self.broken:
            raise self.broken[action.ref.name]
        if action.verb is Verb.DELETE:
            self.objects.pop(("here", action.ref), None)
        else:
            self.objects["here", action.ref] = action.after


def boxes(system, *labels):
    return {Ref(system, "Box", label): Wanted({"size": 1}, "declared") for label in labels}


async def run(desired, targets, **budget):
    recorded = []

    async def record(outcome):
        recorded.append(outcome)

    clock = itertools.count().__next__
    report = await reconcile("here", desired, targets, budget=Budget(**budget), record=record, clock=clock)
    return report, recorded


async def test_what_preview_shows_is_what_is_applied_and_then_nothing_is_left():
    shelf = Shelf()
    shown = await preview("here", boxes("shelf", "a", "b"), [shelf])
    report, recorded = await run(boxes("shelf", "a", "b"), [shelf])
    assert [outcome.action for outcome in recorded] == list(shown[0])
    assert report.written == 2
    again, recorded = await run(boxes("shelf", "a", "b"), [shelf])
    assert (again.written, again.unchanged, recorded) == (0, 2, [])


async def test_a_failure_stops_neither_its_siblings_nor_other_targets():
    broken = Shelf(broken={"a": Blocked("no", by="thing/x")})
    other = Shelf("other")
    desired = {**boxes("shelf", "a", "b"), **boxes("other", "c")}
    report, recorded = await run(desired, [broken, other])
    assert report.written == 2
    assert isinstance(report.failure, Blocked)
    assert len(recorded) == 3


async def test_an_unseen_target_is_left_alone():
    unseen = Shelf(unseen=Retry("down"))
    other = Shelf("other")
    report, _ = await run({**boxes("shelf", "a"), **boxes("other", "c")}, [unseen, other])
    assert isinstance(report.failure, Retry)
    assert not unseen.objects
    assert report.written == 1


async def test_retry_decides_before_blocked_before_rejected():
    shelf = Shelf(broken={"a": Rejected("never"), "b": Blocked("later", by="x"), "c": Retry("soon")})
    report, _ = await run(boxes("shelf", "a", "b", "c"), [shelf])
    assert isinstance(report.failure, Retry)


async def test_the_budget_is_judged_over_all_targets_before_the_first_write():
    one, two = Shelf("one"), Shelf("two")
    await run({**boxes("one", "a"), **boxes("two", "b")}, [one, two])
    with pytest.raises(Rejected, match="would delete 2 of 2"):
        await run({}, [one, two])
    assert one.objects
    assert two.objects
    report, _ = await run({}, [one, two], everything=True)
    assert report.written == 2
