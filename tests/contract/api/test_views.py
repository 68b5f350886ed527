import asyncio
import json
from datetime import UTC, datetime, timedelta

from nautes_api_server.callers import KEPT, Callers
from nautes_api_server.routes.following import changes
from nautes_api_server.views import entity_state, scope_view, trace
from nautes_domain.access import Level
from nautes_domain.effects import Cause, Decision, Effect, Result, Status, ViolationRecord
from nautes_domain.events import Delivery, DeliveryKind
from support.api_server import product_scope

AT = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = Cause(delivery="d1", repository="orchard/apple-api-src", commit="c" * 40)


def a_status(service, result, scope="product_orchard"):
    return Status(service=service, scope=scope, at=AT, cause=CAUSE, result=result, commit="c")


def test_a_scope_is_as_well_as_its_worst_service():
    view = scope_view("product_orchard", [
        a_status("reconciler", Result.DONE), a_status("secret-broker", Result.BLOCKED),
        a_status("declarations", Result.DONE), a_status("reconciler", Result.REJECTED, "tenant"),
    ])  # fmt: skip
    assert view.result is Result.BLOCKED
    assert [one.service for one in view.services] == ["declarations", "reconciler", "secret-broker"]
    assert view.commit == "c"
    assert scope_view("product_none", []).result is None


def test_a_trace_is_in_order_and_starts_with_the_delivery():
    delivery = Delivery(
        id="d1", hook="h", kind=DeliveryKind.PUSH, event="Push Hook", project_id=1, project="orchard/a",
        ref="refs/heads/main", after="c" * 40, checkout_sha="c" * 40, actor="eve", received_at=AT,
    )  # fmt: skip
    decision = Decision(
        id="x",
        at=AT + timedelta(seconds=2),
        tenant="acme",
        cause=CAUSE,
        kind="push",
        content_key="k",
        summary="1 run",
    )
    effect = Effect(
        id="e", at=AT + timedelta(seconds=1), tenant="acme", service="reconciler", cause=CAUSE, scope="product_orchard",
        entity="E/x", system="kubernetes/b", object="run", verb="create", because="it was pushed", result=Result.DONE, duration=0.25,
    )  # fmt: skip
    found = trace("d1", [delivery], [decision], [effect])
    assert [(step.after, step.what) for step in found.steps] == [
        (0.0, "delivery"),
        (1.0, "effect"),
        (2.0, "decision"),
    ]
    assert found.steps[1].duration == 0.25
    assert found.started == AT
    assert trace("d1", [], [], []) is None


async def test_rights_are_those_of_the_caller_and_are_believed_briefly(world):
    clock = [0.0]
    callers = Callers("acme", world.host, lambda: clock[0])
    assert await callers.identify("bad") is None
    caller = await callers.identify("owner")
    assert caller.person.username == "owner"
    assert "token" not in repr(caller)
    assert await callers.may_see(caller, "product_orchard")
    assert not await callers.may_see(caller, "product_vineyard")
    assert not await callers.may_see(caller, "tenant")
    asked = len(world.host.calls)
    assert await callers.may_see(caller, "product_orchard")
    assert len(world.host.calls) == asked
    world.host.let_in(caller.person, "orchard", Level.NONE)
    clock[0] = KEPT + 1
    assert not await callers.may_see(caller, "product_orchard")
    assert len(world.host.calls) == asked + 1


def test_what_changed_is_told_once_and_by_its_name():
    before = {("Project", "a"): ("1", {"x": 1}), ("Project", "b"): ("1", {}), ("Project", "c"): ("1", {})}
    after = {("Project", "b"): ("1", {}), ("Project", "c"): ("2", {"y": 1}), ("Project", "d"): ("1", {})}
    assert [(event, name) for event, _, name, _ in changes(before, after)] == [
        ("deleted", "a"),
        ("modified", "c"),
        ("added", "d"),
    ]
    assert changes(after, after) == []


async def test_a_watch_begins_with_what_is_there(world):
    answer = await world.call("GET", "/products/orchard/watch?seconds=1")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [
        json.loads(line.removeprefix("data:"))
        for line in answer.text.splitlines()
        if line.startswith("data:")
    ]
    assert {"kind", "name", "object"} <= told[0].keys()
    assert {"Environment", "ProjectPipelineRuntime", "Status"} <= {one["kind"] for one in told}
    assert answer.text.count("event: added") == len(told)


def told_in(answer):
    """(event, kind, name) of each event of a stream."""
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    data = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    return [(name, one.get("kind"), one.get("name")) for name, one in zip(names, data, strict=True)]


async def test_a_list_is_followed_by_each_as_far_as_they_see_it(world):
    async def later():
        await asyncio.sleep(0.1)
        files = world.files("tenant")
        path = "nautes/overlays/production/products/orchard.yaml"
        changed = files[path].replace(b"spec:\n", b"spec:\n  git: {gitlab: {description: fruit}}\n")
        world.declare("tenant", {**files, path: changed})
        world.take_in("tenant")

    path = "/products?watch=true&seconds=1"
    manager, owner, stranger, _ = await asyncio.gather(
        *(world.call("GET", path, token=token) for token in ("manager", "owner", "stranger")), later()
    )
    assert owner.headers["content-type"].startswith("text/event-stream")
    everything = [
        ("added", "Product", "orchard"),
        ("added", "Product", "vineyard"),
        ("modified", "Product", "orchard"),
    ]
    assert told_in(manager) == everything
    assert told_in(owner) == [one for one in everything if one[2] == "orchard"]
    assert told_in(stranger) == [("added", "Product", "vineyard")]


async def test_a_list_of_a_product_is_followed_with_a_filter_and_ends_when_it_is_hidden(world):
    path = "/products/orchard/environments?watch=true&seconds=60&field_selector=env_type=test"

    async def later():
        await asyncio.sleep(0.1)
        world.host.let_in(world.people["owner"], "orchard", Level.NONE)
        world.clock[0] += 100  # what was believed of people is asked again

    answer, _ = await asyncio.gather(world.call("GET", path), later())
    assert told_in(answer) == [("added", "Environment", "test"), ("end", None, None)]
    assert (await world.call("GET", path, token="stranger")).status_code == 404
    assert (await world.call("GET", "/products?watch=true&field_selector=x=1")).status_code == 400


async def test_a_watch_lasts_as_long_as_was_asked_for_however_much_changes(world):
    async def much():
        for number in range(20):
            await asyncio.sleep(0.02)
            world.declare(product_scope("orchard"), {**world.files(product_scope("orchard")), **plum(number)})
            world.take_in(product_scope("orchard"))

    answer, _ = await asyncio.gather(world.call("GET", "/products/orchard/watch?seconds=1"), much())
    assert '"python19"' in answer.text
    assert answer.text.count("event: modified") > 10


def plum(number):
    """A project whose language tells when it was written."""
    spec = {"product": "orchard", "language": f"python{number}"}
    manifest = {
        "apiVersion": "nautes.resource.nautes.io/v1alpha1",
        "kind": "Project",
        "metadata": {"name": "plum"},
        "spec": spec,
    }
    return {"projects/plum/plum.yaml": json.dumps(manifest).encode()}


def test_an_entity_is_as_well_as_what_is_said_of_it():
    violation = ViolationRecord(file="f", line=1, kind="Project", name="a", field="", rule="J1", message="no")
    refused = a_status("declarations", Result.REJECTED).model_copy(update={"violations": (violation,)})
    good = a_status("reconciler", Result.DONE)
    broken = entity_state(("Project", "a"), None, [refused, good])
    assert [(one.type, one.status) for one in broken.conditions] == [
        ("Declared", "False"),
        ("Applied", "True"),
    ]
    neighbour = entity_state(("Project", "b"), None, [refused, a_status("reconciler", Result.BLOCKED)], 7)
    assert [(one.type, one.status) for one in neighbour.conditions] == [
        ("Declared", "True"),
        ("Applied", "False"),
    ]
    assert neighbour.project_id == 7
    assert [one.status for one in entity_state(("Project", "b"), None, []).conditions] == [
        "Unknown",
        "Unknown",
    ]
