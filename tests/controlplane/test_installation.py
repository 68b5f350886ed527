"""The manifests of `k8s/` on a real API server: every object is taken, every pod is admitted, rights are least."""

import subprocess
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from nautes_adapters.argocd import (
    ArgoTarget,
    ClusterAccess,
    ClusterSecrets,
    RepositorySecrets,
    cluster_secret_state,
)
from nautes_adapters.argocd.repositories import repository_state
from nautes_adapters.argocd.state import product_state
from nautes_adapters.kubernetes import KubernetesClient, PrivateKey
from nautes_domain import names
from nautes_domain.capabilities import Deployment, ReadKey
from nautes_domain.failures import Rejected
from support import controlplane, controlplane_argocd, k8s
from support.controlplane_install import apply
from support.controlplane_programs import MANIFESTS, OPERATORS, definitions_there
from support.controlplane_real import settle

USED = (
    "external-secrets/external-secrets.io_externalsecrets.yaml",
    "external-secrets/external-secrets.io_secretstores.yaml",
    "keda/keda.sh_scaledobjects.yaml",
    "prometheus-operator/monitoring.coreos.com_podmonitors.yaml",
    "prometheus-operator/monitoring.coreos.com_prometheusrules.yaml",
)


CLUSTER_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "canary"},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A cluster per overlay, with Argo CD's and the operators' custom resources, and the overlay applied."""
    if reason := controlplane.absent():
        pytest.skip(reason)
    if not definitions_there():
        pytest.skip("the custom resources of the operators are not there; `make controlplane` fetches them")
    with controlplane.control_plane(tmp_path_factory.mktemp("installation"), k8s.OVERLAYS) as clusters:
        applied = {}
        for overlay, cluster in clusters.items():
            controlplane_argocd.install_definitions(cluster)
            install_definitions(cluster)
            with cluster.http() as http:
                apply(http, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}])
            applied[overlay] = SimpleNamespace(cluster=cluster, told=kubectl_apply(cluster, overlay))
        yield applied


@pytest.fixture(params=k8s.OVERLAYS)
def place(request, installed):
    return SimpleNamespace(overlay=request.param, **vars(installed[request.param]))


def kubectl(cluster, *arguments):
    command = [str(k8s.kubectl()), f"--kubeconfig={cluster.kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def install_definitions(cluster):
    files = [f"--filename={MANIFESTS / OPERATORS / file}" for file in USED]
    # By kubectl, for a plain `=` among the values of PodMonitor is none to PyYAML.
    done = kubectl(cluster, "apply", "--server-side", *files)
    assert done.returncode == 0, done.stderr
    done = kubectl(cluster, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    assert done.returncode == 0, done.stderr


def kubectl_apply(cluster, overlay):
    """Do what the installation instructions say."""
    folder = str(k8s.ROOT / "overlays" / overlay)
    return kubectl(cluster, "apply", "--server-side", "--validate=strict", "-k", folder)


def pods(overlay):
    """Give a pod of each template, with a claim where the controller would make one."""
    for name, workload in k8s.workloads(k8s.rendered(overlay)).items():
        template = workload["spec"]["template"]
        claims = [one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", ())]
        volumes = [{"name": one, "persistentVolumeClaim": {"claimName": f"{one}-0"}} for one in claims]
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": f"{name}-0"},
            "spec": {**template["spec"], "volumes": template["spec"]["volumes"] + volumes},
        }


def create(cluster, pod):
    with cluster.http() as http:
        return http.post(
            "/api/v1/namespaces/nautes/pods", params={"dryRun": "All", "fieldValidation": "Strict"}, json=pod
        )


def test_every_object_is_taken_as_it_is(place):
    assert place.told.returncode == 0, place.told.stderr
    wanted = k8s.rendered(place.overlay)
    assert place.told.stdout.count("serverside-applied") == len(wanted)
    assert "Warning" not in place.told.stderr


def test_applying_again_changes_nothing(place):
    command = ("get", "deployments,statefulsets,networkpolicies", "-n", "nautes", "-o", "name")
    generations = ("-o", "jsonpath={.items[*].metadata.generation}")
    before = kubectl(place.cluster, *command[:-2], *generations).stdout
    assert kubectl_apply(place.cluster, place.overlay).returncode == 0
    assert kubectl(place.cluster, *command[:-2], *generations).stdout == before
    assert before


def test_every_pod_is_admitted_where_pods_are_restricted(place):
    for pod in pods(place.overlay):
        answer = create(place.cluster, pod)
        assert answer.status_code == 201, answer.json()["message"]
        assert "Warning" not in answer.headers, answer.headers


@pytest.mark.parametrize(
    "loosened",
    [
        {"hostNetwork": True},
        {"securityContext": {"runAsNonRoot": False}},
        {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]},
    ],
    ids=lambda loosened: next(iter(loosened)),
)
def test_a_pod_that_asks_for_more_is_refused(installed, loosened):
    pod = next(pods("production"))
    spec = {**pod["spec"], **loosened}
    spec["containers"] = [{**one, "volumeMounts": []} for one in spec["containers"]]
    answer = create(installed["production"].cluster, {**pod, "spec": spec})
    assert answer.status_code == 403
    assert 'violates PodSecurity "restricted' in answer.json()["message"]


@pytest.mark.parametrize(
    "kind", ["ScaledObject", "ExternalSecret", "SecretStore", "PodMonitor", "PrometheusRule"]
)
def test_a_misspelt_field_of_an_operator_is_refused(installed, kind):
    cluster = installed["production"].cluster
    obj = next(iter(k8s.of_kind(k8s.rendered("production"), kind).values()))
    obj["spec"]["misspelt"] = True
    group = obj["apiVersion"]
    path = f"/apis/{group}/namespaces/nautes/{kind.lower()}s"
    obj["metadata"] = {"name": "misspelt", "namespace": "nautes"}
    with cluster.http() as http:
        answer = http.post(path, params={"dryRun": "All", "fieldValidation": "Strict"}, json=obj)
    assert answer.status_code == 400
    assert "spec.misspelt" in answer.json()["message"]


@asynccontextmanager
async def as_account(cluster, account, folder):
    """A client with the token and the files that a pod of this account has."""
    admin = KubernetesClient.from_kubeconfig(cluster.kubeconfig)
    token = await admin.token_request("nautes", account)
    await admin.close()
    (folder / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    (folder / "token").write_text(token.value)
    client = KubernetesClient.in_cluster(folder, cluster.url)
    try:
        yield client
    finally:
        await client.close()


async def refused(*attempts):
    for attempt in attempts:
        with pytest.raises(Rejected) as failure:
            await attempt
        assert failure.value.code == "kubernetes-denied"


async def test_the_reconciler_may_do_what_it_does_to_argo_cd_and_no_more(place, tmp_path):
    deployment = Deployment(
        product="orchard", name="test", repository_url="ssh://git@gitlab.example.com/orchard/deploy.git",
        revision="main", path="overlays/test", cluster="run-east", namespaces=("orchard-test",),
        entity="Runtime/test", read_key=ReadKey("deploy", "gitlab/repo-7/default/readonly", 1, "SHA256:x"),
    )  # fmt: skip

    async def key(_):
        return PrivateKey("canary", 1, "SHA256:x")

    scope = names.scope("product", "orchard")
    async with as_account(place.cluster, "reconciler", tmp_path) as client:
        applications, repositories = ArgoTarget(client), RepositorySecrets(client, key)
        await settle(applications, product_state("orchard", (deployment,)), scope)
        await settle(repositories, repository_state("orchard", (deployment,)), scope)
        assert len(await applications.observe(scope)) == 2
        assert len(await repositories.observe(scope)) == 1
        for ref in await applications.observe(scope):
            assert await client.delete(ref.kind, ref.name, "argocd")
            # What Argo CD does, which does not run here.
            await client.patch_merge(ref.kind, ref.name, "argocd", {"metadata": {"finalizers": None}})
        await settle(repositories, {}, scope)
        await refused(
            client.list("Application"), client.list("Secret", "nautes"), client.list("Namespace"),
            client.create({**CLUSTER_ROLE, "rules": []}),
        )  # fmt: skip


async def test_the_registrar_may_register_clusters_and_no_more(place, tmp_path):
    async def access(_):
        return ClusterAccess("https://east.example:6443", "", "canary")

    state = cluster_secret_state("east", "https://east.example:6443", "", 1)
    scope = names.scope("cluster", "east")
    async with as_account(place.cluster, "cluster-registrar", tmp_path) as client:
        target = ClusterSecrets(client, access)
        await settle(target, state, scope)
        assert len(await target.observe(scope)) == 1
        await settle(target, {}, scope)
        assert not await target.observe(scope)
        await refused(client.list("Application", "argocd"), client.list("Secret", "nautes"))


@pytest.mark.parametrize("account", ["webhook-gateway", "secret-broker", "api-server", "nats"])
async def test_who_calls_no_api_has_no_rights(place, tmp_path, account):
    async with as_account(place.cluster, account, tmp_path) as client:
        await refused(*(client.list("Secret", namespace) for namespace in ("argocd", "nautes")))
