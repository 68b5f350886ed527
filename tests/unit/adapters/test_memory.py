"""The capabilities in memory, as far as no contract suite covers them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from nautes_adapters.memory import (
    MemoryDeployer,
    MemoryPipelineEngine,
    MemorySecretStore,
    MemoryTarget,
    MemoryTenantSpace,
)
from nautes_domain.capabilities import Deployment, RunRequest, Space
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Action, Ref, Verb

REQUEST = RunRequest("apple-1", "apple-ci", "builder", {"a": "b"}, {"c": "d"}, {"revision": "1"})
DEPLOYMENT = Deployment("orchard", "stage", "https://g/x.git", "main", "k8s", "run-east", ("stage",), "e")


async def test_a_run_is_started_once():
    engine = MemoryPipelineEngine()
    run = engine.build(REQUEST, b'{"kind": "Run", "namespace": "kube-system"}', file="ci.json")
    assert (run["namespace"], run["account"]) == ("apple-ci", "builder")
    assert await engine.start(REQUEST, run) is True
    assert await engine.start(REQUEST, run) is False


@pytest.mark.parametrize("source", [b"", b"[]", b'{"kind": "Role"}', b"\xff"])
def test_a_file_that_is_not_one_run_is_refused_with_its_place(source):
    with pytest.raises(Rejected) as caught:
        MemoryPipelineEngine().build(REQUEST, source, file="ci.json")
    assert [one.file for one in caught.value.violations] == ["ci.json"]


def test_a_run_takes_parameters_from_the_file_and_the_event():
    source = json.dumps({"kind": "Run", "params": {"own": "1", "revision": "forged"}}).encode()
    assert MemoryPipelineEngine().build(REQUEST, source, file="x")["params"] == {"own": "1", "revision": "1"}


async def test_an_application_is_refreshed_once_per_commit_and_must_exist():
    deployer = MemoryDeployer()
    with pytest.raises(Blocked):
        await deployer.refresh("orchard.stage", "c1")
    state = deployer.product_state("orchard", (DEPLOYMENT,))
    deployer.applications |= {ref.name: "" for ref in state if ref.kind == "Application"}
    assert [await deployer.refresh("orchard.stage", commit) for commit in ("c1", "c1", "c2")] == [
        True,
        False,
        True,
    ]


def test_a_product_without_deployments_has_no_objects():
    assert MemoryDeployer().product_state("orchard", ()) == {}


def test_two_runtimes_in_one_namespace_share_it():
    space = Space("orchard", "ci", "east", "apple", "builder", may_run=True, entity="e")
    other = Space("orchard", "nightly", "east", "apple", "cleaner", may_run=False, entity="e")
    state = MemoryTenantSpace().space_state("product_orchard", (space, other))
    assert sorted(ref.kind for ref in state) == ["Account", "Account", "Namespace"]


async def test_a_target_refuses_what_is_somebody_elses():
    target = MemoryTarget("memory", ("Thing",))
    ref = Ref("memory", "Thing", "a")
    target.foreign[ref] = {"x": 1}
    with pytest.raises(Rejected):
        await target.apply(Action(Verb.CREATE, ref, None, {"x": 2}, "declared"))
    assert await target.observe("tenant") == {}
    assert target.foreign[ref] == {"x": 1}


async def test_wrapped_values_expire():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = MemorySecretStore(lambda: now)
    token = await store.wrap({"a": "1"}, timedelta(seconds=60))
    now += timedelta(seconds=60)
    with pytest.raises(Rejected):
        await store.unwrap(token)
