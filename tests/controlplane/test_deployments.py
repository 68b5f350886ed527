"""From a push of manifests to objects on the worker: a forge, our objects, Argo CD's own servers, real rights."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import httpx
import pytest

from nautes_adapters.argocd import (
    ArgoDeployer,
    ArgoTarget,
    ClusterAccess,
    ClusterSecrets,
    RepositorySecrets,
    cluster_secret_state,
)
from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    DEPLOYER,
    SPACE_KINDS,
    SYSTEM_NAMESPACE,
    KubernetesClient,
    KubernetesTarget,
    PrivateKey,
    ProductSpaces,
    bootstrap_state,
)
from nautes_domain.capabilities import Deployment, ReadKey, Space
from support import controlplane_argocd
from support import forge as forges
from support.controlplane_real import client_of, settle
from support.ssh import KeyFile, needs_ssh, new_key

FOLDER = "overlays/stage"


def settings(colour):
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{colour: {colour}}}\n"


ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: more}\nrules: []\n"


@dataclass
class Product:
    """A product that deploys from a repository of its own into a namespace of its own."""

    name: str
    scope: str
    management: KubernetesClient
    worker: KubernetesClient
    deployer: ArgoDeployer
    repository: forges.WorkingCopy = field(repr=False)
    deployment: Deployment
    repositories: RepositorySecrets

    @property
    def application(self):
        return f"{self.name}.stage"

    async def push(self, files):
        commit = self.repository.commit(files)
        self.repository.git("push", "-q", "origin", "HEAD:main")
        return commit

    async def declare(self, deployments):
        state = self.deployer.product_state(self.name, deployments)
        if deployments:  # a key stays until the Application that reads with it is gone
            await settle(self.repositories, state, self.scope)
        await settle(ArgoTarget(self.management), state, self.scope)

    async def colour(self):
        found = await self.worker.get("ConfigMap", "settings", self.name)
        return found and found["data"]["colour"]

    async def objects(self):
        kinds = (("Application", self.application), ("AppProject", self.name))
        return [await self.management.get(kind, name, "argocd") for kind, name in kinds]

    async def state(self):
        found = await self.management.get("Application", self.application, "argocd")
        return found.get("status", {})


async def until(holds, what):
    try:
        async with asyncio.timeout(180):
            while not await holds():  # noqa: ASYNC110 - what another program does tells nobody
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{what} did not come true: {await what()}" if callable(what) else what)


@pytest.fixture(scope="module")
def forge(tmp_path_factory, deploying):
    needs_ssh()
    with forges.start_forge(tmp_path_factory.mktemp("forge")) as running:
        controlplane_argocd.trust_ssh_host(deploying, running.known_hosts)
        yield running


def repository(forge, name, key: KeyFile):
    """Make a private repository that one key reads; return its address over SSH."""
    with httpx.Client(base_url=f"{forge.url}/api/v4", headers={"PRIVATE-TOKEN": forge.token}) as api:
        group = api.post("/groups", json={"name": name, "path": name}).raise_for_status().json()
        project = {"name": "deploy", "namespace_id": group["id"], "visibility": "private"}
        made = api.post("/projects", json=project).raise_for_status().json()
        body = {"title": "nautes-readonly", "key": key.public}
        api.post(f"/projects/{made['id']}/deploy_keys", json=body).raise_for_status()
        return made["ssh_url_to_repo"]


async def register(management, worker, cluster):
    """Make the worker known to Argo CD as the registrar does, with the deployer's own token."""
    scope = "cluster_worker"
    await settle(KubernetesTarget(worker, "worker", BOOTSTRAP_KINDS), bootstrap_state("worker", scope), scope)
    token = await worker.token_request(SYSTEM_NAMESPACE, DEPLOYER, (), 3600)

    async def access(_cluster):
        return ClusterAccess(cluster.url, cluster.ca_file.read_text(), token.value)

    await settle(
        ClusterSecrets(management, access), cluster_secret_state("worker", cluster.url, "abc", 1), scope
    )


@pytest.fixture
async def product(deploying, worker, forge, tmp_path):
    name = f"pear-{secrets.token_hex(3)}"
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(client_of(deploying))
        theirs = await stack.enter_async_context(client_of(worker))
        await register(ours, theirs, worker)
        space = Space(name, "stage", "worker", name, "deployer", may_run=False, entity="Runtime/stage")
        scope = f"product_{name}"
        state = ProductSpaces().space_state(scope, (space,))
        await settle(KubernetesTarget(theirs, "worker", SPACE_KINDS), state, scope)
        key = new_key(tmp_path, "key")
        url = repository(forge, name, key)
        copy = forges.clone(f"{forge.url}/{name}/deploy.git", tmp_path / "copy", forge.token)
        read_key = ReadKey("deploy", "gitlab/repo-1/default/readonly", 1, "SHA256:x")
        deployment = Deployment(
            name, "stage", url, "main", FOLDER, "worker", (name,), "Runtime/stage", read_key
        )

        async def stored(_path):
            return PrivateKey(key.path.read_text(), read_key.version, read_key.fingerprint)

        repositories = RepositorySecrets(ours, stored)
        made = Product(name, scope, ours, theirs, ArgoDeployer(ours, "acme"), copy, deployment, repositories)
        await made.push({f"{FOLDER}/settings.yaml": settings("green")})
        yield made


async def test_what_is_declared_is_deployed_and_a_push_is_followed_by_our_refresh(product):
    await product.declare((product.deployment,))
    await until(lambda: is_colour(product, "green"), product.state)
    commit = await product.push({f"{FOLDER}/settings.yaml": settings("red")})
    # Argo CD itself looks once an hour here.
    assert await product.deployer.refresh(product.application, commit) is True
    await until(lambda: is_colour(product, "red"), product.state)
    await until(lambda: is_synced(product, commit), product.state)
    assert await product.deployer.refresh(product.application, commit) is False


async def test_a_change_by_hand_is_put_right_and_what_left_git_goes(product):
    await product.declare((product.deployment,))
    await until(lambda: is_colour(product, "green"), product.state)
    await product.worker.patch_merge("ConfigMap", "settings", product.name, {"data": {"colour": "grey"}})
    await until(lambda: is_colour(product, "green"), product.state)
    files = {
        f"{FOLDER}/settings.yaml": None,
        f"{FOLDER}/other.yaml": settings("x").replace("settings", "other"),
    }
    commit = await product.push(files)
    await product.deployer.refresh(product.application, commit)
    await until(lambda: is_colour(product, None), product.state)


async def test_rights_in_manifests_are_refused(product):
    await product.push({f"{FOLDER}/role.yaml": ROLE})
    await product.declare((product.deployment,))

    async def refused():
        """Argo CD's project forbids it, and our deployer's account could not even read it; either may come first."""
        found = str(await product.state())
        return "not permitted in project" in found or 'cannot get resource "roles"' in found

    await until(refused, product.state)
    names = {one["metadata"]["name"] for one in await product.worker.list("Role", product.name)}
    assert "more" not in names


async def test_what_is_withdrawn_goes_with_all_that_it_deployed(product):
    await product.declare((product.deployment,))
    await until(lambda: is_colour(product, "green"), product.state)
    await product.declare(())

    async def gone():
        return await product.objects() == [None, None]

    await until(gone, product.objects)
    assert await product.colour() is None
    await settle(product.repositories, {}, product.scope)
    assert await product.repositories.observe(product.scope) == {}


async def test_another_product_does_not_read_with_a_key_that_is_not_its_own(product):
    await product.declare((product.deployment,))
    await until(lambda: is_colour(product, "green"), product.state)
    name = f"{product.name}-other"
    theirs = replace(product.deployment, product=name, read_key=None)
    state = product.deployer.product_state(name, (theirs,))
    await settle(ArgoTarget(product.management), state, f"product_{name}")

    async def refused():
        found = await product.management.get("Application", f"{name}.stage", "argocd")
        conditions = found.get("status", {}).get("conditions", [])
        return any(one["type"] == "ComparisonError" for one in conditions)

    await until(refused, "the other product's Application is told no")
    found = await product.management.get("Application", f"{name}.stage", "argocd")
    assert found["status"]["sync"]["status"] == "Unknown"
    await settle(ArgoTarget(product.management), {}, f"product_{name}")


async def test_drift_that_argo_cd_makes_in_our_objects_is_none(product):
    """Argo CD writes into Applications; a reconcile afterwards must have nothing to do."""
    await product.declare((product.deployment,))
    await until(lambda: is_colour(product, "green"), product.state)
    state = product.deployer.product_state(product.name, (product.deployment,))
    report = await settle(ArgoTarget(product.management), state, product.scope)
    assert (report.written, report.unchanged) == (0, 2)


async def is_colour(product, colour):
    return await product.colour() == colour


async def is_synced(product, commit):
    sync = (await product.state()).get("sync", {})
    return (sync.get("status"), sync.get("revision")) == ("Synced", commit)
