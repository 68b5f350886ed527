import json
from datetime import timedelta

import pytest

from nautes_adapters.kubernetes.errors import AlreadyExists, Answer, NotFound, failure_of
from nautes_adapters.kubernetes.kinds import KINDS, kind_of
from nautes_domain.failures import Blocked, Rejected, Retry
from support.shared import shared_data


def status(code, reason="", message="said the server", **details):
    return Answer(code, {"kind": "Status", "reason": reason, "message": message, "details": details})


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (status(500), Retry, "kubernetes-unavailable"),
        (status(503), Retry, "kubernetes-unavailable"),
        (status(504, "Timeout"), Retry, "kubernetes-unavailable"),
        (status(429), Retry, "kubernetes-unavailable"),
        (status(401), Retry, "kubernetes-unauthorized"),
        (status(409, "Conflict"), Retry, "kubernetes-conflict"),
        (status(410, "Expired"), Retry, "kubernetes-expired"),
        (status(409, "AlreadyExists"), AlreadyExists, "kubernetes-exists"),
        (status(403, "Forbidden"), Rejected, "kubernetes-denied"),
        (status(403, causes=[{"reason": "NamespaceTerminating"}]), Retry, "kubernetes-terminating"),
        (status(404, "NotFound", kind="secrets", name="x"), NotFound, "kubernetes-missing"),
        (status(404, "NotFound", kind="namespaces", name="apple-ci"), Blocked, "kubernetes-no-namespace"),
        (status(404, "NotFound"), Blocked, "kubernetes-no-kind"),
        (status(400), Rejected, "kubernetes-invalid"),
        (status(422, "Invalid"), Rejected, "kubernetes-invalid"),
        (status(500, message="failed to create typed patch object (x)"), Rejected, "kubernetes-invalid"),
        (Answer(502, {}), Retry, "kubernetes-unavailable"),
    ],
)
def test_an_answer_says_what_to_do_next(answer, kind, code):
    failure = failure_of(answer, "Secret/x")
    assert type(failure) is kind
    assert failure.code == code
    assert failure.what == "Secret/x"


def test_the_servers_own_words_reach_people():
    assert "said the server" in str(failure_of(status(422), "Role/x"))


def test_a_namespace_that_is_asked_for_is_not_in_its_own_way():
    assert type(failure_of(status(404, kind="namespaces", name="apple"), "Namespace/apple")) is NotFound


def test_what_is_missing_is_named():
    absent = failure_of(status(404, kind="namespaces", name="apple-ci"), "Role/x")
    assert absent.by == "namespace/apple-ci"
    assert failure_of(status(404), "PipelineRun/x").by == "kind/PipelineRun"


@pytest.mark.parametrize(
    ("header", "after"),
    [("7", timedelta(seconds=7)), ("999999999", timedelta(minutes=5)), ("soon", None), ("", None)],
)
def test_the_wait_that_the_server_asks_for_is_bounded(header, after):
    assert failure_of(Answer(429, {}, header), "x").after == after


def test_paths_follow_the_api():
    assert KINDS["Namespace"].path(name="apple") == "/api/v1/namespaces/apple"
    assert KINDS["Role"].path("apple", "r") == "/apis/rbac.authorization.k8s.io/v1/namespaces/apple/roles/r"
    assert KINDS["ServiceAccount"].path("a", "b", "token") == "/api/v1/namespaces/a/serviceaccounts/b/token"
    assert KINDS["Role"].path() == "/apis/rbac.authorization.k8s.io/v1/roles"
    assert (
        KINDS["ClusterRole"]
        .path(name="system:auth-delegator")
        .endswith("/clusterroles/system:auth-delegator")
    )


@pytest.mark.parametrize(
    "name", ["a/b", "..", "a/../b", "a?b", "a#b", "a%2fb", "a b", "-a", "a\n", "é", "x" * 254]
)
def test_no_name_leaves_its_path(name):
    with pytest.raises(Rejected, match="not the name"):
        KINDS["Role"].path("apple", name)
    with pytest.raises(Rejected, match="not the name"):
        KINDS["Role"].path(name, "apple")


def test_an_object_of_a_namespace_needs_one():
    with pytest.raises(Rejected, match="needs a namespace"):
        KINDS["Role"].path("", "r")


def test_an_unknown_kind_is_refused():
    with pytest.raises(Rejected, match="not handled"):
        kind_of("Exotic")


RECORDED = {
    (400, "BadRequest"): "kubernetes-invalid",
    (401, "Unauthorized"): "kubernetes-unauthorized",
    (403, "Forbidden"): "kubernetes-denied",
    (404, "NotFound"): "kubernetes-missing",
    (404, None): "kubernetes-no-kind",
    (409, "AlreadyExists"): "kubernetes-exists",
    (409, "Conflict"): "kubernetes-conflict",
    (415, "UnsupportedMediaType"): "kubernetes-invalid",
    (422, "Invalid"): "kubernetes-invalid",
}


def test_what_a_real_server_answered_is_understood():
    data = shared_data()
    if data is None:
        pytest.skip("the recording of a real API server is not here")
    seen = set()
    for line in (data / "kube-golden-v1.36.2.jsonl").read_text().splitlines():
        call = json.loads(line)
        if call["status"] < 400 or call["path"].endswith("does-not-exist/configmaps"):
            continue
        body = call["response"] if isinstance(call["response"], dict) else {}
        key = (call["status"], body.get("reason"))
        what = "Namespace/x" if call["path"].startswith("/api/v1/namespaces/conf-214a6c-x") else "ConfigMap/x"
        assert failure_of(Answer(call["status"], body), what).code == RECORDED[key]
        seen.add(key)
    assert seen == set(RECORDED)
