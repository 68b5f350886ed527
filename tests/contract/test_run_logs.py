"""What every pipeline engine shows of what a run wrote, and what it says where there is nothing to show."""

import asyncio
from contextlib import aclosing

import pytest

from nautes_domain.failures import Blocked, Rejected
from nautes_domain.run_logs import GONE, NO_SUCH_PART, NOT_YET, LogQuery
from nautes_domain.runs import RunPhase
from support.engines import OURS, built, in_memory, on_gitlab_ci, on_tekton
from support.gitlab_ci import ci_world
from support.local_cluster import clusters
from support.log_writers import gitlab_ci_writer, memory_writer, tekton_writer


@pytest.fixture(params=["memory", "tekton", "gitlab-ci"])
async def writer(request, tmp_path):
    """Plays what runs a run: it begins the task `unit`, writes lines of it, and ends the run."""
    if request.param == "memory":
        yield memory_writer(await in_memory(), OURS)
    elif request.param == "gitlab-ci":
        async with ci_world(request.getfixturevalue("forge"), tmp_path) as ci:
            yield gitlab_ci_writer(on_gitlab_ci(ci), ci, OURS)
    else:
        async with clusters(tmp_path) as start:
            client = await start(kubelet=True)
            yield tekton_writer(await on_tekton(client), client, OURS)


async def state_of(writer):
    (run,) = await writer.engine.runs_of("orchard", "apple-ci", "apple-ci")
    return run


async def started(writer):
    assert await writer.engine.start(OURS, built(writer.harness, OURS)) is True
    return await state_of(writer)


async def shown(writer, run, **query):
    async with aclosing(writer.engine.logs(run, LogQuery(**query))) as lines:
        return [line async for line in lines]


async def test_what_was_written_is_shown_in_order_with_its_task(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write("compiling", "linking: ünïcode")
    lines = await shown(writer, run)
    assert [line.text for line in lines] == ["compiling", "linking: ünïcode"]
    assert {line.task for line in lines} == {"unit"}
    assert len({line.step for line in lines}) == 1


async def test_only_the_last_lines_if_so_many_are_wanted(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write(*(f"line {number}" for number in range(9)))
    assert [line.text for line in await shown(writer, run, tail=2)] == ["line 7", "line 8"]
    assert await shown(writer, run, tail=0) == []


async def test_followed_it_waits_for_the_begin_and_ends_with_the_run(writer):
    run = await started(writer)
    found = []

    async def follow():
        async with aclosing(writer.engine.logs(run, LogQuery(follow=True))) as lines:
            async for line in lines:
                found.append(line.text)
                came.set()

    came = asyncio.Event()
    following = asyncio.create_task(follow())
    await writer.begin()
    await writer.write("one")
    async with asyncio.timeout(30):
        await came.wait()
        assert found == ["one"]
        await writer.write("two", "three")
        await writer.end(RunPhase.SUCCEEDED)
        await following
    assert found == ["one", "two", "three"]


async def test_what_ended_already_is_shown_to_its_end_and_no_more_is_waited_for(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write("one", "two")
    await writer.end(RunPhase.FAILED)
    async with asyncio.timeout(30):
        lines = await shown(writer, run, follow=True)
    assert [line.text for line in lines] == ["one", "two"]


async def test_one_that_has_not_begun_says_so(writer):
    run = await started(writer)
    with pytest.raises(Blocked) as raised:
        await shown(writer, run)
    assert raised.value.code == NOT_YET
    assert "-f" in str(raised.value)


async def test_one_that_is_gone_says_so(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write("one")
    await writer.harness.remove(OURS)
    for follow in (False, True):
        with pytest.raises(Rejected) as raised:
            await shown(writer, run, follow=follow)
        assert raised.value.code == GONE


async def test_a_run_that_ended_without_a_step_is_not_waited_for(writer):
    run = await started(writer)
    await writer.harness.move(OURS, RunPhase.CANCELLED)
    async with asyncio.timeout(30):
        with pytest.raises(Rejected) as raised:
            await shown(writer, run, follow=True)
    assert raised.value.code == GONE


async def test_a_task_that_there_is_not_is_told_with_those_that_there_are(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write("one")
    assert [line.text for line in await shown(writer, run, task="unit")] == ["one"]
    with pytest.raises(Rejected) as raised:
        await shown(writer, run, task="deploy")
    assert raised.value.code == NO_SUCH_PART
    assert "unit" in str(raised.value)


async def test_whoever_leaves_is_read_for_no_longer(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write("one")
    async with asyncio.timeout(30), aclosing(writer.engine.logs(run, LogQuery(follow=True))) as lines:
        async for line in lines:
            assert line.text == "one"
            break
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("logs of")]


async def test_lines_are_bounded_and_a_terminal_is_safe_from_them(writer):
    run = await started(writer)
    await writer.begin()
    await writer.write("a" * 20_000, "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2Jx", "10 %\r20 %\rdone")
    lines = await shown(writer, run)
    assert len(lines[0].text) < 9_000
    assert lines[0].text.endswith("[…]")
    assert [line.text for line in lines[1:]] == ["\x1b[31mred\x1b[0mx", "done"]
