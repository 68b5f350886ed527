"""Looks at a code host in memory, with a bucket in memory: what becomes a delivery, and when not."""

from datetime import UTC, datetime

import pytest
import structlog

from nautes_adapters.memory import MemoryCodeHost
from nautes_domain.events import DeliveryKind
from nautes_domain.failures import Retry
from nautes_domain.snapshot import IndexedProject
from nautes_reconciler.missed import CATCH_UP, MissedPushes
from support.gitlab_payloads import INSTANCE, ZERO, delivered, push

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Kept:
    """One key-value bucket with revisions, as `Bucket` promises."""

    def __init__(self):
        self.rows = {}
        self.races = 0

    async def entry(self, key):
        return self.rows.get(key)

    async def create(self, key, record):
        return await self.update(key, record, 0)

    async def update(self, key, record, revision):
        if self.races or (self.rows[key][1] if key in self.rows else 0) != revision:
            self.races = max(0, self.races - 1)
            raise Retry("somebody else changed it meanwhile", code="conflict")
        self.rows[key] = (record, revision + 1)
        return revision + 1


class Projects:
    """The index, of what is asked for here."""

    def __init__(self, *projects):
        self._projects = projects

    async def projects(self):
        return {("orchard", one.path): IndexedProject(project_id=one.id, group="orchard", name="x", path=one.path)
                for one in self._projects}  # fmt: skip


class Bus:
    """Keeps deliveries once per id, as the stream does."""

    def __init__(self):
        self.stored = {}

    async def deliver(self, delivery):
        return self.stored.setdefault(delivery.id, delivery) is delivery


class World:
    def __init__(self):
        self.host, self.kept, self.bus = MemoryCodeHost(), Kept(), Bus()
        for number in range(15):
            self.project = self.host.add_project(f"orchard/p{number}")
        self.missed = self.replica()

    def replica(self, host=None):
        host = host or self.host
        log = structlog.get_logger()
        return MissedPushes(
            host, Projects(self.project), self.kept, self.bus, INSTANCE, now=lambda: NOW, log=log
        )

    def commit(self, branch="main"):
        return self.host.commit(
            self.project.id, branch, {f"{len(self.bus.stored)}": branch.encode()}, message=branch
        )


@pytest.fixture
def world():
    return World()


async def test_a_missed_push_becomes_one_delivery_however_many_replicas_look(world):
    before = world.commit()
    await world.missed.look()
    after = world.host.commit(world.project.id, "main", {"more": b"1"})
    other = world.replica()
    for replica in (world.missed, other, world.missed, other, world.missed):
        await replica.look()
    (found,) = world.bus.stored.values()
    assert (found.hook, found.kind, found.ref) == (CATCH_UP, DeliveryKind.PUSH, "refs/heads/main")
    assert (found.before, found.after, found.checkout_sha) == (before, after, after)
    assert found.project_id == world.project.id


async def test_it_has_the_content_of_the_delivery_that_did_not_come(world):
    before = world.commit()
    await world.missed.look()
    after = world.host.commit(world.project.id, "main", {"more": b"1"})
    for _ in range(2):
        await world.missed.look()
    (found,) = world.bus.stored.values()
    told = delivered(push(before=before, after=after))
    assert found.content_key == told.content_key
    assert not await world.missed.was_heard(found)
    await world.missed.heard(told)
    assert await world.missed.was_heard(found)
    assert not await world.missed.was_heard(told)


async def test_what_was_told_is_not_missed(world):
    before = world.commit()
    await world.missed.look()
    after = world.host.commit(world.project.id, "main", {"more": b"1"})
    await world.missed.look()
    await world.missed.heard(delivered(push(before=before, after=after)))
    for _ in range(3):
        await world.missed.look()
    assert world.bus.stored == {}


async def test_nothing_of_the_time_before_the_first_look_is_missed(world):
    world.commit()
    for _ in range(3):
        await world.missed.look()
    assert world.bus.stored == {}


async def test_what_is_heard_first_is_the_first_look_so_that_nothing_after_it_is_missed(world):
    after = world.commit()
    await world.missed.heard(delivered(push(before=ZERO, after=after)))
    untold = world.commit("many")
    for _ in range(3):
        await world.missed.look()
    assert [(one.ref, one.after) for one in world.bus.stored.values()] == [("refs/heads/many", untold)]


async def test_a_project_is_met_when_it_is_provisioned_so_that_its_very_first_push_is_no_old_one(world):
    world.commit()  # our own, with which a project begins
    await world.missed.meet(world.project.id)
    untold = {f"refs/heads/{branch}": world.commit(branch) for branch in ("a", "b", "c", "d")}
    await world.missed.meet(world.project.id)  # as after a restart before it counted as known
    for _ in range(3):
        await world.missed.look()
    assert {one.ref: one.after for one in world.bus.stored.values()} == untold


async def test_two_replicas_that_meet_a_project_at_once_agree(world):
    world.commit()
    world.kept.races = 1
    await world.missed.meet(world.project.id)
    await world.missed.meet(world.project.id)
    assert len(world.kept.rows) == 1


async def test_a_lost_race_is_run_again_and_a_host_that_is_away_ends_the_look(world):
    before = world.commit()
    await world.missed.look()
    world.kept.races = 2
    await world.missed.heard(delivered(push(before=before, after="b" * 40)))
    assert next(iter(world.kept.rows.values()))[0].seen["refs/heads/main"] == "b" * 40
    world.kept.races = 9
    with pytest.raises(Retry):
        await world.missed.heard(delivered(push(before=before, after="c" * 40)))

    class Away(MemoryCodeHost):
        async def heads(self, project_id):
            raise Retry(f"no answer about {project_id}", code="gitlab-unavailable")

    await world.replica(Away()).look()
    assert world.bus.stored == {}
