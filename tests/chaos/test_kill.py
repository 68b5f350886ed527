"""Services and servers are killed while pushes come in: nothing is lost, nothing is done twice."""

import random
import time

import pytest

from support.platform import running_platform, settled
from support.processes import wait_until

SOURCE = "orchard/apple-api-src"


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with running_platform(tmp_path_factory.mktemp("platform"), "chaos") as running:
        yield running


def push_some(platform, count, *, between=lambda _: None):
    commits = []
    for number in range(count):
        commits.append(
            platform.push(SOURCE, {"src/counter.txt": f"{time.monotonic_ns()}\n"}, f"Push {number}")
        )
        between(number)
    return commits


def every_run_exactly_once(platform, commits):
    missing = [commit for commit in commits if not platform.runs_of(commit)]
    wait_until(
        lambda: all(platform.runs_of(commit) for commit in missing),
        timeout=90,
        every=0.5,
        what="a run of every commit",
    )
    wait_until(
        lambda: all(platform.decision(commit) for commit in commits), timeout=60, every=0.5, what="decisions"
    )
    assert {commit: len(platform.runs_of(commit)) for commit in commits} == dict.fromkeys(commits, 1)


def test_a_delivery_that_was_stored_while_the_reconciler_was_dead_starts_one_run(platform):
    platform.stack.kill("reconciler", hold=True)
    commits = push_some(platform, 3)
    wait_until(lambda: len(stored(platform, commits)) == 3, what="three stored deliveries")
    assert all(not platform.runs_of(commit) for commit in commits)
    platform.stack.release("reconciler")
    every_run_exactly_once(platform, commits)


def test_the_reconciler_killed_again_and_again_between_delivery_and_effect(platform):
    dice = random.Random(7)

    def kill(_):
        time.sleep(dice.uniform(0, 0.25))  # somewhere between delivery, run and acknowledgement
        platform.stack.kill("reconciler")
        platform.stack.wait_healthy(parts=["reconciler"])

    commits = push_some(platform, 6, between=kill)
    every_run_exactly_once(platform, commits)


def test_a_killed_bus_loses_nothing_that_was_pushed(platform):
    platform.stack.kill("nats", hold=True)
    commits = push_some(platform, 2)
    platform.stack.release("nats")
    platform.stack.wait_healthy(60)
    commits += push_some(platform, 2)
    every_run_exactly_once(platform, commits)
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")


def test_pushes_that_found_no_gateway_are_answered_late_instead_of_never(platform):
    """GitLab repeats no call; the reconciler finds what failed and has it sent again."""
    platform.stack.kill("webhook-gateway", hold=True)
    commits = push_some(platform, 3)  # with a fourth failure GitLab would rest the hook for a minute
    platform.stack.release("webhook-gateway")
    every_run_exactly_once(platform, commits)


def stored(platform, commits):
    return [one for one in platform.api.get("/deliveries")["items"] if one["after"] in commits]
