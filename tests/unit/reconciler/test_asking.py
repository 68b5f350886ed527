"""What is found out about a delivery on a code host in memory."""

import pytest

from nautes_adapters.memory import MemoryCodeHost
from nautes_domain.events import DeliveryKind
from nautes_domain.failures import Retry
from nautes_domain.triggers.facts import NEW, NOT_SAID, TAG
from nautes_reconciler.asking import NOT_ASKED, FactFinder
from support.examples import changed, orchard, tenant
from support.gitlab_payloads import ZERO, created, deleted, delivered, merge_request, push, tag

FILE = "projects/apple-api/apple-ci.yaml"
SOURCES = "events: [push_events, tag_push_events, merge_requests_events, job_events], paths: [src]"
FILTERED = orchard({FILE: changed()[FILE].decode().replace("events: [push_events]", SOURCES)})


class Lost(MemoryCodeHost):
    """A host that is there, except for comparisons."""

    async def changed_paths(self, *_, **__):
        raise Retry("it timed out")


@pytest.fixture
def host():
    return MemoryCodeHost()


@pytest.fixture
def project(host):
    """Project 15, as the payloads name it."""
    for number in range(1, 16):
        project = host.add_project(f"orchard/p{number}")
    return project


async def facts(host, payload, catalog=FILTERED):
    async def declared():
        return tenant()

    return await FactFinder(host, declared).facts(delivered(payload), catalog, "apple-api-src")


async def test_paths_of_a_push_are_those_between_its_two_ends(host, project):
    before = host.commit(project.id, "main", {"a": b"1"})
    host.commit(project.id, "main", {"src/first": b"1"})
    for number in range(24):
        after = host.commit(project.id, "main", {f"docs/{number}": b"1"})
    found = await facts(host, push(before=before, after=after))
    assert "src/first" in found.changed
    assert len(found.changed) == 25
    assert found.own_account == "nautes"


async def test_paths_of_a_merge_request_are_all_that_it_would_bring(host, project):
    base = host.commit(project.id, "main", {"a": b"1"})
    host.commit(project.id, "feature", {"src/a": b"1"}, start=base)
    head = host.commit(project.id, "feature", {"src/b": b"1"})
    host.commit(project.id, "main", {"elsewhere": b"1"})
    found = await facts(host, merge_request(last_commit={"id": head, "message": "m"}))
    assert found.changed == ("src/a", "src/b")


@pytest.mark.parametrize(
    ("payload", "unknown"),
    [
        (created("idea"), NEW),
        (push("idea", before=ZERO), NEW),
        (tag(), TAG),
        (push(before="1" * 40), NOT_SAID),
        (merge_request(target_branch="gone"), NOT_SAID),
        (deleted("main"), NOT_ASKED),
    ],
)
async def test_why_paths_are_not_known(host, project, payload, unknown):
    host.commit(project.id, "main", {"a": b"1"})
    found = await facts(host, payload)
    assert (found.changed, found.unknown) == (None, unknown)


async def test_nobody_is_asked_when_nobody_wants_to_know(host):
    found = await facts(host, push(), orchard())
    assert (found.changed, found.unknown) == (None, NOT_ASKED)


async def test_a_comparison_that_fails_lets_pass_and_says_so():
    found = await facts(Lost(), push())
    assert found.changed is None
    assert found.unknown == "the code host did not compare: it timed out"


async def test_the_message_is_read_where_the_payload_does_not_list_the_head(host, project):
    commit = host.commit(project.id, "main", {"a": b"1"}, message="Docs [skip ci]")
    assert (await facts(host, created("idea", after=commit))).message_skips
    listed = push(after=commit, commits=[{"id": commit, "message": "m"}])
    assert not (await facts(host, listed)).message_skips
    assert not (await facts(host, created("idea", after="1" * 40))).message_skips
    assert delivered(created("idea")).kind is DeliveryKind.PUSH
