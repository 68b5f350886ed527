"""The local Kubernetes API as a process: its files, its end, what it makes of nonsense, and the real definitions."""

import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
import yaml

from conformance.cluster import Cluster, configmap, names
from nautes_adapters.kubernetes import KubernetesClient
from nautes_localstack.kubernetes.running import SHIPPED
from support.kubernetes import start_kubernetes
from support.processes import wait_until
from support.shared import shared_data

MAPS = "/api/v1/namespaces/default/configmaps"
RUNS = "/apis/tekton.dev/v1/namespaces/default/pipelineruns"
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/default/applications"


@pytest.fixture
def local(tmp_path):
    with start_kubernetes(tmp_path) as running:
        yield running


def connect(local):
    return Cluster(local.url, local.token, local.ca_file.read_text(), is_local=True)


@pytest.fixture
def cluster(local):
    with connect(local) as ours:
        yield ours


async def test_its_kubeconfig_lets_the_adapter_in_and_nobody_else_reads_it(local):
    client = KubernetesClient.from_kubeconfig(local.kubeconfig)
    try:
        assert await client.get("Namespace", "kube-system") is not None
    finally:
        await client.close()
    secret = [
        local.kubeconfig,
        local.kubeconfig.with_name("accounts.key"),
        local.kubeconfig.with_name("server.pem"),
    ]
    assert [stat.S_IMODE(file.stat().st_mode) for file in secret] == [0o600] * 3


def test_no_secret_shows_in_its_command_or_output(local, cluster):
    cluster.create(
        "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "stringData": {"k": "canary-7f3a"}}
    )
    cluster.http.post(
        "/api/v1/namespaces/default/secrets", json={"metadata": [], "stringData": {"k": "canary-7f3a"}}
    )
    command = Path(f"/proc/{local.process.pid}/cmdline").read_text()
    local.stop()
    for text in (command, local.process.log):
        assert local.token not in text
        assert "canary-7f3a" not in text


def test_it_ends_in_order_also_while_it_is_watched(local, cluster):
    opened, ended = threading.Event(), []

    def follow():
        with (
            cluster.client(local.token) as http,
            http.stream("GET", MAPS, params={"watch": "true"}) as answer,
        ):
            opened.set()
            ended.append([line for line in answer.iter_lines() if line][-1:])

    watcher = threading.Thread(target=follow)
    watcher.start()
    assert opened.wait(10)
    assert local.stop() == 0
    watcher.join(10)
    assert len(ended) == 1
    assert local.process.log == ""


def test_all_is_kept_over_a_kill_and_a_watch_goes_on(local, cluster):
    cluster.create(MAPS, configmap("kept"))
    token = cluster.token_of("default", "default")
    since = cluster.version(MAPS)
    cluster.create(MAPS, configmap("later"))
    local.kill()
    local.start()
    with connect(local) as again:
        assert again.get(f"{MAPS}/kept")["data"] == {"a": "1"}
        assert names(again.events(MAPS, resourceVersion=since)) == [("ADDED", "later")]
        with again.client(token) as account:
            assert account.get("/version").status_code == 200


def test_an_end_that_was_interrupted_goes_on(local, cluster):
    cluster.create("/api/v1/namespaces", {"metadata": {"name": "doomed"}})
    cluster.create("/api/v1/namespaces/doomed/configmaps", configmap("inside"))
    cluster.http.delete("/api/v1/namespaces/doomed")
    local.kill()
    local.start()
    with connect(local) as again:
        again.eventually("/api/v1/namespaces/doomed", lambda answer: answer.status_code == 404)


def test_tokens_hold_when_the_port_changes(tmp_path):
    with start_kubernetes(tmp_path) as first, connect(first) as cluster:
        token = cluster.token_of("default", "default")
        url = first.url
    with start_kubernetes(tmp_path) as second, connect(second) as cluster, cluster.client(token) as account:
        assert second.url != url
        assert account.get("/version").status_code == 200


def test_it_does_not_start_without_a_token(tmp_path):
    empty = tmp_path / "token"
    empty.write_text("\n")
    command = [
        sys.executable,
        "-m",
        "nautes_localstack.kubernetes",
        "--port",
        "1",
        "--state",
        str(tmp_path / "s"),
    ]
    done = subprocess.run(
        [*command, "--name", "x", "--token-file", empty], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "holds no token" in done.stderr


NONSENSE = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"\xff\xfe",
    b"[" * 5000,
    b'{"metadata": 1}',
    b'{"metadata": {"name": 1}}',
    b'{"metadata": {"name": "x", "labels": []}}',
    b'{"metadata": {"name": "x", "ownerReferences": [1]}}',
    b'{"metadata": {"name": "x", "finalizers": {}}}',
    b'{"metadata": {"name": "x"}, "data": 1}',
    b'{"metadata": {"name": "x"}, "spec": [], "rules": 3, "roleRef": 4}',
    b'{"metadata": {"name": "x"}, "spec": {"versions": [1], "names": 2}}',
    b'{"kind": "Other", "apiVersion": "v9", "metadata": {"name": "x"}}',
]
PLACES = [
    MAPS,
    RUNS,
    "/api/v1/namespaces",
    "/api/v1/namespaces/default/serviceaccounts/default/token",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authentication.k8s.io/v1/tokenreviews",
]


@pytest.mark.parametrize("path", PLACES)
def test_nonsense_is_refused_in_words(cluster, path):
    for body in NONSENSE:
        answer = cluster.http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (body, answer.text)
        assert answer.status_code >= 400 or answer.status_code == 201


@pytest.mark.parametrize(
    "kind", ["merge-patch+json", "json-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"]
)
def test_nonsensical_patches_are_refused_in_words(cluster, kind):
    cluster.create(MAPS, configmap("target"))
    for body in NONSENSE:
        headers = {"Content-Type": f"application/{kind}"}
        answer = cluster.http.patch(
            f"{MAPS}/target", content=body, headers=headers, params={"fieldManager": "x"}
        )
        assert answer.status_code < 500 or "typed patch object" in answer.text, (body, answer.text)
    assert cluster.get(f"{MAPS}/target")["metadata"]["name"] == "target"


def test_a_body_beyond_the_limit_is_refused(cluster):
    answer = cluster.http.post(MAPS, json=configmap("big", a="x" * (3 * 2**20)))
    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")
    assert cluster.create(MAPS, configmap("fits", a="x" * 2**20))["data"]["a"][:1] == "x"


def test_protobuf_is_not_spoken(cluster):
    answer = cluster.http.post(
        MAPS, content=b"k8s\x00", headers={"Content-Type": "application/vnd.kubernetes.protobuf"}
    )
    assert answer.status_code == 415


def test_its_certificate_is_not_anybodys(local):
    with httpx.Client(base_url=local.url, trust_env=False) as http, pytest.raises(httpx.ConnectError):
        http.get("/readyz")


def run(**spec):
    task = {"name": "t", "taskSpec": {"steps": [{"name": "one", "image": "busybox"}]}}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"generateName": "run-"},
        "spec": {"pipelineSpec": {"tasks": [task]}, **spec},
    }


def application(**spec):
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"generateName": "app-"},
        "spec": {
            "project": "default",
            "destination": {"server": "https://x", "namespace": "y"},
            "source": {"repoURL": "https://git.example/x", "path": "p"},
            **spec,
        },
    }


CASES = [
    (RUNS, run(), 201),
    (RUNS, run(timeouts={"pipeline": "1h"}), 201),
    (RUNS, run(timeout="1h"), 400),
    (RUNS, run(params="x"), 422),
    (RUNS, run(taskRunTemplate={"serviceAccountName": "x"}), 201),
    (RUNS, run(taskRunTemplate={"account": "x"}), 400),
    (APPLICATIONS, application(), 201),
    (APPLICATIONS, application(source={"path": "p"}), 422),
    (APPLICATIONS, application(project=None), 422),
    (APPLICATIONS, application(syncPolicy={"automated": {"prune": True}}), 201),
    (APPLICATIONS, application(sources={}), 422),
    (APPLICATIONS, application(unknown=1), 400),
]


@pytest.fixture(scope="module", params=["shipped", "real"])
def defined(request, tmp_path_factory):
    """A server with the shipped definitions, and one with those of Tekton and Argo CD themselves."""
    data = shared_data()
    if request.param == "real" and data is None:
        pytest.skip("the CRDs of Argo CD and Tekton are not here")
    crds = data / "crds" if request.param == "real" else None
    with start_kubernetes(tmp_path_factory.mktemp("defined"), crds=crds) as running, connect(running) as ours:
        yield ours


@pytest.mark.parametrize(("path", "body", "status"), CASES)
def test_shipped_and_real_definitions_judge_alike(defined, path, body, status):
    answer = defined.http.post(path, json=body, params={"fieldValidation": "Strict"})
    assert answer.status_code == status, answer.text


def test_shipped_definitions_are_named_like_the_real_ones():
    data = shared_data()
    if data is None:
        pytest.skip("the CRDs of Argo CD and Tekton are not here")

    def definitions(directory):
        for file in sorted(directory.rglob("*.yaml")):
            for one in yaml.load_all(file.read_bytes(), Loader=yaml.CSafeLoader):
                yield one["metadata"]["name"], one["spec"]

    real = dict(definitions(data / "crds"))
    shipped = dict(definitions(SHIPPED))
    assert {"pipelineruns.tekton.dev", "applications.argoproj.io", "appprojects.argoproj.io"} <= set(shipped)
    for name, spec in shipped.items():
        assert {key: spec[key] for key in ("group", "scope", "names")} == {
            key: real[name][key] for key in ("group", "scope", "names")
        }
        (version,) = spec["versions"]
        theirs = next(one for one in real[name]["versions"] if one["name"] == version["name"])
        assert version.get("subresources") == (theirs.get("subresources") or None)


def test_a_changed_definition_is_taken_over_at_the_next_start(tmp_path):
    crds = tmp_path / "crds"
    crds.mkdir()
    rules = {"type": "object", "properties": {"spec": {"type": "object"}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": rules}}
    names_ = {"plural": "gears", "kind": "Gear"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gears.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": names_, "versions": [version]},
    }
    path = "/apis/example.com/v1/gears"
    gear = {"apiVersion": "example.com/v1", "kind": "Gear", "metadata": {"generateName": "g-"}, "spec": {}}
    (crds / "gears.yaml").write_text(json.dumps(definition))
    with start_kubernetes(tmp_path, crds=crds) as local, connect(local) as cluster:
        cluster.create(path, gear)
        rules["properties"]["spec"]["required"] = ["size"]
        (crds / "gears.yaml").write_text(json.dumps(definition))
        local.restart()
        with connect(local) as again:
            assert again.http.post(path, json=gear).status_code == 422
            assert len(again.get(path)["items"]) == 1


def test_a_page_of_metrics_is_not_there(cluster):
    assert cluster.http.get("/metrics").status_code == 404
    wait_until(lambda: cluster.http.get("/readyz").status_code == 200)
