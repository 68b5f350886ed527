"""What every reconcile target must do, whatever system it drives: one suite, many implementations.

An implementation gives a `TargetCase`; `TargetContract` holds the tests. Registered in `tests/contract/conftest.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nautes_domain.plan import Budget, State, Verb, covers
from nautes_domain.reconcile import Outcome, Report, Target, preview, reconcile


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class TargetCase:
    """One target in a fresh place of a real system."""

    target: Target
    scope: str
    desired: State
    """At least one object; nothing of it exists yet."""
    changed: State
    """The same objects, at least one with another spec."""
    foreign_remains: Callable[[], Awaitable[bool]]
    """Whether everything is still there that lies beside ours and is not marked as ours. It exists from the start."""
    prepare_change: Callable[[], Awaitable[None]] = _nothing
    """Called before `changed` is applied."""


async def converge(case: TargetCase, desired: State) -> Report:
    """Reconcile once, as a service does."""

    async def record(_outcome: Outcome) -> None:
        return None

    budget = Budget(everything=True)
    return await reconcile(
        case.scope, desired, [case.target], budget=budget, record=record, clock=lambda: 0.0
    )


async def pending(case: TargetCase, desired: State) -> list[str]:
    """Return what a reconcile would do now."""
    (plan,) = await preview(case.scope, desired, [case.target])
    return [str(action) for action in plan]


class TargetContract:
    """Subclass it in a test module; the fixture `target_case` gives the implementation."""

    async def test_nothing_of_ours_at_first(self, target_case: TargetCase) -> None:
        assert await target_case.target.observe(target_case.scope) == {}
        assert await target_case.foreign_remains()

    async def test_everything_is_made_and_the_second_time_nothing_is_written(self, target_case):
        first = await converge(target_case, target_case.desired)
        assert first.failure is None
        assert first.written == len(target_case.desired)
        observed = await target_case.target.observe(target_case.scope)
        assert set(observed) == set(target_case.desired)
        assert all(covers(observed[ref], wanted.spec) for ref, wanted in target_case.desired.items())
        second = await converge(target_case, target_case.desired)
        assert (second.written, second.unchanged, second.failure) == (0, len(target_case.desired), None)

    async def test_applying_every_action_twice_is_applying_it_once(self, target_case):
        (plan,) = await preview(target_case.scope, target_case.desired, [target_case.target])
        assert {action.verb for action in plan} == {Verb.CREATE}
        for action in plan:
            await target_case.target.apply(action)
            await target_case.target.apply(action)
        assert await pending(target_case, target_case.desired) == []
        assert len(await target_case.target.observe(target_case.scope)) == len(target_case.desired)

    async def test_a_change_is_written_once(self, target_case):
        assert (await converge(target_case, target_case.desired)).failure is None
        await target_case.prepare_change()
        report = await converge(target_case, target_case.changed)
        assert report.failure is None
        assert 1 <= report.written <= len(target_case.changed)
        assert {outcome.action.verb for outcome in report.outcomes} == {Verb.UPDATE}
        assert await pending(target_case, target_case.changed) == []

    async def test_what_is_no_longer_declared_goes_and_what_is_not_ours_stays(self, target_case):
        await converge(target_case, target_case.desired)
        report = await converge(target_case, {})
        assert report.failure is None
        assert report.written == len(target_case.desired)
        assert await target_case.target.observe(target_case.scope) == {}
        assert await target_case.foreign_remains()

    async def test_deleting_what_is_gone_is_no_error(self, target_case):
        await converge(target_case, target_case.desired)
        (plan,) = await preview(target_case.scope, {}, [target_case.target])
        for action in plan:
            await target_case.target.apply(action)
            await target_case.target.apply(action)
        assert await target_case.target.observe(target_case.scope) == {}
        assert await target_case.foreign_remains()

    async def test_what_went_can_come_back(self, target_case):
        await converge(target_case, target_case.desired)
        await converge(target_case, {})
        report = await converge(target_case, target_case.desired)
        assert report.failure is None
        assert await pending(target_case, target_case.desired) == []

    async def test_another_scope_does_not_see_it(self, target_case):
        await converge(target_case, target_case.desired)
        assert await target_case.target.observe("product_somebody-else") == {}
