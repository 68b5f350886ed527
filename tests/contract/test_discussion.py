"""Every code host's merge requests and notes against one contract."""

from dataclasses import dataclass
from typing import Any

import gitlab
import pytest

from nautes_adapters.gitlab import GitLabDiscussion
from nautes_adapters.memory import MemoryDiscussion
from nautes_domain.capabilities import Person
from nautes_domain.discussions import MergeRequest
from nautes_domain.failures import Rejected
from support.gitlab_cases import ForgeWorld


@dataclass
class Place:
    """A merge request !1 of `feature` into main, and a developer who can write beneath it."""

    discussion: Any
    project_id: int
    head: str
    account: str
    eve: Person
    say: Any


async def in_memory():
    us, eve = Person(1, "nautes"), Person(2, "eve")
    found = MemoryDiscussion(us)
    found.requests[7, 1] = MergeRequest(1, "a" * 40, "feature", "main", 7, title="Ripen")
    found.levels[7, 2] = 30

    async def say(body):
        return found.say(7, 1, eve, body).id

    return Place(found, 7, "a" * 40, "nautes", eve, say)


async def on_gitlab(forge, folder):
    world = ForgeWorld(forge, folder)
    project = await world.add_project()
    await world.commit(project, "main", {"a": b"1"})
    head = await world.commit(project, "feature", {"b": b"1"})
    name = f"eve{project.id}"
    with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
        body = {"username": name, "name": name, "email": f"{name}@example.org", "force_random_password": True}
        user = api.users.create(body)
        token = user.personal_access_tokens.create({"name": "t", "scopes": ["api"]}).token
        shared = api.projects.get(project.id)
        shared.members.create({"user_id": user.id, "access_level": 30})
        shared.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "Ripen"})
    await world.host.close()

    async def say(body):
        with gitlab.Gitlab(forge.url, private_token=token) as theirs:
            request = theirs.projects.get(project.id).mergerequests.get(1)
            return request.notes.create({"body": body}).id

    return Place(
        GitLabDiscussion(forge.url, forge.token), project.id, head, "root", Person(user.id, name, name), say
    )


@pytest.fixture(params=["memory", "gitlab"])
async def place(request, tmp_path):
    if request.param == "memory":
        yield await in_memory()
        return
    found = await on_gitlab(request.getfixturevalue("forge"), tmp_path)
    yield found
    await found.discussion.close()


async def test_a_merge_request_is_read_as_it_stands(place):
    found = await place.discussion.merge_request(place.project_id, 1)
    assert found == MergeRequest(1, place.head, "feature", "main", place.project_id, title="Ripen")
    assert await place.discussion.merge_request(place.project_id, 2) is None


async def test_a_note_tells_who_wrote_it(place):
    number = await place.say("/test")
    note = await place.discussion.note(place.project_id, 1, number)
    assert (note.author.id, note.author.username, note.body, note.system) == (
        place.eve.id, place.eve.username, "/test", False,
    )  # fmt: skip
    assert note.created_at
    assert await place.discussion.note(place.project_id, 1, number + 1000) is None


async def test_only_notes_of_one_account_are_listed_oldest_first(place):
    first = await place.discussion.write_note(place.project_id, 1, "one")
    await place.say("theirs")
    second = await place.discussion.write_note(place.project_id, 1, "two")
    found = await place.discussion.notes_by(place.project_id, 1, place.account)
    assert [(one.id, one.body) for one in found] == [(first, "one"), (second, "two")]
    assert await place.discussion.notes_by(place.project_id, 2, place.account) == []


async def test_a_note_is_edited_in_place(place):
    number = await place.discussion.write_note(place.project_id, 1, "one")
    assert await place.discussion.write_note(place.project_id, 1, "two", note_id=number) == number
    assert (await place.discussion.note(place.project_id, 1, number)).body == "two"


async def test_what_is_not_there_is_not_written_to(place):
    with pytest.raises(Rejected):
        await place.discussion.write_note(place.project_id, 2, "x")
    with pytest.raises(Rejected):
        await place.discussion.write_note(place.project_id, 1, "x", note_id=999_999)


async def test_a_level_is_what_a_member_has_and_nothing_for_others(place):
    assert await place.discussion.access_level(place.project_id, place.eve.id) == 30
    assert await place.discussion.access_level(place.project_id, 999_999) == 0
