"""kubectl, as people use it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conformance.cluster import Cluster
from support.kubernetes import start_kubernetes

KUBECTL = Path(sys.executable).with_name("kubectl")

MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: orchard}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: apples, namespace: orchard, labels: {kind: fruit}}
data: {count: "3"}
---
apiVersion: v1
kind: Service
metadata: {name: stand, namespace: orchard}
spec:
  selector: {app: stand}
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stand, namespace: orchard}
spec:
  replicas: 1
  selector: {matchLabels: {app: stand}}
  template:
    metadata: {labels: {app: stand}}
    spec:
      containers:
      - {name: stand, image: apples, env: [{name: A, value: one}, {name: B, value: two}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: ripen, namespace: orchard}
spec:
  project: orchard
  source: {repoURL: "https://code.example/orchard/deploy.git", path: stage}
  destination: {name: in-cluster, namespace: orchard}
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    if not KUBECTL.exists():
        pytest.skip("kubectl is not installed")
    home = tmp_path_factory.mktemp("kubectl")

    with start_kubernetes(home) as local:
        environment = {"KUBECONFIG": str(local.kubeconfig), "HOME": str(home), "PATH": "/usr/bin:/bin"}

        def run(*arguments, text="", code=0):
            done = subprocess.run(
                [KUBECTL, *arguments],
                input=text,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == code, done.stderr
            return done.stdout if code == 0 else done.stderr

        is_local = not local.is_real
        run.cluster = Cluster(local.url, local.token, local.ca_file.read_text(), is_local=is_local)
        with run.cluster:
            yield run


def test_api_resources(kubectl):
    found = kubectl("api-resources", "-o", "name").split()
    assert {"namespaces", "secrets", "pipelineruns.tekton.dev", "applications.argoproj.io"} <= set(found)
    short = {line.split()[0]: line.split() for line in kubectl("api-resources").splitlines()}
    assert short["configmaps"][1:] == ["cm", "v1", "true", "ConfigMap"]


def test_version(kubectl):
    assert ("+nautes-local" in kubectl("version")) is kubectl.cluster.is_local


def test_apply_get_change_and_delete(kubectl):
    assert kubectl("apply", "-f", "-", text=MANIFESTS).count("created") == 5
    assert kubectl("apply", "-f", "-", text=MANIFESTS).count("unchanged") == 5
    changed = (
        MANIFESTS.replace('"3"', '"4"')
        .replace("value: one", "value: three")
        .replace(", {name: B, value: two}", "")
    )
    assert kubectl("apply", "-f", "-", text=changed).count("configured") == 2
    apples = yaml.safe_load(kubectl("get", "cm", "apples", "-n", "orchard", "-o", "yaml"))
    assert apples["data"] == {"count": "4"}
    stand = json.loads(kubectl("get", "deploy/stand", "-n", "orchard", "-o", "json"))
    container = stand["spec"]["template"]["spec"]["containers"][0]
    # A server may add defaults; what was declared is as declared, and what was taken out is gone.
    expected = {"name": "stand", "image": "apples", "env": [{"name": "A", "value": "three"}]}
    assert {name: container[name] for name in expected} == expected
    assert "apples" in kubectl("get", "configmaps", "-A", "-l", "kind=fruit")
    assert kubectl("get", "ns", "orchard", "--no-headers").split()[0] == "orchard"
    assert "ripen" in kubectl("get", "app", "-n", "orchard")
    kubectl("label", "cm", "apples", "-n", "orchard", "ripe=yes")
    kubectl("patch", "cm", "apples", "-n", "orchard", "-p", '{"data":{"colour":"red"}}')
    assert kubectl.cluster.get("/api/v1/namespaces/orchard/configmaps/apples")["data"] == {
        "count": "4",
        "colour": "red",
    }
    assert kubectl("delete", "-f", "-", text=changed).count("deleted") == 5
    assert "NotFound" in kubectl("get", "ns", "orchard", code=1)


def test_server_side_apply_and_its_conflicts(kubectl):
    kubectl("apply", "--server-side", "-f", "-", text=MANIFESTS)
    more = MANIFESTS.replace('"3"', '"5"')
    refused = kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", text=more, code=1)
    assert "conflict with" in refused
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", text=more)
    kubectl("delete", "ns", "orchard")


def test_unknown_fields_are_refused(kubectl):
    wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong}\ndat: {a: b}\n"
    assert 'unknown field "dat"' in kubectl("apply", "-f", "-", text=wrong, code=1)


def test_waiting_and_diff(kubectl):
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: b}\n"
    kubectl("apply", "-f", "-", text=one)
    kubectl("wait", "--for=jsonpath={.data.a}=b", "cm/one", "--timeout=10s")
    kubectl("diff", "-f", "-", text=one.replace("a: b", "a: c"), code=1)
    kubectl("delete", "cm", "one")
