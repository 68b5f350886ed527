"""Argo CD's objects on a cluster that serves its kinds: written, refreshed, removed; and cluster Secrets."""

import base64
import json
from dataclasses import replace

import pytest

from nautes_adapters.argocd import (
    ArgoDeployer,
    ArgoTarget,
    ClusterAccess,
    ClusterSecrets,
    cluster_secret_state,
)
from nautes_domain.capabilities import Deployment
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Budget, Ref
from nautes_domain.reconcile import reconcile
from support.local_cluster import clusters

SCOPE = "product_orchard"
STAGE = Deployment(
    "orchard", "apple-stage", "https://git.example/orchard/apple-deploy.git", "main", "overlays/stage",
    "run-east", ("apple-stage",), "DeploymentRuntime/apple-stage",
)  # fmt: skip
PROD = replace(STAGE, name="apple-prod", namespaces=("apple-prod",))
FINALIZER = "resources-finalizer.argocd.argoproj.io"


@pytest.fixture
async def client(tmp_path):
    async with clusters(tmp_path) as start:
        made = await start("management")
        await made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
        yield made


@pytest.fixture
def deployer(client):
    return ArgoDeployer(client, "acme")


async def settle(target, state, scope=SCOPE):
    async def record(_outcome):
        return None

    budget = Budget(everything=True)
    return await reconcile(scope, state, [target], budget=budget, record=record, clock=lambda: 0.0)


async def test_the_second_time_nothing_is_written(client, deployer):
    state = deployer.product_state("orchard", (STAGE, PROD))
    first = await settle(ArgoTarget(client), state)
    assert (first.failure, first.written) == (None, 3)
    assert (await settle(ArgoTarget(client), state)).written == 0


async def test_what_argo_cd_writes_itself_is_no_difference(client, deployer):
    state = deployer.product_state("orchard", (STAGE,))
    target = ArgoTarget(client)
    await settle(target, state)
    await client.patch_merge(
        "Application",
        "orchard.apple-stage",
        "argocd",
        {
            "metadata": {"finalizers": [FINALIZER, "post-delete-finalizer.argocd.argoproj.io"]},
            "status": {"sync": {"status": "Synced"}},
        },
    )
    await deployer.refresh("orchard.apple-stage", "0a1b")
    assert (await settle(target, state)).written == 0


async def test_a_changed_path_is_repaired_and_the_refresh_is_remembered(client, deployer):
    state = deployer.product_state("orchard", (STAGE,))
    target = ArgoTarget(client)
    await settle(target, state)
    await deployer.refresh("orchard.apple-stage", "0a1b")
    patch = {"spec": {"source": {"path": "elsewhere"}}}
    await client.patch_merge("Application", "orchard.apple-stage", "argocd", patch)
    assert (await settle(target, state)).written == 1
    found = await client.get("Application", "orchard.apple-stage", "argocd")
    assert found["spec"]["source"]["path"] == "overlays/stage"
    assert found["metadata"]["annotations"]["nautes.io/refreshed-commit"] == "0a1b"


async def test_a_refresh_is_asked_of_argo_cd(client, deployer):
    await settle(ArgoTarget(client), deployer.product_state("orchard", (STAGE,)))
    await deployer.refresh("orchard.apple-stage", "0a1b")
    annotations = (await client.get("Application", "orchard.apple-stage", "argocd"))["metadata"][
        "annotations"
    ]
    assert annotations["argocd.argoproj.io/refresh"] == "normal"


async def test_an_application_of_somebody_else_is_left_alone(client, deployer):
    spec = {"project": "default", "destination": {"name": "in-cluster", "namespace": "x"}}
    metadata = {"name": "orchard.apple-stage", "namespace": "argocd"}
    await client.create(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}
    )
    with pytest.raises(Rejected):
        await deployer.refresh("orchard.apple-stage", "0a1b")
    report = await settle(ArgoTarget(client), deployer.product_state("orchard", (STAGE,)))
    assert report.failure.code == "object-claimed"
    found = await client.get("Application", "orchard.apple-stage", "argocd")
    assert found["spec"]["project"] == "default"
    assert "annotations" not in found["metadata"]


async def test_a_removed_deployment_goes_once_its_workloads_are_gone(client, deployer):
    target = ArgoTarget(client)
    await settle(target, deployer.product_state("orchard", (STAGE, PROD)))
    await settle(target, deployer.product_state("orchard", (PROD,)))
    going = await client.get("Application", "orchard.apple-stage", "argocd")
    assert "deletionTimestamp" in going["metadata"]
    assert (await settle(target, deployer.product_state("orchard", (PROD,)))).written == 0
    back = await settle(target, deployer.product_state("orchard", (STAGE, PROD)))
    assert isinstance(back.failure, Retry)
    await client.patch_merge(
        "Application", "orchard.apple-stage", "argocd", {"metadata": {"finalizers": None}}
    )
    assert await client.get("Application", "orchard.apple-stage", "argocd") is None


CLUSTER = "cluster_run-east"


def access_to(**values):
    async def access(cluster):
        return values.get(cluster.replace("-", "_"))

    return access


ACCESS = ClusterAccess("https://run-east.example:6443", "CA PEM", "canary-token")


def wanted(version=1, server=ACCESS.server):
    return cluster_secret_state("run-east", server, "abc", version)


async def test_a_cluster_is_registered_once(client):
    target = ClusterSecrets(client, access_to(run_east=ACCESS))
    report = await settle(target, wanted(), CLUSTER)
    assert (report.failure, report.written) == (None, 1)
    assert "canary" not in repr(report)
    assert (await settle(target, wanted(), CLUSTER)).written == 0
    (secret,) = await client.list("Secret", "argocd", labels="argocd.argoproj.io/secret-type=cluster")
    config = json.loads(base64.b64decode(secret["data"]["config"]))
    assert config["bearerToken"] == "canary-token"


async def test_a_newer_token_is_written(client):
    await settle(ClusterSecrets(client, access_to(run_east=ACCESS)), wanted(), CLUSTER)
    newer = replace(ACCESS, token="newer")
    target = ClusterSecrets(client, access_to(run_east=newer))
    assert (await settle(target, wanted(2), CLUSTER)).written == 1
    (secret,) = await client.list("Secret", "argocd", labels="argocd.argoproj.io/secret-type=cluster")
    assert json.loads(base64.b64decode(secret["data"]["config"]))["bearerToken"] == "newer"


async def test_a_value_changed_by_hand_is_written_anew(client):
    target = ClusterSecrets(client, access_to(run_east=ACCESS))
    await settle(target, wanted(), CLUSTER)
    forged = base64.b64encode(b"https://evil.example").decode()
    await client.patch_merge("Secret", "nautes-cluster-run-east", "argocd", {"data": {"server": forged}})
    assert (await settle(target, wanted(), CLUSTER)).written == 1
    assert (await settle(target, wanted(), CLUSTER)).written == 0


async def test_a_cluster_without_token_blocks(client):
    report = await settle(ClusterSecrets(client, access_to()), wanted(), CLUSTER)
    assert isinstance(report.failure, Blocked)
    assert report.failure.by == "secret/kubernetes/run-east/nautes-deployer"


async def test_access_to_a_former_address_is_not_written(client):
    target = ClusterSecrets(client, access_to(run_east=ACCESS))
    report = await settle(target, wanted(server="https://moved.example"), CLUSTER)
    assert isinstance(report.failure, Retry)
    assert await client.list("Secret", "argocd") == []


async def test_a_deregistered_cluster_goes_and_others_stay(client):
    target = ClusterSecrets(client, access_to(run_east=ACCESS, build_east=ACCESS))
    await settle(target, wanted(), CLUSTER)
    await settle(target, cluster_secret_state("build-east", ACCESS.server, "abc", 1), "cluster_build-east")
    assert (await settle(target, {}, CLUSTER)).written == 1
    assert await target.observe(CLUSTER) == {}
    assert set(await target.observe("cluster_build-east")) == {
        Ref("argocd-clusters", "ClusterSecret", "build-east")
    }
    assert await target.observe("tenant") == {}


async def test_a_secret_of_somebody_else_is_left_alone(client):
    metadata = {"name": "nautes-cluster-run-east", "namespace": "argocd"}
    await client.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    target = ClusterSecrets(client, access_to(run_east=ACCESS))
    report = await settle(target, wanted(), CLUSTER)
    assert report.failure.code == "object-claimed"
