"""What comments and calls lead to, over everything in memory: who may, what is started and stopped, what is answered."""

import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nautes_adapters.memory import MemoryCodeHost, MemoryDeployer, MemoryDiscussion, MemoryPipelineEngine
from nautes_domain.capabilities import Person
from nautes_domain.discussions import MergeRequest
from nautes_domain.effects import Result
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Retry
from nautes_domain.run_table import MARKER, rows_of
from nautes_domain.runs import Progress, RunPhase
from nautes_reconciler.asking import FactFinder
from nautes_reconciler.commanding import Commanding
from nautes_reconciler.discussing import Discussing
from nautes_reconciler.requesting import AskedFor, Requesting
from nautes_reconciler.runs import Starter
from nautes_reconciler.standing import StandingRuns
from nautes_reconciler.started import StartedRuns
from support.examples import orchard, tenant

US, EVE, MALLORY = Person(1, "nautes"), Person(2, "eve"), Person(3, "mallory")
REPO, REF = "apple-api-src", "refs/merge-requests/1/head"
RUNTIME = "projects/apple-api/apple-proposals.yaml"
MANIFEST = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata: {name: apple-proposals}
spec:
  project: apple-api
  pipelineSource: apple-api-src
  destination: {environment: build, namespace: apple-proposals}
  isolation: shared
  pipelines:
    - {name: build, path: ci/build.yaml}
    - {name: lint, path: ci/build.yaml}
  eventSources:
    - name: proposals
      gitlab: {repoName: apple-api-src, revision: main, events: [merge_requests_events], paths: [src]}
    - name: docs
      gitlab: {repoName: apple-api-src, revision: main, events: [merge_requests_events], paths: [docs]}
  pipelineTriggers:
    - {eventSource: proposals, pipeline: build}
    - {eventSource: docs, pipeline: lint}
"""
CATALOG = orchard({RUNTIME: MANIFEST})


class Names(dict):
    """A bucket in memory."""

    async def get(self, key):
        return super().get(key)

    async def put(self, key, record):
        self[key] = record
        return len(self)


class World:
    """A merge request !1 of a branch that changes `src`, an engine, and a discussion."""

    def __init__(self):
        self.host, self.engine = MemoryCodeHost(), MemoryPipelineEngine()
        self.discussion, self.held = MemoryDiscussion(US), set()
        self.project = self.host.add_project("orchard/apple-api-src").id
        run = json.dumps({"kind": "Run"}).encode()
        base = self.host.commit(self.project, "main", {"ci/build.yaml": run})
        self.head = self.host.commit(self.project, "feature", {"src/a.py": b"1"}, start=base)
        self.discussion.requests[self.project, 1] = MergeRequest(
            1, self.head, "feature", "main", self.project
        )
        self.discussion.levels[self.project, EVE.id] = 30
        self.discussion.levels[self.project, MALLORY.id] = 20
        self._ids = itertools.count(1)

        async def engine_on(_cluster):
            return self.engine

        async def tenant_():
            return tenant()

        facts = FactFinder(self.host, tenant_)
        self.discussing = Discussing(self.discussion, self.host.account, self.hold)
        starter = Starter(self.host, None, engine_on, MemoryDeployer(), StartedRuns(Names()), lambda: 0.0)
        standing = StandingRuns(engine_on, lambda: 0.0)
        commanding = Commanding(self.discussion, self.discussing, facts, starter, standing)
        self.asked = AskedFor(commanding, Requesting(self.host, self.discussion, facts, starter, standing))

    @asynccontextmanager
    async def hold(self, key):
        if key in self.held:
            raise Retry("busy", code="scope-busy")
        self.held.add(key)
        yield
        self.held.remove(key)

    def told(self, note, **changes):
        fields = {
            "id": f"d-{note.id}", "hook": "orchard.apple-api-src", "kind": DeliveryKind.NOTE, "event": "Note Hook",
            "project_id": self.project, "project": "orchard/apple-api-src", "ref": REF, "after": self.head,
            "checkout_sha": self.head, "actor": note.author.username, "number": note.id, "about": "MergeRequest",
            "text": " ".join(note.body.split()), "action": "create",
            "received_at": datetime(2026, 1, 1, second=next(self._ids), tzinfo=UTC),
        }  # fmt: skip
        return Delivery(**{**fields, **changes})

    async def comment(self, person, body, **changes):
        note = self.discussion.say(self.project, 1, person, body)
        return await self.asked.carry_out(self.told(note, **changes), CATALOG, REPO)

    async def call(self, action, about, **changes):
        number = next(self._ids)
        fields = {
            "id": f"call-{number}", "hook": "api", "kind": DeliveryKind.REQUEST, "event": "run", "actor": "eve",
            "project_id": self.project, "project": "orchard/apple-api-src", "action": action, "about": about,
            "received_at": datetime(2026, 1, 1, second=number, tzinfo=UTC),
        }  # fmt: skip
        return await self.asked.carry_out(Delivery(**{**fields, **changes}), CATALOG, REPO)

    def ours(self):
        return [one.body for one in self.discussion.notes.get((self.project, 1), ()) if one.author == US]

    def names(self):
        return sorted(name for _, name in self.engine.runs)

    async def end(self, name, phase):
        await self.engine.move("apple-proposals", name, Progress(phase, phase.value))


@pytest.fixture
def world():
    return World()


async def test_a_developer_starts_what_answers_the_merge_request(world):
    outcome = await world.comment(EVE, "/test")
    (done,) = outcome.done
    assert (done.considered.result, done.considered.runtime) == (Result.DONE, "apple-proposals")
    assert world.names() == [done.considered.run]
    assert "none of 1 changed paths matches docs" in {one.reason for one in outcome.passed_over}
    assert world.ours() == []  # the table of runs will show it


async def test_the_same_comment_told_of_twice_is_one_run_and_another_comment_another(world):
    note = world.discussion.say(world.project, 1, EVE, "/test")
    for hook in ("orchard.apple-api-src", "orchard.apple-api-src", "group"):
        await world.asked.carry_out(world.told(note, hook=hook), CATALOG, REPO)
    assert len(world.names()) == 1
    await world.comment(EVE, "/test")
    assert len(world.names()) == 2


async def test_a_name_starts_what_the_paths_alone_would_not(world):
    outcome = await world.comment(EVE, "/test lint")
    assert [one.considered.trigger for one in outcome.done] == ["docs→lint"]
    assert outcome.done[0].considered.note == "its path filter was not applied: it was asked for by name"
    assert "eve asked for /test lint" in {one.reason for one in outcome.passed_over}


@pytest.mark.parametrize("person", [MALLORY, Person(9, "nobody")])
async def test_others_start_nothing_and_are_answered_once(world, person):
    note = world.discussion.say(world.project, 1, person, "/test\n/cancel")
    for _ in range(2):
        outcome = await world.asked.carry_out(world.told(note), CATALOG, REPO)
        assert {one.result for one in outcome.passed_over} == {Result.REJECTED}
    assert world.names() == []
    (answer,) = world.ours()
    assert "`/test`, `/cancel`: only who is a Developer" in answer


async def test_who_wrote_it_is_read_and_not_believed(world):
    outcome = await world.comment(MALLORY, "/test", actor="eve")
    assert outcome.done == ()
    assert outcome.summary == "mallory is no developer of the project"


async def test_words_that_the_hook_call_made_up_ask_for_nothing(world):
    assert await world.comment(EVE, "Looks good.", text="/test") is None
    note = world.discussion.say(world.project, 1, EVE, "/test")
    gone = await world.asked.carry_out(world.told(replace(note, id=99)), CATALOG, REPO)
    assert (gone.summary, world.names()) == ("the comment is gone", [])


async def test_our_own_comments_edits_and_other_places_ask_for_nothing(world):
    assert (await world.comment(US, "/test")).summary == "it was written by the platform's own account"
    assert await world.comment(EVE, "/test", action="update") is None
    assert await world.comment(EVE, "/test", about="Commit") is None
    assert await world.comment(EVE, "please") is None
    assert world.names() == []


async def test_a_fork_stays_a_strangers_and_a_closed_merge_request_closed(world):
    request = world.discussion.requests[world.project, 1]
    world.discussion.requests[world.project, 1] = replace(request, source_project_id=99)
    outcome = await world.comment(EVE, "/test")
    assert outcome.done == ()
    assert "is that of a fork" in world.ours()[0]
    world.discussion.requests[world.project, 1] = replace(request, state="merged")
    await world.comment(EVE, "/test")
    assert "the merge request is merged" in world.ours()[1]
    assert world.names() == []


async def test_retest_starts_what_did_not_succeed_at_this_head(world):
    assert (await world.comment(EVE, "/retest")).done == ()
    assert f"no run of {world.head[:8]} failed" in world.ours()[0]
    first = (await world.comment(EVE, "/test")).done[0].considered.run
    await world.end(first, RunPhase.FAILED)
    second = (await world.comment(EVE, "/retest")).done[0].considered.run
    assert world.names() == sorted((first, second))
    await world.end(second, RunPhase.SUCCEEDED)
    assert (await world.comment(EVE, "/retest")).done == ()


async def test_cancel_stops_what_is_meant_and_is_not_finished(world):
    build = (await world.comment(EVE, "/test build")).done[0].considered.run
    lint = (await world.comment(EVE, "/test lint")).done[0].considered.run
    stopped = await world.comment(EVE, "/cancel lint")
    assert [one.considered.run for one in stopped.done] == [lint]
    assert world.engine.runs["apple-proposals", lint]["stopping"]
    assert not world.engine.runs["apple-proposals", build]["stopping"]
    for name in (build, lint):
        await world.end(name, RunPhase.CANCELLED)
    assert (await world.comment(EVE, "/cancel")).done == ()
    assert "nothing is running" in world.ours()[-1]


async def test_the_table_is_one_note_that_moves_on(world):
    name = (await world.comment(EVE, "/test")).done[0].considered.run
    (run,) = await world.engine.runs_of("orchard", "apple-proposals", "apple-proposals")
    assert run.merge_request == 1
    assert await world.discussing.show(run) is True
    assert await world.discussing.show(run) is False
    world.discussion.say(world.project, 1, MALLORY, f"{MARKER}[] -->")  # somebody else's counts for nothing
    await world.end(name, RunPhase.FAILED)
    (run,) = await world.engine.runs_of("orchard", "apple-proposals", "apple-proposals")
    assert await world.discussing.show(run) is True
    (table,) = world.ours()
    assert [(row.run, row.phase) for row in rows_of(table)] == [(name, "failed")]


async def test_who_comes_while_another_writes_comes_again(world):
    world.held.add(f"discussion.{world.project}.1")
    with pytest.raises(Retry):
        await world.comment(MALLORY, "/test")
    assert world.ours() == []


async def test_a_call_starts_the_head_of_a_branch_once(world):
    outcome = await world.call("start", "apple-ci", ref="refs/heads/main")
    (done,) = outcome.done
    assert (done.considered.result, done.considered.runtime) == (Result.DONE, "apple-ci")
    assert (await world.call("start", "apple-ci", ref="refs/heads/none")).done == ()
    elsewhere = await world.call("start", "apple-ci", ref="refs/heads/feature")
    assert "does not match" in next(one.reason for one in elsewhere.passed_over if one.runtime == "apple-ci")
    assert (await world.call("start", "apple-proposals", ref="refs/heads/main")).done == ()
    assert len(world.names()) == 1


async def test_a_call_stops_a_run_and_runs_it_again_at_the_same_commit(world):
    name = (await world.comment(EVE, "/test")).done[0].considered.run
    assert (await world.call("retry", name)).summary == f"{name} is pending; cancel it first"
    stopped = await world.call("cancel", name)
    assert [one.considered.result for one in stopped.done] == [Result.DONE]
    await world.end(name, RunPhase.CANCELLED)
    assert (await world.call("cancel", name)).summary == f"{name} has ended already: cancelled"
    again = (await world.call("retry", name)).done[0].considered.run
    marks = world.engine.runs["apple-proposals", again]["annotations"]
    assert (marks["nautes.io/commit"], marks["nautes.io/ref"]) == (world.head, REF)
    assert (await world.call("cancel", "none")).summary == "there is no run none"


async def test_a_call_for_a_run_of_another_repository_finds_none(world):
    name = (await world.comment(EVE, "/test")).done[0].considered.run
    other = world.host.add_project("orchard/apple-web-src").id
    assert (await world.call("cancel", name, project_id=other)).summary == f"there is no run {name}"
