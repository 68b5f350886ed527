"""Runs through the API: who sees which, what is asked for, and that what is hidden looks like what is not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_api_server.routes.runs import folded
from nautes_domain.effects import Cause
from nautes_domain.events import DeliveryKind, Fact
from nautes_domain.runs import RunPhase, rank
from support.api_server import World

CAUSE = Cause(delivery="d-1")
SCOPE = "product_orchard"


def fact(name, phase):
    data = {"runtime": "apple-ci", "phase": phase}
    return Fact(kind="run", verb="told", scope=SCOPE, name=name, by="reconciler", cause=CAUSE, data=data)


@pytest.fixture(scope="module")
def shared():
    return World()


@pytest.fixture
def world(shared):
    shared.reset()
    shared.news.run("apple-ci-1", "running")
    shared.news.run("apple-ci-2")
    shared.news.run("pear-1", scope="product_vineyard")
    return shared


async def test_runs_are_listed_newest_first_for_whoever_sees_the_product(world):
    answer = await world.call("GET", "/products/orchard/runs", token="guest")
    assert [(one["name"], one["phase"]) for one in answer.json()["items"]] == [
        ("apple-ci-2", "pending"), ("apple-ci-1", "running"),
    ]  # fmt: skip
    one = await world.call("GET", "/products/orchard/runs/apple-ci-1", token="guest")
    assert (one.json()["pipeline"], one.json()["product"]) == ("build", "orchard")
    none = await world.call("GET", "/products/orchard/runs?commit=ffff", token="guest")
    assert none.json()["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/apple-ci-1", None),
        ("POST", "", {"runtime": "apple-ci"}),
        ("POST", "/apple-ci-1/cancel", None),
        ("POST", "/apple-ci-1/retry", None),
    ],
)
async def test_a_product_that_is_hidden_looks_like_one_that_is_not_there(world, method, path, body):
    hidden = await world.call(method, f"/products/orchard/runs{path}", body, token="stranger")
    absent = await world.call(method, f"/products/orchard-not/runs{path}", body, token="stranger")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("orchard", "x") == absent.text.replace("orchard-not", "x").replace(
        "orchard", "x"
    )
    assert world.news.asked == []


@pytest.mark.parametrize("who", ["guest", "reporter"])
async def test_below_developer_nothing_is_asked_for(world, who):
    for path, body in (
        ("", {"runtime": "apple-ci"}),
        ("/apple-ci-1/cancel", None),
        ("/apple-ci-1/retry", None),
    ):
        answer = await world.call("POST", f"/products/orchard/runs{path}", body, token=who)
        assert answer.status_code == 403
    assert world.news.asked == []


async def test_what_a_developer_asks_for_is_stored_with_who_asks_and_answered(world):
    body = {"runtime": "apple-ci", "pipeline": "build", "branch": "feature/x"}
    answer = await world.call("POST", "/products/orchard/runs", body, token="developer")
    (asked,) = world.news.asked
    assert (asked.kind, asked.action, asked.about, asked.title) == (
        DeliveryKind.REQUEST,
        "start",
        "apple-ci",
        "build",
    )
    assert (asked.actor, asked.ref, asked.project) == (
        "developer",
        "refs/heads/feature/x",
        "orchard/apple-api-src",
    )
    assert answer.status_code == 200
    assert (answer.json()["decided"], answer.json()["considered"][0]["run"]) == (True, "apple-ci-9")


async def test_a_runtime_that_is_not_declared_and_a_field_that_is_unknown_are_refused(world):
    answer = await world.call("POST", "/products/orchard/runs", {"runtime": "none"}, token="developer")
    assert answer.status_code == 404
    answer = await world.call(
        "POST", "/products/orchard/runs", {"runtime": "apple-ci", "x": 1}, token="developer"
    )
    assert answer.status_code == 400
    assert (
        await world.call("POST", "/products/orchard/runs/none/cancel", token="developer")
    ).status_code == 404
    assert world.news.asked == []


phases = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(list(RunPhase))), max_size=12)


@given(phases)
def test_a_run_never_goes_back_whatever_is_told_twice_or_late(told):
    found = folded([fact(name, phase.value) for name, phase in told], SCOPE)
    assert found.keys() == {name for name, _ in told}
    for name, view in found.items():
        assert rank(view.phase) == max(rank(phase) for other, phase in told if other == name)
