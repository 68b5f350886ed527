import time

import pytest

from conformance.cluster import Cluster, configmap, names
from support.kubernetes import start_kubernetes


def collection(namespace):
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def forgetful(tmp_path):
    """A server that remembers its last ten changes."""
    with (
        start_kubernetes(tmp_path, history=10) as local,
        Cluster(local.url, local.token, local.ca_file.read_text(), is_local=True) as cluster,
    ):
        yield cluster


def churn(cluster, path, times):
    cluster.create(path, configmap("churn"))
    for number in range(times):
        assert cluster.patch(f"{path}/churn", {"data": {"n": str(number)}}).status_code == 200


def test_a_watch_tells_what_happens_after_a_list(cluster, namespace):
    path = collection(namespace)
    since = cluster.version(path)
    with cluster.watching(path, resourceVersion=since) as events:
        made = cluster.create(path, configmap("one"))
        cluster.patch(f"{path}/one", {"data": {"b": "2"}})
        cluster.http.delete(f"{path}/one")
    assert names(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    assert events[0]["object"] == made
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
    assert versions == sorted(set(versions))


def test_a_watch_resumes_from_an_older_version(cluster, namespace):
    path = collection(namespace)
    cluster.create(path, configmap("early"))
    since = cluster.version(path)
    cluster.create(path, configmap("missed"))
    cluster.http.delete(f"{path}/missed")
    events = cluster.events(path, resourceVersion=since)
    assert names(events) == [("ADDED", "missed"), ("DELETED", "missed")]


def test_a_watch_without_a_version_begins_with_all_there_is(cluster, namespace):
    path = collection(namespace)
    cluster.create(path, configmap("one"))
    assert ("ADDED", "one") in names(cluster.events(path))


def test_two_watches_are_told_the_same(cluster, namespace):
    path = collection(namespace)
    since = cluster.version(path)
    with (
        cluster.watching(path, resourceVersion=since) as one,
        cluster.watching(path, resourceVersion=since) as two,
    ):
        cluster.create(path, configmap("shared"))
    assert names(one) == names(two) == [("ADDED", "shared")]


def test_leaving_a_selector_is_a_deletion_and_entering_it_an_addition(cluster, namespace):
    path = collection(namespace)
    body = configmap("moves")
    body["metadata"]["labels"] = {"team": "apples"}
    cluster.create(path, body)
    since = cluster.version(path)
    for team in ("pears", "apples"):
        cluster.patch(f"{path}/moves", {"metadata": {"labels": {"team": team}}})
    events = cluster.events(path, resourceVersion=since, labelSelector="team=apples")
    assert names(events) == [("DELETED", "moves"), ("ADDED", "moves")]
    assert events[0]["object"]["metadata"]["labels"] == {"team": "apples"}


def test_a_watch_of_one_object_by_field(cluster, namespace):
    path = collection(namespace)
    since = cluster.version(path)
    cluster.create(path, configmap("wanted"))
    cluster.create(path, configmap("other"))
    events = cluster.events(path, resourceVersion=since, fieldSelector="metadata.name=wanted")
    assert names(events) == [("ADDED", "wanted")]


def test_a_watch_ends_with_its_window(cluster, namespace):
    begun = time.monotonic()
    assert cluster.events(collection(namespace), resourceVersion=cluster.version(collection(namespace))) == []
    assert time.monotonic() - begun >= 1


def test_bookmarks_and_the_end_of_initial_events(cluster, namespace):
    path = collection(namespace)
    cluster.create(path, configmap("one"))
    events = cluster.events(
        path,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    kinds = [one["type"] for one in events]
    marked = next(one for one in events if one["type"] == "BOOKMARK")
    assert marked["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert set(kinds[: kinds.index("BOOKMARK")]) == {"ADDED"}
    assert int(marked["object"]["metadata"]["resourceVersion"]) > 0


@pytest.mark.parametrize("word", ["true", "True", "1"])
def test_every_spelling_of_true_watches(cluster, namespace, word):
    path = collection(namespace)
    since = cluster.version(path)
    cluster.create(path, configmap("spelled"))
    assert names(cluster.events(path, resourceVersion=since, watch=word)) == [("ADDED", "spelled")]


def test_a_version_that_is_none_is_the_servers_fault(cluster, namespace):
    answer = cluster.http.get(collection(namespace), params={"watch": "true", "resourceVersion": "abc"})
    assert answer.status_code == 500


def test_a_version_that_is_not_reached_yet_is_refused_for_lists(cluster, namespace):
    answer = cluster.http.get(collection(namespace), params={"resourceVersion": str(10**12)})
    assert answer.status_code == 504
    assert answer.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_too_old_a_watch_is_told_so_in_its_stream(forgetful):
    path = collection("default")
    since = forgetful.version(path)
    churn(forgetful, path, 40)
    events = forgetful.events(path, resourceVersion=since)
    assert [one["type"] for one in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["reason"], status["code"]) == ("Status", "Expired", 410)


def test_a_page_that_is_too_old_offers_an_inconsistent_rest(forgetful):
    path = collection("default")
    for name in ("a", "b", "c"):
        forgetful.create(path, configmap(name))
    first = forgetful.get(path, limit=1)
    churn(forgetful, path, 40)
    answer = forgetful.http.get(path, params={"limit": 1, "continue": first["metadata"]["continue"]})
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    rest = forgetful.get(path, **{"continue": answer.json()["metadata"]["continue"]})
    assert [one["metadata"]["name"] for one in rest["items"]][:2] == ["b", "c"]


def test_an_exact_list_of_forgotten_times_is_refused(forgetful):
    path = collection("default")
    since = forgetful.version(path)
    churn(forgetful, path, 40)
    answer = forgetful.http.get(path, params={"resourceVersion": since, "resourceVersionMatch": "Exact"})
    assert answer.status_code == 410


def test_pages_show_the_list_as_it_was_at_the_first(cluster, namespace):
    path = collection(namespace)
    for name in ("a", "b", "c"):
        cluster.create(path, configmap(name))
    first = cluster.get(path, limit=1)
    cluster.http.delete(f"{path}/b")
    cluster.create(path, configmap("bb"))
    cluster.patch(f"{path}/c", {"data": {"later": "1"}})
    rest = cluster.get(path, **{"continue": first["metadata"]["continue"]})
    found = {one["metadata"]["name"]: one for one in rest["items"]}
    assert set(found) >= {"b", "c"}
    assert "bb" not in found
    assert "later" not in found["c"]["data"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
