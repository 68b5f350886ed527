"""Following runs through what a server does to a watch: windows end, bookmarks come, the past is forgotten."""

import json
from contextlib import aclosing

import pytest
import trustme
from aiohttp import web

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.tekton import TektonEngine
from nautes_domain.failures import Blocked, Retry
from nautes_domain.runs import RunPhase
from support import tekton
from support.scripted_kubernetes import serving


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
async def server(authority):
    async with serving(authority) as running:
        yield running


@pytest.fixture
async def engine(server):
    client = KubernetesClient.from_token(server.url, server.ca_pem, "token")
    yield TektonEngine(client)
    await client.close()


def run(name, version, status=None, **annotations):
    return {
        "metadata": {
            "name": name,
            "namespace": "apple-ci",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"nautes.io/product": "orchard", "nautes.io/runtime": "apple-ci"},
            "annotations": {
                "nautes.io/project-id": "7",
                "nautes.io/cause": "d-1",
                "nautes.io/commit": "c" * 40,
                **annotations,
            },
        },
        "status": status or {},
    }


def listing(version, *runs):
    return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": list(runs)})


def lines(*changes):
    text = "".join(json.dumps({"type": kind, "object": obj}) + "\n" for kind, obj in changes)
    return web.Response(text=text, content_type="application/json")


def bookmark(version):
    return "BOOKMARK", {"kind": "PipelineRun", "metadata": {"resourceVersion": str(version)}}


EXPIRED = (
    "ERROR",
    {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"},
)


class Story:
    """Answers lists and watches in the order in which they are written down; the last one again and again."""

    def __init__(self, lists, watches):
        self.lists, self.watches = list(lists), list(watches)
        self.asked = []
        """Where each watch went on from."""

    def __call__(self, request):
        if request.query.get("watch") != "true":
            return self.lists.pop(0)
        self.asked.append(request.query["resourceVersion"])
        assert request.query["allowWatchBookmarks"] == "true"
        return self.watches.pop(0)


async def taken(engine, count):
    async with aclosing(engine.follow()) as runs:
        return [await anext(runs) for _ in range(count)]


async def test_windows_go_on_from_the_last_change_or_bookmark(server, engine):
    story = server.reply = Story(
        [listing(10, run("one", 5))],
        [lines(), lines(bookmark(20)), lines(("MODIFIED", run("one", 30, tekton.RUNNING))), lines(("MODIFIED", run("one", 40, tekton.SUCCEEDED)))],
    )  # fmt: skip
    found = await taken(engine, 3)
    assert [state.phase for state in found] == [RunPhase.PENDING, RunPhase.RUNNING, RunPhase.SUCCEEDED]
    assert story.asked == ["10", "10", "20", "30"]
    assert {request.query["labelSelector"] for request, _ in server.requests} == {
        "app.kubernetes.io/managed-by=nautes,nautes.io/runtime"
    }


async def test_a_watch_that_comes_too_late_lists_again_and_finds_what_vanished(server, engine):
    story = server.reply = Story(
        [
            listing(10, run("stays", 5), run("goes", 6, tekton.RUNNING), run("ended", 7, tekton.SUCCEEDED)),
            listing(90, run("stays", 80, tekton.RUNNING), run("came", 85)),
        ],
        [lines(EXPIRED), lines(("DELETED", run("came", 91)))],
    )
    found = await taken(engine, 7)
    assert [(state.name, state.phase.value) for state in found[3:]] == [
        ("goes", "cancelled"),
        ("stays", "running"),
        ("came", "pending"),
        ("came", "cancelled"),
    ]
    assert story.asked == ["10", "90"]


async def test_a_failing_task_is_looked_up_once(server, engine):
    """Not again when the failure was reported, nor when the message itself says why."""
    timeout = tekton.status("False", "PipelineRunTimeout", "failed to finish within 1h")
    reported = {"nautes.io/reported": "failed"}

    def reply(request):
        if request.path.endswith("/taskruns"):
            assert request.query["labelSelector"] == "tekton.dev/pipelineRun=new"
            return web.json_response({"items": []})
        return listing(
            10,
            run("new", 5, tekton.FAILED),
            run("old", 6, tekton.FAILED, **reported),
            run("slow", 7, timeout),
        )

    server.reply = reply
    found = await taken(engine, 3)
    assert [state.progress.reason for state in found] == ["Failed", "Failed", "PipelineRunTimeout"]
    assert len([one for one, _ in server.requests if one.path.endswith("/taskruns")]) == 1


@pytest.mark.parametrize(
    ("status", "body", "failure", "code"),
    [
        (401, {}, Retry, "kubernetes-unauthorized"),
        (503, {}, Retry, "kubernetes-unavailable"),
        (404, {"details": {}}, Blocked, "kubernetes-no-kind"),
    ],
)
async def test_failures_of_the_cluster_reach_who_follows(server, engine, status, body, failure, code):
    server.reply = lambda _: web.json_response(body, status=status)
    with pytest.raises(failure) as raised:
        await taken(engine, 1)
    assert raised.value.code == code


async def test_a_connection_that_breaks_in_a_window_reaches_who_follows(server, engine):
    async def reply(request):
        if request.query.get("watch") != "true":
            return listing(10)
        response = web.StreamResponse()
        await response.prepare(request)
        request.transport.abort()
        return response

    server.reply = reply
    with pytest.raises(Retry):
        await taken(engine, 1)
