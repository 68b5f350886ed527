"""A declared cluster is prepared, offered and registered; a second look writes nothing; what is given up is cleaned."""

import base64
import json

import pytest
import yaml

from nautes_adapters.kubernetes import KubernetesClient
from nautes_cluster_registrar.records import ClusterRecord
from nautes_runtime.records import Bucket
from support.nats import start_nats
from support.openbao import start_openbao
from support.service_processes import (
    bao,
    desk,
    eventually,
    read_secret,
    service,
    tenant_files,
    vault_settings,
    write_secret,
)

REGISTRAR = "cluster-registrar"
SCOPE = "cluster_build-east"
SECRET = "nautes-cluster-build-east"
ACCOUNTS = ("nautes-reconciler", "nautes-deployer", "nautes-token-reviewer")


class Place:
    """The servers of one test."""

    def __init__(self, folder, nats, openbao, management, worker):
        self.folder = folder
        self.nats = nats
        self.openbao = openbao
        self.management = management
        self.worker = worker
        self.processes = []

    def start(self, **more):
        environment = {
            **vault_settings(self.openbao, self.folder, REGISTRAR),
            "NAUTES_MANAGEMENT__KUBECONFIG": str(self.management.kubeconfig),
            **more,
        }
        process = service(self.folder, "nautes_cluster_registrar", self.nats, environment)
        self.processes.append(process)
        return process

    def upload(self, text=None):
        kubeconfig = self.worker.kubeconfig.read_text() if text is None else text
        write_secret(
            self.openbao, "cluster", "kubernetes/build-east/default/admin", {"kubeconfig": kubeconfig}
        )

    def files(self, **more):
        return tenant_files({"build-east": self.worker.url}, without=["run-east"], **more)


@pytest.fixture
def place(tmp_path):
    kubernetes = pytest.importorskip("support.kubernetes")
    with (
        start_nats(tmp_path) as nats,
        start_openbao(tmp_path) as openbao,
        kubernetes.start_kubernetes(tmp_path, "management") as management,
        kubernetes.start_kubernetes(tmp_path, "build-east") as worker,
    ):
        found = Place(tmp_path, nats, openbao, management, worker)
        try:
            yield found
        finally:
            for process in found.processes:
                process.stop()


@pytest.fixture
async def clients(place):
    management = KubernetesClient.from_kubeconfig(place.management.kubeconfig)
    worker = KubernetesClient.from_kubeconfig(place.worker.kubeconfig)
    if await management.get("Namespace", "argocd") is None:
        await management.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    yield management, worker
    await management.close()
    await worker.close()


def record_of(at):
    return Bucket(at.js, "index", ClusterRecord)


def registration(secret):
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def test_a_cluster_is_prepared_offered_and_registered_once(place, clients):
    management, worker = clients
    place.upload()
    registrar = place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        status = await at.settled(REGISTRAR, SCOPE)
        assert status.result == "done", status.message

        for account in ACCOUNTS:
            assert await worker.get("ServiceAccount", account, "nautes-system") is not None
        values = registration(await management.get("Secret", SECRET, "argocd"))
        assert values["name"] == "build-east"
        assert values["server"].rstrip("/") == place.worker.url.rstrip("/")
        config = json.loads(values["config"])
        assert config["tlsClientConfig"]["insecure"] is False
        deployer = config["bearerToken"]
        (offered,) = await at.facts("cluster", "offered")
        (registered,) = await at.facts("cluster", "registered")
        record = await record_of(at).get("cluster_build-east")
        assert registered.data["version"] == offered.data["version"] == record.version
        unwrapped = bao(place.openbao, "POST", "sys/wrapping/unwrap", {"token": offered.data["wrapped"]})
        assert set(unwrapped) == {"server", "ca", "reconciler_token", "reviewer_token", "deployer_token"}
        as_reconciler = KubernetesClient.from_token(
            unwrapped["server"], unwrapped["ca"], unwrapped["reconciler_token"]
        )
        assert await as_reconciler.list("Namespace")
        await as_reconciler.close()

        again = await at.settled(REGISTRAR, SCOPE)
        assert (again.result, again.written) == ("done", 0)
        assert await at.effects(again.cause) == []
        assert len(await at.facts("cluster", "offered")) == 1
        assert len(await at.facts("cluster", "registered")) == 1
        assert registration(await management.get("Secret", SECRET, "argocd"))["config"] == values["config"]

        stored, admin = await at.everything(), place.worker.token
        for canary in (deployer, unwrapped["reviewer_token"], unwrapped["reconciler_token"], admin):
            assert canary.encode() not in stored
            assert canary not in registrar.log


async def test_the_tenants_scope_reaches_its_clusters(place, clients):
    management, _ = clients
    place.upload()
    place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        await at.work(REGISTRAR, "tenant")

        async def registered():
            return await at.facts("cluster", "registered")

        await eventually(registered, "the cluster to be registered")
        assert await management.get("Secret", SECRET, "argocd") is not None


@pytest.mark.usefixtures("clients")
async def test_a_missing_kubeconfig_blocks_with_the_next_step(place):
    place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        status = await at.settled(REGISTRAR, SCOPE)
        assert (status.result, status.code) == ("blocked", "no-kubeconfig")
        assert "cluster/kubernetes/build-east/default/admin" in status.message

        place.upload()

        async def done():
            found = await at.status.get(f"{REGISTRAR}.{SCOPE}")
            return found if found.result == "done" else None

        await eventually(done, "the uploaded kubeconfig to be used")


@pytest.mark.usefixtures("clients")
async def test_a_kubeconfig_that_was_stored_wakes_its_cluster_and_one_of_no_use_holds_no_removal_up(place):
    place.start(NAUTES_RESYNC="PT1H")
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        place.upload("{}")
        refused = await at.settled(REGISTRAR, SCOPE)
        assert (refused.result, refused.code) == ("rejected", "kubeconfig")
        place.upload()
        cause = await at.fact("kubeconfig", "stored", SCOPE, "build-east")
        status = await at.answered(REGISTRAR, SCOPE, cause)
        assert status.result == "done", status.message

        place.upload("{}")
        await at.declare("tenant", tenant_files(without=["build-east"]))
        assert [one.result for one in await at.removed(REGISTRAR, SCOPE)] == ["done"]


async def test_a_kubeconfig_of_another_server_or_with_a_program_is_refused(place, clients):
    _, worker = clients
    registrar = place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", tenant_files(without=["run-east"]))
        place.upload()
        status = await at.settled(REGISTRAR, SCOPE)
        assert (status.result, status.code) == ("rejected", "kubeconfig-server")
        assert "https://build-east.clusters.example:6443" in status.message
        assert place.worker.url.rstrip("/") in status.message

        await at.declare("tenant", place.files())
        config = yaml.safe_load(place.worker.kubeconfig.read_text())
        config["users"][0]["user"]["exec"] = {"command": "/bin/canary"}
        place.upload(yaml.safe_dump(config))
        status = await at.settled(REGISTRAR, SCOPE)
        assert (status.result, status.code) == ("rejected", "kubeconfig")
        assert await worker.get("Namespace", "nautes-system") is None
        assert place.worker.token not in registrar.log


async def test_a_registration_that_somebody_changed_is_repaired_without_a_new_offer(place, clients):
    management, _ = clients
    place.upload()
    place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        await at.settled(REGISTRAR, SCOPE)
        changed = {"data": {"config": base64.b64encode(b"{}").decode()}}
        await management.patch_merge("Secret", SECRET, "argocd", changed)

        status = await at.settled(REGISTRAR, SCOPE)

        assert (status.result, status.written) == ("done", 1)
        config = json.loads(registration(await management.get("Secret", SECRET, "argocd"))["config"])
        assert config["bearerToken"]
        assert len(await at.facts("cluster", "offered")) == 1


@pytest.mark.usefixtures("clients")
async def test_an_offer_that_could_not_be_taken_in_is_made_anew(place):
    place.upload()
    place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        await at.settled(REGISTRAR, SCOPE)
        (first,) = await at.facts("cluster", "offered")
        version = first.data["version"]

        cause = await at.fact(
            "cluster", "requested", SCOPE, "build-east", cluster="build-east", version=version
        )
        status = await at.answered(REGISTRAR, SCOPE, cause)

        assert (status.result, status.written) == ("done", 2)
        offers = [fact.data["version"] for fact in await at.facts("cluster", "offered")]
        assert len(offers) == 2
        assert offers[1] > offers[0] == version

        late = await at.fact(
            "cluster", "requested", SCOPE, "build-east", cluster="build-east", version=version
        )
        assert (await at.answered(REGISTRAR, SCOPE, late)).written == 0


@pytest.mark.usefixtures("clients")
async def test_tokens_are_renewed_when_half_of_their_life_is_over(place):
    place.upload()
    place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        await at.settled(REGISTRAR, SCOPE)
        record = await record_of(at).get("cluster_build-east")
        life = record.expires_at - record.issued_at
        old = {"issued_at": record.issued_at - life * 0.6, "expires_at": record.expires_at - life * 0.6}
        await record_of(at).put("cluster_build-east", record.model_copy(update=old))

        status = await at.settled(REGISTRAR, SCOPE)

        assert (status.result, status.written) == ("done", 2)
        renewed = await record_of(at).get("cluster_build-east")
        assert renewed.version > record.version
        assert renewed.expires_at > record.expires_at - life * 0.6


async def test_a_cluster_that_is_given_up_is_cleaned(place, clients):
    management, worker = clients
    place.upload()
    place.start()
    async with desk(place.nats) as at:
        files = tenant_files({"build-east": place.worker.url})
        await at.declare("tenant", files)
        await at.settled(REGISTRAR, SCOPE)
        await at.declare("tenant", tenant_files(without=["build-east"]))

        done = await at.removed(REGISTRAR, SCOPE)

        assert {(one.verb, one.result) for one in done} == {("delete", "done")}
        assert await management.get("Secret", SECRET, "argocd") is None
        assert await worker.get("ClusterRole", "nautes-reconciler") is None
        assert await worker.get("ClusterRoleBinding", "nautes-token-reviewer") is None
        assert [fact.name for fact in await at.facts("cluster", "deregistered")] == ["build-east"]
        assert await record_of(at).get("cluster_build-east") is None
        await at.work(REGISTRAR, SCOPE)
        await at.settled(REGISTRAR, "tenant")
        assert len(await at.facts("cluster", "deregistered")) == 1


async def test_a_tenant_without_any_cluster_removes_nothing_unless_it_is_confirmed(place, clients):
    management, _ = clients
    place.upload()
    place.start()
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        await at.settled(REGISTRAR, SCOPE)
        none = tenant_files(without=["clusters/"])
        await at.declare("tenant", none)
        refused = await at.settled(REGISTRAR, SCOPE)
        assert (refused.result, refused.code, refused.written) == ("rejected", "deletion-budget", 0)
        assert await management.get("Secret", SECRET, "argocd") is not None

        await at.declare("tenant", none, deletions=True)
        await at.removed(REGISTRAR, SCOPE)
        assert await management.get("Secret", SECRET, "argocd") is None


@pytest.mark.usefixtures("clients")
async def test_registrar_and_broker_together_make_the_login_of_a_cluster(place):
    place.upload()
    place.start()
    token = place.folder / "gitlab-token"
    token.write_text("glpat-unused\n")
    broker = {
        **vault_settings(place.openbao, place.folder, "secret-broker"),
        "NAUTES_GITLAB__URL": "http://127.0.0.1:9",
        "NAUTES_GITLAB__TOKEN_FILE": str(token),
    }
    place.processes.append(service(place.folder, "nautes_secret_broker", place.nats, broker))
    async with desk(place.nats) as at:
        await at.declare("tenant", place.files())
        cause = await at.work(REGISTRAR, "tenant")

        async def done():
            found = await at.status.get(f"secret-broker.{SCOPE}")
            return found if found is not None and found.result == "done" else None

        status = await eventually(done, "the login to be made")
        assert status.cause == cause
        config = bao(place.openbao, "GET", "auth/build-east/config")
        assert config["kubernetes_host"].rstrip("/") == place.worker.url.rstrip("/")
        for account in ACCOUNTS:
            assert read_secret(place.openbao, "cluster", f"kubernetes/build-east/{account}") is not None
        systems = {effect.system for effect in await at.effects(cause)}
        assert systems == {
            "kubernetes/build-east",
            "cluster-tokens",
            "argocd-clusters",
            "vault-clusters",
            "vault",
        }
