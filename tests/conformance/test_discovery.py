"""What the server says that there is, compared with what a real one said of the same."""

import json

import pytest

from support.shared import shared_data


@pytest.fixture(scope="module")
def recorded():
    data = shared_data()
    if data is None:
        pytest.skip("the recordings of a real server are not here (NAUTES_SHARED_DATA names their folder)")
    lines = (data / "kube-golden-v1.36.2.jsonl").read_text().splitlines()
    return [json.loads(line)["response"] for line in lines]


def served(entries, real, key):
    """Return each entry of ours with the real one of the same key."""
    by_key = {one[key]: one for one in real}
    return [(one, by_key[one[key]]) for one in entries if one[key] in by_key]


def test_every_core_resource_is_described_as_recorded(cluster, recorded):
    if not cluster.is_local:
        pytest.skip("another release may serve more")
    ours = cluster.get("/api/v1")["resources"]
    pairs = served(ours, recorded[3]["resources"], "name")
    assert len(pairs) >= 17
    assert {one["name"] for one in ours} <= {one["name"] for one in recorded[3]["resources"]}
    for one, real in pairs:
        assert one == real


def test_every_group_resource_is_described_as_recorded(cluster, recorded):
    if not cluster.is_local:
        pytest.skip("another release may serve more")
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    ours = cluster.http.get("/apis", headers=accept).json()
    real = {
        (group["metadata"]["name"], version["version"], resource["resource"]): resource
        for group in recorded[4]["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }
    compared = 0
    for group in ours["items"]:
        for version in group["versions"]:
            for resource in version["resources"]:
                place = (group["metadata"]["name"], version["version"], resource["resource"])
                if "." in place[0] and not place[0].endswith("k8s.io"):
                    continue
                known = {**real[place]}
                # Scaling is not served.
                known["subresources"] = [
                    one for one in known.get("subresources", ()) if one["subresource"] != "scale"
                ]
                assert {"subresources": [], **resource} == known
                compared += 1
    assert compared >= 20


def test_groups_and_versions_lead_to_their_resources(cluster):
    for group in cluster.get("/apis")["groups"]:
        assert cluster.get(f"/apis/{group['name']}")["preferredVersion"] == group["preferredVersion"]
        for version in group["versions"]:
            listed = cluster.get(f"/apis/{version['groupVersion']}")
            assert listed["groupVersion"] == version["groupVersion"]
            assert listed["resources"]


def test_it_says_what_it_is(cluster):
    if not cluster.is_local:
        pytest.skip("said by the local server")
    assert cluster.get("/version")["gitVersion"].endswith("+nautes-local")


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
def test_health_is_told_to_anybody(cluster, path):
    with cluster.client("") as anonymous:
        assert anonymous.get(path).text == "ok"


def test_openapi_names_field_validation_for_each_kind(cluster):
    index = cluster.get("/openapi/v3")["paths"]
    document = cluster.get(index["apis/apps/v1"]["serverRelativeURL"])
    place = next(path for path in document["paths"] if path.endswith("/deployments/{name}"))
    operation = document["paths"][place]["patch"]
    assert operation["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    parameters = [*operation["parameters"], *document["paths"][place].get("parameters", ())]
    assert "fieldValidation" in [one.get("name") for one in parameters]
