"""The scope worker on a real bus: requests coalesce, effects are recorded once, statuses tell the truth."""

import asyncio
from datetime import timedelta

import pytest

from nautes_domain.effects import Cause, Result
from nautes_domain.failures import Blocked, Rejected, Retry, Violation
from nautes_domain.plan import Budget, Ref, Verb, Wanted
from nautes_runtime import reading
from nautes_runtime.scopes import Assignment, ScopeWorker
from support.runtime import TENANT, running, until

pytestmark = pytest.mark.usefixtures("emptied")

SCOPE = "product_orchard"
APPLE = Ref("shelf", "Thing", "apple")


class Shelf:
    """A system of our own that keeps objects in a dict."""

    system = "shelf"
    kinds = ("Thing",)

    def __init__(self):
        self.things = {}
        self.refusal = None

    async def observe(self, _scope):
        return dict(self.things)

    async def apply(self, action):
        if self.refusal is not None:
            raise self.refusal
        if action.verb is Verb.DELETE:
            self.things.pop(action.ref, None)
        else:
            self.things[action.ref] = action.after


def cause(name="d1"):
    return Cause(delivery=name, repository="orchard/default.project", commit="c1")


def working(assign, workers):
    async def build(context):
        workers.append(ScopeWorker(context, "svc", assign))

    return build


def apples(shelf, **more):
    async def assign(_scope, _cause):
        return Assignment(
            {APPLE: Wanted({"size": 1}, "declared", "thing/apple")}, [shelf], commit="c1", **more
        )

    return assign


async def status(context):
    return await context.buckets.status.get(f"svc.{SCOPE}")


async def reaches(context, result):
    async def wait():
        while (found := await status(context)) is None or found.result is not result:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return found

    return await asyncio.wait_for(wait(), 30)


async def recorded(context):
    return [one async for one in reading.effects(context.js, TENANT)]


async def test_what_is_declared_is_done_once_recorded_once_and_reported(server):
    shelf, workers, reports = Shelf(), [], []

    async def finished(report, because):
        reports.append((report.written, because.delivery))

    async with running(server.url, working(apples(shelf, finished=finished), workers)) as one:
        await workers[0].request(SCOPE, "pushed", cause())
        found = await reaches(one.context, Result.DONE)
        assert (found.written, found.unchanged, found.commit, found.cause) == (1, 0, "c1", cause())
        await workers[0].request(SCOPE, "pushed again", cause("d2"))
        await until(lambda: len(reports) == 2, "the second reconcile")
        (effect,) = await recorded(one.context)
    assert reports == [(1, "d1"), (0, "d2")]
    assert (effect.object, effect.verb, effect.scope, effect.result) == (
        "shelf Thing apple", "create", SCOPE, Result.DONE,
    )  # fmt: skip
    assert effect.cause == cause()


async def test_a_scope_of_which_nothing_is_left_has_no_status(server):
    shelf, workers, gone = Shelf(), [], []

    async def assign(scope, because):
        if not gone:
            return await apples(shelf)(scope, because)
        return Assignment({}, [shelf], budget=Budget(everything=True), gone=True)

    async with running(server.url, working(assign, workers)) as one:
        await workers[0].request(SCOPE, "pushed", cause())
        await reaches(one.context, Result.DONE)
        gone.append(True)
        shelf.refusal = Rejected("still in use")
        await workers[0].request(SCOPE, "removed", cause("d2"))
        assert (await reaches(one.context, Result.REJECTED)).message == "still in use"
        shelf.refusal = None
        await workers[0].request(SCOPE, "removed again", cause("d3"))
        async with asyncio.timeout(30):
            while await status(one.context) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert shelf.things == {}


async def test_a_thousand_requests_for_one_scope_are_few_reconciles_and_the_last_one_counts(server):
    gate, seen, workers = asyncio.Event(), [], []

    async def assign(_, because):
        seen.append(because.delivery)
        await gate.wait()
        return Assignment({}, [])

    async with running(server.url, working(assign, workers)) as one:
        await workers[0].request(SCOPE, "first", cause("first"))
        await until(lambda: seen, "the first reconcile")
        for number in range(200):
            await workers[0].request(SCOPE, "again", cause(f"d{number}"))
        gate.set()
        await until(lambda: seen[-1] == "d199", "the last request")
        await reaches(one.context, Result.DONE)
    assert len(seen) < 10
    assert seen[0] == "first"


async def test_two_reconciles_of_one_scope_never_overlap(server):
    inside, overlaps, runs, workers = [], [], [], []

    async def assign(scope, because):
        overlaps.extend(inside)
        inside.append(scope)
        runs.append(because.delivery)
        await asyncio.sleep(0.05)
        inside.remove(scope)
        return Assignment({}, [])

    build = working(assign, workers)
    async with running(server.url, build), running(server.url, build):
        for number in range(20):
            await workers[number % 2].request(SCOPE, "again", cause(f"d{number}"))
            await asyncio.sleep(0.02)
        await until(lambda: runs and runs[-1] == "d19", "the last request")
    assert overlaps == []


async def test_who_is_blocked_says_so_and_goes_on_when_it_no_longer_is(server):
    shelf, workers = Shelf(), []
    shelf.refusal = Blocked(
        "its namespace is not there", by="namespace/orchard", after=timedelta(seconds=0.1)
    )
    async with running(server.url, working(apples(shelf), workers)) as one:
        await workers[0].request(SCOPE, "pushed", cause())
        found = await reaches(one.context, Result.BLOCKED)
        assert "its namespace is not there" in found.message
        # More failures than a message has deliveries: the request is not given up.
        first = await one.context.js.get_last_msg("WORK", one.context.subjects.work("svc", SCOPE))
        for _ in range(500):
            last = await one.context.js.get_last_msg("WORK", one.context.subjects.work("svc", SCOPE))
            if last.seq >= first.seq + 2:
                break
            await asyncio.sleep(0.02)
        assert last.seq >= first.seq + 2
        assert (last.headers or {})["nautes-cause"] == "d1"
        shelf.refusal = None
        await reaches(one.context, Result.DONE)
        assert [effect.result for effect in await recorded(one.context)] == [Result.BLOCKED, Result.DONE]
        assert [dead async for dead in reading.dead(one.context.js, TENANT)] == []


async def test_what_is_refused_stands_in_the_status_and_is_not_tried_again(server):
    tries, workers = [], []
    violation = Violation("projects/a.yaml", 3, "Project", "a", "spec.name", "label", "not a name")

    async def assign(scope, _):
        tries.append(scope)
        raise Rejected("1 violation", [violation], code="invalid")

    async with running(server.url, working(assign, workers)) as one:
        await workers[0].request(SCOPE, "pushed", cause())
        found = await reaches(one.context, Result.REJECTED)
        await until(lambda: tries, "a try")
        info = await one.context.js.consumer_info("WORK", "svc-work")
        while info.num_ack_pending or info.num_pending:
            await asyncio.sleep(0.02)
            info = await one.context.js.consumer_info("WORK", "svc-work")
        assert [dead async for dead in reading.dead(one.context.js, TENANT)] == []
    assert (found.code, found.commit) == ("invalid", "c1")
    assert [(one.file, one.line) for one in found.violations] == [("projects/a.yaml", 3)]
    assert len(tries) == 1


async def test_too_many_deletions_are_refused_and_nothing_is_deleted(server):
    shelf, workers = Shelf(), []
    shelf.things = {Ref("shelf", "Thing", str(number)): {} for number in range(30)}

    async def assign(_scope, _cause):
        return Assignment({}, [shelf], Budget())

    async with running(server.url, working(assign, workers)) as one:
        await workers[0].request(SCOPE, "pushed", cause())
        assert (await reaches(one.context, Result.REJECTED)).code == "deletion-budget"
        assert await recorded(one.context) == []
    assert len(shelf.things) == 30


async def test_what_finishing_raises_counts(server):
    workers, tries = [], []

    async def finished(report, _):
        tries.append(report)
        if len(tries) == 1:
            raise Retry("the fact was not stored", after=timedelta(seconds=0.1))

    async with running(server.url, working(apples(Shelf(), finished=finished), workers)) as one:
        await workers[0].request(SCOPE, "pushed", cause())
        await until(lambda: len(tries) == 2, "the second try")
        await reaches(one.context, Result.DONE)


async def test_a_resync_asks_for_every_scope_at_the_start(server):
    seen = []

    async def assign(scope, because):
        seen.append((scope, because.delivery.split()[0]))
        return Assignment({}, [])

    async def scopes():
        return ["tenant", SCOPE]

    async def build(context):
        ScopeWorker(context, "svc", assign).resync(0.2, scopes)

    async with running(server.url, build):
        await until(lambda: {("tenant", "startup"), (SCOPE, "startup")} <= set(seen), "the start")
        await until(lambda: {("tenant", "resync"), (SCOPE, "resync")} <= set(seen), "a resync")
