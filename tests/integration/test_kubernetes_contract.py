"""The contract of every reconcile target, over spaces, Argo CD's objects and cluster Secrets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from nautes_adapters.argocd import (
    ArgoDeployer,
    ArgoTarget,
    ClusterAccess,
    ClusterSecrets,
    cluster_secret_state,
)
from nautes_adapters.kubernetes import SPACE_KINDS, KubernetesTarget, ProductSpaces
from nautes_domain.capabilities import Deployment, Space
from nautes_domain.plan import Verb
from support.local_cluster import clusters
from support.target_contract import TargetCase, TargetContract

SPACE = Space(
    "orchard", "apple-ci", "build-east", "apple-ci", "builder", may_run=False, entity="Runtime/apple-ci"
)
STAGE = Deployment(
    "orchard", "stage", "https://git.example/orchard/deploy.git", "main", "stage", "run-east", ("stage",), "Runtime/s"
)  # fmt: skip
ACCESS = ClusterAccess("https://run-east.example:6443", "CA PEM", "token")


class PatientTarget(KubernetesTarget):
    """Waits for the end of what it deletes, which the cluster's controllers bring about in their own time."""

    async def apply(self, action):
        ref = action.ref
        await super().apply(action)
        listing = await self.client.listing(ref.kind, ref.scope)
        if action.verb is Verb.DELETE and ref.name in {one["metadata"]["name"] for one in listing.items}:
            async for change in self.client.watch(ref.kind, ref.scope, since=listing.version, seconds=60):
                if change.kind == "DELETED" and change.object["metadata"]["name"] == ref.name:
                    return


class WithArgoCd(ArgoTarget):
    """Plays Argo CD's part: when an object is deleted, its workloads go and so does the finalizer."""

    async def apply(self, action):
        await super().apply(action)
        ref = action.ref
        if action.verb is Verb.DELETE:
            await self.client.patch_merge(ref.kind, ref.name, ref.scope, {"metadata": {"finalizers": None}})


def remaining(client, kind, name, namespace=""):
    async def remains():
        found = await client.get(kind, name, namespace)
        return found is not None and "deletionTimestamp" not in found["metadata"]

    return remains


@asynccontextmanager
async def spaces(client) -> AsyncIterator[TargetCase]:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "people"}})
    desired = ProductSpaces().space_state("product_orchard", (SPACE,))
    changed = ProductSpaces().space_state("product_orchard", (replace(SPACE, may_run=True),))
    target = PatientTarget(client, "build-east", SPACE_KINDS)
    yield TargetCase(target, "product_orchard", desired, changed, remaining(client, "Namespace", "people"))


@asynccontextmanager
async def argo_cd(client) -> AsyncIterator[TargetCase]:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    theirs = {"name": "default", "namespace": "argocd"}
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": theirs, "spec": {}}
    await client.create(project)
    deployer = ArgoDeployer(client, "acme")
    desired = deployer.product_state("orchard", (STAGE,))
    changed = deployer.product_state("orchard", (replace(STAGE, path="other", namespaces=("stage", "jobs")),))
    remains = remaining(client, "AppProject", "default", "argocd")
    yield TargetCase(WithArgoCd(client), "product_orchard", desired, changed, remains)


@asynccontextmanager
async def cluster_secrets(client) -> AsyncIterator[TargetCase]:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    theirs = {
        "name": "theirs",
        "namespace": "argocd",
        "labels": {"argocd.argoproj.io/secret-type": "cluster"},
    }
    await client.create({"apiVersion": "v1", "kind": "Secret", "metadata": theirs})

    async def access(_cluster):
        return ACCESS

    desired, changed = (cluster_secret_state("run-east", ACCESS.server, "abc", version) for version in (1, 2))
    remains = remaining(client, "Secret", "theirs", "argocd")
    yield TargetCase(ClusterSecrets(client, access), "cluster_run-east", desired, changed, remains)


@pytest.fixture(params=[spaces, argo_cd, cluster_secrets])
async def target_case(request, tmp_path):
    async with clusters(tmp_path) as start, request.param(await start()) as case:
        yield case


class TestTarget(TargetContract):
    """The suite itself is in `support.target_contract`."""
