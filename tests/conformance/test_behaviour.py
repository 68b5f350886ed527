"""What recordings of single exchanges cannot show: watches over time, rights over several requests, kubectl."""

import base64
import json
import secrets
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"


@pytest.fixture
def admin(server):
    with client_of(server, server.token) as client:
        yield client


@pytest.fixture
def namespace(admin):
    name = f"ns-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert admin.post("/api/v1/namespaces", json=body).status_code == 201
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


def client_of(server, token, **headers):
    context = ssl.create_default_context(cadata=server.ca)
    headers = {"Authorization": f"Bearer {token}", **headers}
    return httpx.Client(base_url=server.url, verify=context, headers=headers, timeout=30, trust_env=False)


def config_map(name, **labels):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        # A real server leaves out labels when there are none, and kubectl takes that for a change.
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "data": {"a": "1"},
    }


def events(client, path, **params):
    with client.stream("GET", path, params={"watch": "true", "timeoutSeconds": "1", **params}) as answer:
        assert answer.status_code == 200
        return [json.loads(line) for line in answer.iter_lines() if line]


def test_a_watch_resumes_where_it_was_and_tells_what_was_missed(admin, namespace):
    path = CONFIG_MAPS.format(namespace)
    start = admin.get(path).json()["metadata"]["resourceVersion"]
    admin.post(path, json=config_map("one"))
    admin.patch(
        f"{path}/one", json={"data": {"b": "2"}}, headers={"Content-Type": "application/merge-patch+json"}
    )
    admin.delete(f"{path}/one")
    seen = events(admin, path, resourceVersion=start)
    assert [one["type"] for one in seen] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in seen]
    assert versions == sorted(versions)
    assert [one["type"] for one in events(admin, path, resourceVersion=str(versions[1]))] == ["DELETED"]


def test_leaving_a_selector_is_a_deletion_for_its_watch(admin, namespace):
    path = CONFIG_MAPS.format(namespace)
    admin.post(path, json=config_map("one", colour="red"))
    start = admin.get(path).json()["metadata"]["resourceVersion"]
    patch = {"metadata": {"labels": {"colour": "blue"}}}
    admin.patch(f"{path}/one", json=patch, headers={"Content-Type": "application/merge-patch+json"})
    seen = events(admin, path, resourceVersion=start, labelSelector="colour=red")
    assert [one["type"] for one in seen] == ["DELETED"]


def test_bookmarks_come_when_asked_for_and_carry_a_version(admin, namespace):
    path = CONFIG_MAPS.format(namespace)
    start = admin.get(path).json()["metadata"]["resourceVersion"]
    seen = events(admin, path, resourceVersion=start, allowWatchBookmarks="true", timeoutSeconds="2")
    assert {one["type"] for one in seen} <= {"BOOKMARK"}
    assert all(int(one["object"]["metadata"]["resourceVersion"]) >= int(start) for one in seen)


def test_server_side_apply_by_two_managers_keeps_each_ones_fields_and_refuses_conflicts(admin, namespace):
    path = f"{CONFIG_MAPS.format(namespace)}/shared"
    headers = {"Content-Type": "application/apply-patch+yaml"}

    def apply(manager, data, **params):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": data}
        return admin.patch(
            path, content=json.dumps(body), params={"fieldManager": manager, **params}, headers=headers
        )

    assert apply("one", {"a": "1"}).status_code == 201
    assert apply("two", {"b": "2"}).status_code == 200
    conflict = apply("two", {"b": "2", "a": "9"})
    assert conflict.status_code == 409
    assert conflict.json()["details"]["causes"][0]["field"] == ".data.a"
    assert apply("one", {}).json()["data"] == {"b": "2"}
    assert apply("two", {"b": "3", "a": "9"}, force="true").json()["data"] == {"a": "9", "b": "3"}


def test_an_account_may_do_what_its_role_says_and_nothing_else(server, admin, namespace):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    admin.post(accounts, json={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    admin.post(f"{rbac}/roles", json={"metadata": {"name": "read"}, "rules": rules})
    request = {"spec": {"audiences": None, "expirationSeconds": 600}}
    token = admin.post(f"{accounts}/reader/token", json=request).json()["status"]["token"]
    path = CONFIG_MAPS.format(namespace)
    with client_of(server, token) as reader:
        assert reader.get(path).status_code == 403
        subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"}
        admin.post(
            f"{rbac}/rolebindings",
            json={"metadata": {"name": "read"}, "subjects": [subject], "roleRef": reference},
        )
        assert reader.get(path).status_code == 200
        assert reader.post(path, json=config_map("no")).status_code == 403
        assert reader.get("/api/v1/secrets").status_code == 403
        assert reader.get(path, headers={"Impersonate-User": "admin"}).status_code == 403
    user = f"system:serviceaccount:{namespace}:reader"
    assert admin.post(path, json=config_map("no"), headers={"Impersonate-User": user}).status_code == 403
    assert admin.get(path, headers={"Impersonate-User": user}).status_code == 200


def test_nobody_grants_more_than_they_have(server, admin, namespace):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    admin.post(accounts, json={"metadata": {"name": "granter"}})
    rules = [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}]
    admin.post(f"{rbac}/roles", json={"metadata": {"name": "grant"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "granter", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "grant"}
    body = {"metadata": {"name": "grant"}, "subjects": [subject], "roleRef": reference}
    assert admin.post(f"{rbac}/rolebindings", json=body).status_code == 201
    token = admin.post(f"{accounts}/granter/token", json={"spec": {"expirationSeconds": 600}}).json()[
        "status"
    ]["token"]
    more = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    with client_of(server, token) as granter:
        assert (
            granter.post(f"{rbac}/roles", json={"metadata": {"name": "more"}, "rules": more}).status_code
            == 403
        )
        assert (
            granter.post(f"{rbac}/roles", json={"metadata": {"name": "same"}, "rules": rules}).status_code
            == 201
        )


def test_kubectl_lists_applies_and_deletes(server, namespace, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    ca = base64.b64encode(server.ca.encode()).decode()
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "c", "cluster": {"server": server.url, "certificate-authority-data": ca}}
                ],
                "users": [{"name": "u", "user": {"token": server.token}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
                "current-context": "x",
            }
        )
    )
    manifest = tmp_path / "map.yaml"
    manifest.write_text(json.dumps(config_map("by-kubectl")))

    def kubectl(*arguments):
        command = [
            KUBECTL,
            "--kubeconfig",
            str(kubeconfig),
            "--cache-dir",
            str(tmp_path / "cache"),
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "configmaps" in kubectl("api-resources")
    assert "created" in kubectl("apply", "-f", str(manifest))
    assert "unchanged" in kubectl("apply", "-f", str(manifest))
    assert "by-kubectl" in kubectl("get", "configmaps")
    assert json.loads(kubectl("get", "configmap", "by-kubectl", "-o", "json"))["data"] == {"a": "1"}
    assert "deleted" in kubectl("delete", "configmap", "by-kubectl", "--wait=false")
    assert "by-kubectl" not in kubectl("get", "configmaps")
