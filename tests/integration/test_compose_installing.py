"""Installing release manifests by server-side apply, and the health check of every container: on real servers."""

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from nautes_cli.compose.full import names_for_pods
from nautes_cli.compose.installing import Installer, manifests
from nautes_localstack.bootstrap import SetupError, trust_code_host
from nautes_localstack.kubeconfigs import ClusterAccess
from support.compose_file import ROOT
from support.kubernetes import start_kubernetes

HEALTH_CHECK = ROOT / "deploy" / "images" / "healthcheck.py"

RELEASE = [
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "pears.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Pear", "listKind": "PearList", "plural": "pears", "singular": "pear"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": {"type": "object", "properties": {"kind": {"type": "string"}}}
                            },
                        }
                    },
                }
            ],
        },
    },
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "picker"}},
    {
        "apiVersion": "example.com/v1",
        "kind": "Pear",
        "metadata": {"name": "one"},
        "spec": {"kind": "conference"},
    },
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_kubernetes(tmp_path_factory.mktemp("cluster"), "management") as running:
        yield running


@pytest.fixture
def access(cluster):
    return ClusterAccess.read(cluster.kubeconfig)


@pytest.fixture
def release(tmp_path):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (tmp_path / "release.yaml").write_text("---\n" + yaml.safe_dump_all(RELEASE))
    (tmp_path / "broken.yaml").write_text("a: [")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_release_is_applied_with_its_own_kinds_and_may_be_applied_again(access, release):
    async with Installer.connect(access, 20) as installer:
        assert await installer.answers()
        for _ in range(2):
            await installer.install("orchard", f"{release}/release.yaml")
        for path in (
            "/api/v1/namespaces/orchard/serviceaccounts/picker",
            "/apis/example.com/v1/namespaces/orchard/pears/one",
        ):
            assert (await installer.cluster.get(path)).status_code == 200


async def test_names_for_pods_are_an_object_that_the_server_takes(access):
    async with Installer.connect(access, 20) as installer:
        await installer.apply([names_for_pods({"gitlab": "10.0.0.2"})])
        found = await installer.cluster.get("/api/v1/namespaces/kube-system/configmaps/coredns-custom")
        assert "10.0.0.2 gitlab" in found.json()["data"]["containers.server"]


async def test_argo_cd_is_told_once_how_to_know_the_code_host_and_keeps_what_it_knew(access):
    name, other = "argocd-ssh-known-hosts-cm", "other ssh-ed25519 BBBB"
    hosts = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    async with Installer.connect(access, 20) as installer:
        await installer.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}])
        for known in ({}, {"data": {"ssh_known_hosts": f"{other}\n"}}):
            if known:
                await installer.apply([hosts | known], "argocd")
            for _ in range(2):
                await trust_code_host(installer.cluster, "gitlab ssh-ed25519 AAAA\n")
            found = await installer.cluster.get(f"/api/v1/namespaces/argocd/configmaps/{name}")
            lines = found.json()["data"]["ssh_known_hosts"].splitlines()
            assert lines == [*([other] if known else []), "gitlab ssh-ed25519 AAAA"]


async def test_what_the_server_refuses_is_named(access):
    refused = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "Not_A_Name"}}
    async with Installer.connect(access, 20) as installer:
        with pytest.raises(SetupError, match="ServiceAccount Not_A_Name was answered with 422"):
            await installer.apply([refused])


@pytest.mark.parametrize(
    ("file", "words"), [("none.yaml", "answered with 404"), ("broken.yaml", "holds no manifests")]
)
async def test_an_address_without_manifests_is_named(release, file, words):
    with pytest.raises(SetupError, match=words):
        await manifests(f"{release}/{file}")


async def test_nobody_at_the_address_is_said():
    with pytest.raises(SetupError, match=r"127\.0\.0\.1:1/release\.yaml"):
        await manifests("http://127.0.0.1:1/release.yaml")


def is_well(*arguments):
    return not subprocess.run(
        [sys.executable, "-I", "-S", HEALTH_CHECK, *map(str, arguments)], check=False
    ).returncode


def test_the_health_check_takes_200_alone_for_well(release):
    assert is_well(f"{release}/release.yaml?x=1")
    assert not is_well(f"{release}/none.yaml")
    assert not is_well("http://127.0.0.1:1/")
    assert not is_well("nonsense")


def test_the_health_check_trusts_the_authority_of_the_kubeconfig_alone(cluster, tmp_path):
    assert is_well(f"{cluster.url}/readyz", cluster.kubeconfig)
    (tmp_path / "empty").write_text("")
    assert not is_well(f"{cluster.url}/readyz", tmp_path / "empty")
    assert not is_well(f"{cluster.url}/readyz", tmp_path / "none")
