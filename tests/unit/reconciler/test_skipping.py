"""Statuses of skipped runtimes: written once, never over another, and a refusal is told."""

from datetime import UTC, datetime

import pytest

from nautes_adapters.memory import MemoryCodeHost
from nautes_domain.capabilities import CommitState, CommitStatus
from nautes_domain.effects import Considered
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Rejected
from nautes_domain.triggers import Match
from nautes_reconciler.skipping import Skipping

NAME, WORDS = "nautes/apple-ci", "none of the changed paths lies below src"
PASSED = Considered(
    product="orchard", runtime="apple-ci", trigger="code→build", fired=False, reason=WORDS, skipped=True
)
FOUND = Match(passed_over=(PASSED,))


@pytest.fixture
def world():
    host = MemoryCodeHost()
    project = host.add_project("orchard/apple-api-src").id
    commit = host.commit(project, "main", {"README.md": b"1"})
    delivery = Delivery(
        id="d1", hook="h", kind=DeliveryKind.PUSH, event="Push Hook", project_id=project,
        project="orchard/apple-api-src", ref="refs/heads/main", before="a" * 40, after=commit, checkout_sha=commit,
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    return host, delivery, Skipping(host, lambda: 0.0)


async def test_the_commit_says_that_it_was_skipped_and_why(world):
    host, delivery, skipping = world
    ((considered, outcome),) = await skipping.show(delivery, FOUND)
    status = await host.status(delivery.project_id, delivery.checkout_sha, NAME)
    assert (status.state, status.description, status.ref) == (CommitState.SKIPPED, WORDS, "main")
    assert considered == PASSED
    assert outcome.failure is None
    assert outcome.action.ref.system == "gitlab"


async def test_told_of_twice_it_is_said_once(world):
    _, delivery, skipping = world
    assert len(await skipping.show(delivery, FOUND)) == 1
    assert await skipping.show(delivery, FOUND) == []


@pytest.mark.parametrize("state", CommitState)
async def test_a_status_that_stands_there_is_left_alone(world, state):
    host, delivery, skipping = world
    stands = CommitStatus(state, NAME, "PipelineRun apple-ci-1", "main")
    await host.set_status(delivery.project_id, delivery.checkout_sha, stands)
    assert await skipping.show(delivery, FOUND) == []
    assert await host.status(delivery.project_id, delivery.checkout_sha, NAME) == stands


async def test_a_long_reason_is_cut(world):
    host, delivery, skipping = world
    await skipping.show(delivery, Match(passed_over=(PASSED.model_copy(update={"reason": "x" * 400}),)))
    status = await host.status(delivery.project_id, delivery.checkout_sha, NAME)
    assert len(status.description) == 255


async def test_a_refusal_is_told(world):
    _, delivery, skipping = world
    ((_, outcome),) = await skipping.show(delivery.model_copy(update={"checkout_sha": "f" * 40}), FOUND)
    assert isinstance(outcome.failure, Rejected)
