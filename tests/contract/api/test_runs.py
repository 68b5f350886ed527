"""Runs through the API: who sees which, what is asked for, and that what is hidden looks like what is not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_api_server.known_runs import KnownRuns, folded
from nautes_domain.effects import Cause
from nautes_domain.events import DeliveryKind, Fact
from nautes_domain.runs import RunPhase, rank
from support.api_server import World

CAUSE = Cause(delivery="d-1")
SCOPE = "product_orchard"


def fact(name, phase):
    data = {"runtime": "apple-ci", "phase": phase}
    return Fact(kind="run", verb="told", scope=SCOPE, name=name, by="reconciler", cause=CAUSE, data=data)


@pytest.fixture
def told(world):
    """The API with runs that were told of."""
    world.news.run("apple-ci-1", "running")
    world.news.run("apple-ci-2")
    world.news.run("pear-1", scope="product_vineyard")
    return world


async def test_runs_are_listed_newest_first_for_whoever_sees_the_product(told):
    answer = await told.call("GET", "/products/orchard/runs", token="guest")
    assert [(one["name"], one["phase"]) for one in answer.json()["items"]] == [
        ("apple-ci-2", "pending"), ("apple-ci-1", "running"),
    ]  # fmt: skip
    one = await told.call("GET", "/products/orchard/runs/apple-ci-1", token="guest")
    assert (one.json()["pipeline"], one.json()["product"]) == ("build", "orchard")
    none = await told.call("GET", "/products/orchard/runs?commit=ffff", token="guest")
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
async def test_a_product_that_is_hidden_looks_like_one_that_is_not_there(told, method, path, body):
    hidden = await told.call(method, f"/products/orchard/runs{path}", body, token="stranger")
    absent = await told.call(method, f"/products/orchard-not/runs{path}", body, token="stranger")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("orchard", "x") == absent.text.replace("orchard-not", "x").replace(
        "orchard", "x"
    )
    assert told.news.asked == []


@pytest.mark.parametrize("who", ["guest", "reporter"])
async def test_below_developer_nothing_is_asked_for(told, who):
    for path, body in (
        ("", {"runtime": "apple-ci"}),
        ("/apple-ci-1/cancel", None),
        ("/apple-ci-1/retry", None),
    ):
        answer = await told.call("POST", f"/products/orchard/runs{path}", body, token=who)
        assert answer.status_code == 403
    assert told.news.asked == []


async def test_what_a_developer_asks_for_is_stored_with_who_asks_and_answered(told):
    body = {"runtime": "apple-ci", "pipeline": "build", "branch": "feature/x"}
    answer = await told.call("POST", "/products/orchard/runs", body, token="developer")
    (asked,) = told.news.asked
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


async def test_a_runtime_that_is_not_declared_and_a_field_that_is_unknown_are_refused(told):
    answer = await told.call("POST", "/products/orchard/runs", {"runtime": "none"}, token="developer")
    assert answer.status_code == 404
    answer = await told.call(
        "POST", "/products/orchard/runs", {"runtime": "apple-ci", "x": 1}, token="developer"
    )
    assert answer.status_code == 400
    assert (
        await told.call("POST", "/products/orchard/runs/none/cancel", token="developer")
    ).status_code == 404
    assert told.news.asked == []


phases = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(list(RunPhase))), max_size=12)


@given(phases)
def test_a_run_never_goes_back_whatever_is_told_twice_or_late(told):
    found = folded([fact(name, phase.value) for name, phase in told], "orchard")
    assert found.keys() == {name for name, _ in told}
    for name, view in found.items():
        assert rank(view.phase) == max(rank(phase) for other, phase in told if other == name)


def test_only_so_many_are_kept_in_memory_the_newest_of_each_product():
    known = KnownRuns(of_a_product=3, in_all=5)
    for number in range(5):
        known.take(fact(f"run-{number}", "pending"))
    assert list(known.of("orchard")) == ["run-2", "run-3", "run-4"]
    assert known.left_out("orchard") == 2
    for number in range(4):
        known.take(fact(f"pear-{number}", "pending").model_copy(update={"scope": "product_vineyard"}))
    kept = [len(known.of(product)) for product in ("orchard", "vineyard")]
    assert (sum(kept), list(known.of("vineyard"))[-1]) == (5, "pear-3")
    known.take(fact("run-4", "running"))
    assert known.of("orchard")["run-4"].phase is RunPhase.RUNNING


async def test_a_run_that_is_not_kept_any_more_is_found_all_the_same():
    small = World(KnownRuns(of_a_product=2))
    for number in range(3):
        small.news.run(f"run-{number}")
    listed = (await small.call("GET", "/products/orchard/runs", token="guest")).json()
    assert [one["name"] for one in listed["items"]] == ["run-2", "run-1"]
    assert listed["total"] == 4
    assert (await small.call("GET", "/products/orchard/runs/run-0", token="guest")).status_code == 200
    assert (await small.call("GET", "/products/orchard/runs/none", token="guest")).status_code == 404
    found = (await small.call("GET", "/products/orchard/runs?runtime=apple-ci", token="guest")).json()
    assert (len(found["items"]), found["total"]) == (4, 4)
