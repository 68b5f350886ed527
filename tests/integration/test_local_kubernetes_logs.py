"""`GET pods/NAME/log` of the local Kubernetes API: the answers of a real server, from what the player of a kubelet wrote."""

import httpx
import pytest

from conformance.cluster import Cluster
from nautes_localstack.kubernetes.logs import ANNOTATION
from support.kubernetes import start_kubernetes
from support.processes import wait_until

PODS = "/api/v1/namespaces/default/pods"
LINES = [
    "2026-05-04T02:00:11.000000001Z one",
    "2026-05-04T02:00:12.000000000Z two",
    "2026-05-04T02:00:13.5Z three",
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with (
        start_kubernetes(tmp_path_factory.mktemp("kubernetes")) as local,
        Cluster(local.url, local.token, local.ca_file.read_text(), is_local=True) as ours,
    ):
        yield ours


@pytest.fixture
def pod(cluster, request):
    name = f"p{abs(hash(request.node.name)) % 10**9}"
    containers = [{"name": one, "image": "busybox"} for one in ("step-one", "step-two")]
    body = {"metadata": {"name": name}, "spec": {"nodeName": "played", "containers": containers}}
    cluster.create(PODS, body)
    return name


def patch(cluster, path, body):
    headers = {"Content-Type": "application/merge-patch+json"}
    cluster.http.patch(path, json=body, headers=headers).raise_for_status()


def write(cluster, pod, lines, container="step-one"):
    patch(cluster, f"{PODS}/{pod}", {"metadata": {"annotations": {ANNOTATION + container: "\n".join(lines)}}})


def set_state(cluster, pod, **state):
    statuses = [
        {"name": "step-one", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    ]
    patch(cluster, f"{PODS}/{pod}/status", {"status": {"containerStatuses": statuses}})


def log(cluster, pod, **query):
    return cluster.http.get(f"{PODS}/{pod}/log", params={"container": "step-one", **query})


def test_a_log_is_plain_text_of_the_wanted_lines(cluster, pod):
    set_state(cluster, pod, running={})
    write(cluster, pod, LINES)
    answer = log(cluster, pod)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "one\ntwo\nthree\n"
    assert log(cluster, pod, timestamps="true").text == "".join(f"{line}\n" for line in LINES)
    assert log(cluster, pod, tailLines="2").text == "two\nthree\n"
    assert log(cluster, pod, tailLines="0").text == ""
    assert log(cluster, pod, sinceTime="2026-05-04T02:00:12Z").text == "two\nthree\n"
    assert log(cluster, pod, limitBytes="5").text == "one\nt"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"container": "none"}, 400, "container none is not valid for pod"),
        ({"container": ""}, 400, "a container name must be specified for pod"),
        ({"container": ""}, 400, "choose one of: [step-one step-two]"),
        ({"container": "step-two"}, 400, "is waiting to start: ContainerCreating"),
        ({"tailLines": "-1"}, 422, "must be greater than or equal to 0"),
        ({"limitBytes": "0"}, 422, "must be greater than 0"),
        ({"sinceSeconds": "1", "sinceTime": "2026-05-04T02:00:12Z"}, 422, "at most one of"),
        ({"previous": "true"}, 400, "previous terminated container"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_servers_words(cluster, pod, query, status, words):
    set_state(cluster, pod, running={})
    answer = log(cluster, pod, **query)
    assert answer.status_code == answer.json()["code"] == status
    assert words in answer.json()["message"]


def test_a_pod_that_is_not_there_or_has_no_node(cluster, pod):
    assert log(cluster, "none").status_code == 404
    cluster.create(
        PODS, {"metadata": {"name": f"{pod}-x"}, "spec": {"containers": [{"name": "step-one", "image": "b"}]}}
    )
    assert (log(cluster, f"{pod}-x").status_code, log(cluster, f"{pod}-x").text) == (200, "")


def test_nobody_reads_or_writes_it_without_the_right(cluster, pod):
    with cluster.client("") as anonymous:
        assert anonymous.get(f"{PODS}/{pod}/log").status_code in {401, 403}
    assert cluster.http.post(f"{PODS}/{pod}/log").status_code == 405


def test_followed_it_grows_until_the_container_ends(cluster, pod):
    set_state(cluster, pod, running={})
    write(cluster, pod, LINES[:1])
    with cluster.http.stream(
        "GET", f"{PODS}/{pod}/log", params={"container": "step-one", "follow": "true"}
    ) as answer:
        chunks = answer.iter_lines()
        assert next(chunks) == "one"
        write(cluster, pod, LINES[:2])
        assert next(chunks) == "two"
        write(cluster, pod, LINES)
        set_state(cluster, pod, terminated={"exitCode": 0})
        assert list(chunks) == ["three"]


def test_followed_it_ends_with_its_pod(cluster, pod):
    set_state(cluster, pod, running={})
    write(cluster, pod, LINES[:1])
    with cluster.http.stream(
        "GET", f"{PODS}/{pod}/log", params={"container": "step-one", "follow": "true"}
    ) as answer:
        chunks = answer.iter_lines()
        assert next(chunks) == "one"
        cluster.http.request("DELETE", f"{PODS}/{pod}", json={"gracePeriodSeconds": 0})
        assert list(chunks) == []
    wait_until(lambda: log(cluster, pod).status_code == httpx.codes.NOT_FOUND)
