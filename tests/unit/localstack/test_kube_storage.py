import json
import uuid

import pytest

from nautes_localstack.kubernetes import paging
from nautes_localstack.kubernetes.errors import ApiError, PageNotFound
from nautes_localstack.kubernetes.paging import Continue
from nautes_localstack.kubernetes.requests import Place, of_scope, place, verb
from nautes_localstack.kubernetes.storage import Store


def thing(name, namespace="shop", **more):
    return {
        "kind": "Thing",
        "metadata": {"name": name, "namespace": namespace, "uid": str(uuid.uuid4()), **more},
        "n": 0,
    }


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "state", history=20)
    yield opened
    opened.close()


def names(rows):
    return [row.name for row in rows]


def change(store, name, **more):
    row = store.get("things", "shop", name)
    return store.write("MODIFIED", "things", {**row.load(), **more}, row.body)


def remove(store, name):
    row = store.get("things", "shop", name)
    return store.write("DELETED", "things", row.load(), row.body)


def test_every_write_has_the_next_version_and_is_kept(tmp_path, store):
    first = store.write("ADDED", "things", thing("a"))
    second = change(store, "a", n=1)
    assert [first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]] == ["1", "2"]
    again = Store(tmp_path / "state")
    assert again.version == 2
    assert again.get("things", "shop", "a").load()["n"] == 1
    assert again.write("ADDED", "things", thing("b"))["metadata"]["resourceVersion"] == "3"
    again.close()


def test_versions_go_on_after_everything_was_deleted(tmp_path, store):
    store.write("ADDED", "things", thing("a"))
    remove(store, "a")
    again = Store(tmp_path / "state")
    assert (again.version, names(again.collection("things"))) == (2, [])
    again.close()


def test_collections_are_in_order_and_of_one_resource(store):
    for name, namespace in (("b", "shop"), ("a", "shop"), ("c", "bar")):
        store.write("ADDED", "things", thing(name, namespace))
    store.write("ADDED", "others", thing("a"))
    assert names(store.collection("things")) == ["c", "a", "b"]
    assert names(store.collection("things", "shop")) == ["a", "b"]
    assert {row.resource for row in store.inside("shop")} == {"things", "others"}


def test_changes_tell_what_was_before(store):
    store.write("ADDED", "things", thing("a"))
    change(store, "a", n=1)
    remove(store, "a")
    events = store.since(0, "things")
    assert [one.type for one in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [bool(one.previous) for one in events] == [False, True, True]
    assert json.loads(events[1].previous)["n"] == 0
    assert json.loads(events[2].body)["metadata"]["resourceVersion"] == "3"
    assert store.since(2, "things", "elsewhere") == []


def test_a_list_can_be_read_as_it_was(store):
    store.write("ADDED", "things", thing("a"))
    store.write("ADDED", "things", thing("b"))
    then = store.version
    change(store, "a", n=1)
    remove(store, "b")
    store.write("ADDED", "things", thing("c"))
    store.write("ADDED", "things", thing("b", n=5))
    before = store.list_at("things", "shop", then)
    assert [(row.name, row.load()["n"], row.version) for row in before] == [("a", 0, 1), ("b", 0, 2)]
    assert names(store.list_at("things", "shop", store.version)) == ["a", "b", "c"]


def test_old_changes_are_forgotten_and_said_to_be(tmp_path, store):
    store.write("ADDED", "things", thing("a"))
    for number in range(60):
        change(store, "a", n=number)
    assert 0 < store.compacted < store.version
    assert store.version - store.compacted >= 20
    events = store.since(store.compacted, "things")
    assert events[0].version == store.compacted + 1
    again = Store(tmp_path / "state")
    assert again.compacted == store.compacted
    again.close()


def test_dependents_follow_their_references(store):
    owner = store.write("ADDED", "things", thing("owner"))
    uid = owner["metadata"]["uid"]
    store.write("ADDED", "things", thing("child", ownerReferences=[{"uid": uid}, {"uid": "gone"}]))
    assert names(store.dependents(uid)) == names(store.orphans()) == ["child"]
    row = store.get("things", "shop", "child")
    body = row.load()
    body["metadata"]["ownerReferences"] = [{"uid": uid}]
    store.write("MODIFIED", "things", body, row.body)
    assert store.orphans() == []
    remove(store, "child")
    assert store.dependents(uid) == []


def test_a_write_that_fails_leaves_nothing(store):
    first = store.write("ADDED", "things", thing("a"))
    twin = {**thing("b"), "n": object()}
    with pytest.raises(TypeError):
        store.write("ADDED", "things", twin)
    assert store.version == int(first["metadata"]["resourceVersion"])
    assert names(store.collection("things")) == ["a"]


def test_a_continue_token_says_where_to_go_on():
    token = Continue(7091, "/dc2").encode()
    assert token == "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NzA5MSwic3RhcnQiOiIvZGMyXHUwMDAwIn0"
    assert paging.decode(token) == Continue(7091, "/dc2")


@pytest.mark.parametrize("token", ["bogus", "e30", "!!!!", "bnVsbA"])
def test_what_is_no_continue_token_is_refused(token):
    with pytest.raises(ApiError) as raised:
        paging.decode(token)
    assert raised.value.code == 400


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api/v1/namespaces", Place("", "v1", "namespaces")),
        ("/api/v1/namespaces/x", Place("", "v1", "namespaces", name="x")),
        ("/api/v1/namespaces/x/status", Place("", "v1", "namespaces", name="x", subresource="status")),
        ("/api/v1/namespaces/x/pods", Place("", "v1", "pods", "x")),
        ("/api/v1/namespaces/x/pods/p/log", Place("", "v1", "pods", "x", "p", "log")),
        ("/api/v1/pods", Place("", "v1", "pods")),
        ("/apis/apps/v1/namespaces/x/deployments/d", Place("apps", "v1", "deployments", "x", "d")),
        (
            "/apis/r.io/v1/clusterroles/system%3Aadmin",
            Place("r.io", "v1", "clusterroles", name="system:admin"),
        ),
    ],
)
def test_paths(path, found):
    assert place(path) == found


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/v1", "/apis/apps/v1", "/other/v1/x/y", "/api/v1/namespaces/x/pods/p/a/b", "/api/v1//x"],
)
def test_paths_that_name_no_resource(path):
    with pytest.raises(PageNotFound):
        place(path)


@pytest.mark.parametrize(
    ("method", "name", "watching", "found"),
    [
        ("GET", "", False, "list"), ("GET", "x", False, "get"), ("GET", "", True, "watch"), ("POST", "", False, "create"),
        ("PUT", "x", False, "update"), ("PUT", "", False, ""), ("PATCH", "x", False, "patch"), ("PATCH", "", False, ""),
        ("DELETE", "x", False, "delete"), ("DELETE", "", False, "deletecollection"), ("TRACE", "x", False, ""),
    ],
)  # fmt: skip
def test_verbs(method, name, watching, found):
    assert verb(method, Place("", "v1", "pods", "x", name), watching=watching) == found


def test_headers_that_come_twice_are_both_kept():
    scope = {
        "method": "GET",
        "path": "/x",
        "raw_path": b"/a%2Fb",
        "query_string": b"labelSelector=a%3Db&watch",
        "headers": [(b"Impersonate-Group", b"one"), (b"impersonate-group", b"two")],
    }
    request = of_scope(scope, b"")
    assert request.headers["impersonate-group"] == "one\ntwo"
    assert request.query == {"labelSelector": "a=b", "watch": ""}
    assert request.path == "/a%2Fb"
