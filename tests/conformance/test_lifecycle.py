import secrets

from conformance.cluster import configmap


def collection(namespace):
    return f"/api/v1/namespaces/{namespace}/configmaps"


def owned(name, owner, **more):
    body = configmap(name)
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    body["metadata"]["ownerReferences"] = [{**reference, **more}]
    return body


def is_gone(answer):
    return answer.status_code == 404


def test_a_namespace_ends_with_all_that_is_in_it(cluster):
    name = f"conf-{secrets.token_hex(4)}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    cluster.create(collection(name), configmap("inside"))
    ended = cluster.http.delete(f"/api/v1/namespaces/{name}").json()
    assert ended["status"]["phase"] == "Terminating"
    refused = cluster.http.post(collection(name), json=configmap("late"))
    assert refused.status_code == 403
    assert refused.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    cluster.eventually(f"/api/v1/namespaces/{name}", is_gone)
    assert is_gone(cluster.http.get(f"{collection(name)}/inside"))


def test_a_namespace_waits_for_who_holds_its_contents(cluster, namespace):
    body = configmap("held")
    body["metadata"]["finalizers"] = ["conf.example.com/hold"]
    cluster.create(collection(namespace), body)
    free = configmap("free")
    cluster.create(collection(namespace), free)
    cluster.http.delete(f"/api/v1/namespaces/{namespace}")
    cluster.eventually(f"{collection(namespace)}/free", is_gone)
    held = cluster.get(f"{collection(namespace)}/held")
    assert held["metadata"]["deletionTimestamp"]
    assert cluster.get(f"/api/v1/namespaces/{namespace}")["status"]["phase"] == "Terminating"
    cluster.patch(f"{collection(namespace)}/held", {"metadata": {"finalizers": None}})
    cluster.eventually(f"/api/v1/namespaces/{namespace}", is_gone)


def test_the_default_account_comes_back(cluster, namespace):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    first = cluster.get(path)["metadata"]["uid"]
    cluster.http.delete(path)
    found = cluster.eventually(
        path, lambda answer: answer.status_code == 200 and answer.json()["metadata"]["uid"] != first
    )
    assert found.json()["metadata"]["name"] == "default"


def test_the_default_namespace_stays(cluster):
    answer = cluster.http.delete("/api/v1/namespaces/default")
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")


def test_dependents_follow_their_owner(cluster, namespace):
    path = collection(namespace)
    owner = cluster.create(path, configmap("owner"))
    child = cluster.create(path, owned("child", owner))
    cluster.create(path, owned("grandchild", child))
    cluster.create(path, configmap("stranger"))
    cluster.http.delete(f"{path}/owner", params={"propagationPolicy": "Background"})
    cluster.eventually(f"{path}/grandchild", is_gone)
    assert is_gone(cluster.http.get(f"{path}/child"))
    assert cluster.http.get(f"{path}/stranger").status_code == 200


def test_who_has_another_owner_left_stays(cluster, namespace):
    path = collection(namespace)
    first, second = cluster.create(path, configmap("first")), cluster.create(path, configmap("second"))
    body = owned("child", first)
    body["metadata"]["ownerReferences"] += owned("child", second)["metadata"]["ownerReferences"]
    cluster.create(path, body)
    cluster.http.delete(f"{path}/first")

    def has_one_owner(answer):
        return len(answer.json()["metadata"].get("ownerReferences", ())) == 1

    child = cluster.eventually(f"{path}/child", has_one_owner).json()
    assert child["metadata"]["ownerReferences"][0]["name"] == "second"


def test_who_names_an_owner_that_never_was_goes(cluster, namespace):
    path = collection(namespace)
    owner = {"metadata": {"name": "nobody", "uid": "0b1c7d8a-0000-4000-8000-000000000000"}}
    cluster.create(path, owned("orphan", owner))
    cluster.eventually(f"{path}/orphan", is_gone)


def test_orphans_stay_without_their_owner(cluster, namespace):
    path = collection(namespace)
    owner = cluster.create(path, configmap("owner"))
    cluster.create(path, owned("child", owner))
    cluster.http.delete(f"{path}/owner", params={"propagationPolicy": "Orphan"})
    cluster.eventually(f"{path}/owner", is_gone)
    assert "ownerReferences" not in cluster.get(f"{path}/child")["metadata"]


def test_in_the_foreground_an_owner_outlives_who_blocks_it(cluster, namespace):
    path = collection(namespace)
    owner = cluster.create(path, configmap("owner"))
    child = owned("child", owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = ["conf.example.com/hold"]
    cluster.create(path, child)
    cluster.http.delete(f"{path}/owner", params={"propagationPolicy": "Foreground"})
    cluster.eventually(f"{path}/child", lambda answer: "deletionTimestamp" in answer.json()["metadata"])
    assert cluster.get(f"{path}/owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    cluster.patch(f"{path}/child", {"metadata": {"finalizers": None}})
    cluster.eventually(f"{path}/owner", is_gone)


def definition(group, **version):
    rules = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gears.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": "gears", "kind": "Gear"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": rules},
                    **version,
                }
            ],
        },
    }


def test_a_definition_comes_and_goes_with_its_objects(cluster):
    group = f"conf{secrets.token_hex(3)}.example.com"
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    body = definition(group)
    assert cluster.apply(f"{definitions}/gears.{group}", body).status_code == 201

    def is_established(answer):
        conditions = answer.json().get("status", {}).get("conditions") or ()
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    cluster.eventually(f"{definitions}/gears.{group}", is_established)
    cluster.eventually(f"/apis/{group}/v1/gears", lambda answer: answer.status_code == 200)
    gear = {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "one"}, "spec": {"size": 1}}
    cluster.create(f"/apis/{group}/v1/gears", gear)
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"] = ["size"]
    assert cluster.apply(f"{definitions}/gears.{group}", body).status_code == 200
    without = {**gear, "metadata": {"name": "two"}, "spec": {}}

    def refuses(_answer):
        return (
            cluster.http.post(f"/apis/{group}/v1/gears", json=without, params={"dryRun": "All"}).status_code
            == 422
        )

    cluster.eventually(f"{definitions}/gears.{group}", refuses)
    assert cluster.http.delete(f"{definitions}/gears.{group}").status_code == 200
    cluster.eventually(f"/apis/{group}/v1/gears", is_gone)
    assert group not in [one["name"] for one in cluster.get("/apis")["groups"]]
