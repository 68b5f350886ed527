"""What every deployer does alike, and what Argo CD's objects are held to besides."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from nautes_adapters.argocd import ArgoDeployer, ArgoTarget
from nautes_adapters.kubernetes.target import object_of
from nautes_adapters.memory import MemoryDeployer
from nautes_domain.capabilities import Deployment, ReadKey
from nautes_domain.failures import Blocked
from nautes_domain.plan import Action, Verb
from support.crd_schemas import problems
from support.local_cluster import clusters

STAGE = Deployment(
    "orchard", "apple-stage", "https://git.example/orchard/apple-deploy.git", "main", "overlays/stage",
    "run-east", ("apple-stage", "apple-jobs"), "DeploymentRuntime/apple-stage",
)  # fmt: skip
PROD = replace(STAGE, name="apple-prod", namespaces=("apple-prod",), entity="DeploymentRuntime/apple-prod")


@dataclass
class Harness:
    """A deployer, and how its product state comes to exist."""

    deployer: Any
    establish: Callable[[Any], Awaitable[None]]


async def in_memory():
    deployer = MemoryDeployer()

    async def establish(state):
        deployer.applications |= {ref.name: "" for ref in state if ref.kind == "Application"}

    return Harness(deployer, establish)


async def on_argo_cd(client):
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    target = ArgoTarget(client)

    async def establish(state):
        for ref in sorted(state, key=lambda one: target.kinds.index(one.kind)):
            await target.apply(Action(Verb.CREATE, ref, None, state[ref].spec, "declared"))

    return Harness(ArgoDeployer(client, "acme"), establish)


@pytest.fixture(params=["memory", "argocd"])
async def harness(request, tmp_path):
    if request.param == "memory":
        yield await in_memory()
        return
    async with clusters(tmp_path) as start:
        yield await on_argo_cd(await start())


async def test_it_has_a_name(harness):
    assert harness.deployer.name


async def test_the_state_is_pure_and_of_one_system(harness):
    state = harness.deployer.product_state("orchard", (STAGE, PROD))
    assert state == harness.deployer.product_state("orchard", (STAGE, PROD))
    assert len({ref.system for ref in state}) == 1
    assert all(wanted.because for wanted in state.values())


async def test_each_deployment_is_ascribed_to_what_declared_it(harness):
    state = harness.deployer.product_state("orchard", (STAGE, PROD))
    applications = {ref.name: wanted.entity for ref, wanted in state.items() if ref.kind == "Application"}
    assert applications == {"orchard.apple-stage": STAGE.entity, "orchard.apple-prod": PROD.entity}


async def test_no_deployments_mean_no_objects(harness):
    assert harness.deployer.product_state("orchard", ()) == {}


async def test_runtimes_of_the_same_name_in_two_products_stay_apart(harness):
    other = harness.deployer.product_state("meadow", (replace(STAGE, product="meadow"),))
    assert not other.keys() & harness.deployer.product_state("orchard", (STAGE,)).keys()


async def test_a_newer_key_to_a_repository_is_a_difference(harness):
    keys = [ReadKey("apple-deploy", "gitlab/repo-7/default/readonly", version) for version in (1, 2)]
    first, again, second = (
        harness.deployer.product_state("orchard", (replace(STAGE, read_key=key),))
        for key in (keys[0], keys[0], keys[1])
    )
    assert first == again
    assert first.keys() == second.keys()
    assert first != second


async def test_an_absent_application_blocks(harness):
    with pytest.raises(Blocked) as raised:
        await harness.deployer.refresh("orchard.apple-stage", "0a1b")
    assert raised.value.by == "application/orchard.apple-stage"


async def test_one_commit_is_one_refresh(harness):
    await harness.establish(harness.deployer.product_state("orchard", (STAGE,)))
    asked = [
        await harness.deployer.refresh("orchard.apple-stage", commit) for commit in ("0a", "0a", "1b", "1b")
    ]
    assert asked == [True, False, True, False]


def test_argo_cds_objects_satisfy_the_schemas_of_the_real_resources():
    state = ArgoDeployer(None, "acme").product_state(
        "orchard", (STAGE, PROD, replace(STAGE, name="root", path=""))
    )
    assert len(state) == 4
    assert {str(ref): problems(object_of(ref, wanted.spec)) for ref, wanted in state.items()} == {
        str(ref): [] for ref in state
    }


def test_argo_cds_destinations_and_sources_are_unique():
    """The API refuses duplicates (argo-cd, `ValidateProject`)."""
    state = ArgoDeployer(None, "acme").product_state("orchard", (STAGE, replace(STAGE, name="again")))
    (spec,) = (wanted.spec["spec"] for ref, wanted in state.items() if ref.kind == "AppProject")
    places = [tuple(sorted(one.items())) for one in spec["destinations"]]
    assert len(places) == len(set(places)) == 2
    assert len(spec["sourceRepos"]) == 1
