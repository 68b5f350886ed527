"""The rim towards GitLab against a server that misbehaves: nothing leaks, nothing hangs, nothing is retried in here."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nautes_adapters.gitlab import GitLabCodeHost, GitLabLostCalls, GitLabSpace
from nautes_adapters.gitlab.api import GitLabApi
from nautes_domain.capabilities import CommitState, CommitStatus
from nautes_domain.failures import Rejected, Retry
from nautes_domain.plan import Action, Ref, Verb, covers

TOKEN = "glpat-canary"


class Misbehaving:
    """Answers a path, or `VERB path`, from `answers`: (status, headers, body); keeps what it was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.bodies = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self):
                path = self.path.partition("?")[0].removeprefix("/api/v4")
                found = outer.answers.get(f"{self.command} {path}") or outer.answers[path]
                outer.asked.append((self.command, self.path, self.headers.get("PRIVATE-TOKEN")))
                outer.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                status, headers, body = found
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the library chose the names

            def log_message(self, *_arguments):
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server():
    server = Misbehaving()
    yield server
    server.close()


@pytest.fixture
def elsewhere():
    server = Misbehaving()
    yield server
    server.close()


@pytest.fixture
async def api(server):
    api = GitLabApi(server.url, TOKEN, timeout=2)
    yield api
    await api.close()


def answer(value, status=200, **headers):
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


async def test_too_many_requests_come_back_when_gitlab_says(server, api):
    server.answers["/projects/1"] = (429, {"Retry-After": "17"}, b"Retry later")
    with pytest.raises(Retry) as caught:
        await api.get("/projects/1")
    assert caught.value.after == timedelta(seconds=17)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors_are_asked_once_and_retried_outside(server, api, status):
    server.answers["/projects/1"] = (status, {}, b"<html>")
    with pytest.raises(Retry) as caught:
        await api.get("/projects/1")
    assert (caught.value.code, len(server.asked)) == ("gitlab-unavailable", 1)


async def test_a_closed_port_is_retried(server, api):
    server.close()
    with pytest.raises(Retry):
        await api.get("/projects/1")
    server.close = lambda: None


async def test_the_token_is_not_taken_along_to_another_host(server, api, elsewhere):
    elsewhere.answers["/projects/1"] = answer({"id": 666})
    server.answers["/projects/1"] = (302, {"Location": f"{elsewhere.url}/api/v4/projects/1"}, b"")
    server.answers["/projects"] = server.answers["/projects/1"]
    for attempt in (api.get("/projects/1"), api.post("/projects", {"name": "x"}), api.rows("/projects")):
        with pytest.raises(Rejected) as caught:
            await attempt
        assert caught.value.code == "gitlab-redirect"
    assert elsewhere.asked == []


async def test_the_next_page_is_read_from_our_own_url(server, api, elsewhere):
    link = f'<{elsewhere.url}/api/v4/second>; rel="next"'
    server.answers["/groups"] = answer([{"id": 1}], Link=link)
    server.answers["/second"] = answer([{"id": 2}])
    assert [row["id"] for row in await api.rows("/groups")] == [1, 2]
    assert elsewhere.asked == []
    assert {token for _, _, token in server.asked} == {TOKEN}


async def test_an_answer_that_is_not_json_is_retried(server, api):
    server.answers["/projects/1"] = (200, {"Content-Type": "application/json"}, b"<html>maintenance")
    with pytest.raises(Retry):
        await api.get("/projects/1")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_denial_says_who_can_mend_it_and_no_secret(server, api, status):
    server.answers["/projects/1"] = answer({"message": f"token {TOKEN} is bad"}, status)
    with pytest.raises(Rejected) as caught:
        await api.get("/projects/1")
    assert caught.value.code == "gitlab-denied"
    assert TOKEN not in str(caught.value)


async def test_a_body_beyond_the_limit_is_not_read(server, api):
    server.answers["/raw"] = (200, {}, b"x" * 300_000)
    assert len(await api.raw("/raw", 300_000)) == 300_000
    with pytest.raises(Rejected) as caught:
        await api.raw("/raw", 299_999)
    assert caught.value.code == "too-large"


async def test_a_comparison_that_was_cut_off_is_unknown(server):
    host = GitLabCodeHost(server.url, TOKEN)
    one, other = "1" * 40, "2" * 40
    diff = {"old_path": "a", "new_path": "b"}
    path = "/projects/1/repository/compare"
    server.answers[path] = answer({"diffs": [diff], "compare_timeout": False})
    assert await host.changed_paths(1, one, other) == ("a", "b")
    server.answers[path] = answer({"diffs": [diff], "compare_timeout": True})
    assert await host.changed_paths(1, one, other) is None
    server.answers[path] = answer({"diffs": [diff] * 1000, "compare_timeout": False})
    assert await host.changed_paths(1, one, other) is None
    await host.close()


async def test_a_transition_that_gitlab_refuses_is_no_error_but_others_are(server):
    host = GitLabCodeHost(server.url, TOKEN)
    status, commit = CommitStatus(CommitState.RUNNING, "n", "d"), "1" * 40
    path = f"/projects/1/statuses/{commit}"
    refusal = (
        'Cannot transition status via :run from :running (Reason(s): Status cannot transition via "run")'
    )
    server.answers[path] = answer({"message": refusal}, 400)
    await host.set_status(1, commit, status)
    server.answers[path] = answer({"message": "state does not have a valid value"}, 400)
    with pytest.raises(Rejected):
        await host.set_status(1, commit, status)
    await host.close()


async def test_somebodys_token_is_asked_with_alone(server):
    host = GitLabCodeHost(server.url, TOKEN)
    server.answers["/user"] = answer({"id": 3, "username": "ada", "name": None})
    found = await host.whose("glpat-of-ada")
    assert found is not None
    assert (found.id, found.username, found.name) == (3, "ada", "")
    assert [token for _, _, token in server.asked] == ["glpat-of-ada"]
    await host.close()


async def a_space(server):
    async def secrets(_hook):
        return "token", "whsec_eA==", 1

    return GitLabSpace(
        server.url, TOKEN, gateway_url="https://gw.example", tenant="acme", secrets=secrets, timeout=2
    )


async def test_a_hook_that_gitlab_disabled_is_replaced_new_before_old(server):
    space = await a_space(server)
    url, hook_ref = (
        "https://gw.example/hooks/gitlab/orchard.src",
        Ref("gitlab", "Hook", "orchard.src", "orchard/src"),
    )
    hook = {
        "id": 8, "url": url, "push_events": True, "tag_push_events": True,
        "description": "nautes secret v1", "alert_status": "disabled",
    }  # fmt: skip
    project = {
        "id": 5, "path_with_namespace": "orchard/src", "visibility": "private", "topics": ["nautes"],
    }  # fmt: skip
    server.answers |= {
        "/groups/orchard": answer({"id": 1, "full_path": "orchard", "description": "nautes:acme"}),
        "/groups/1/projects": answer([project]),
        "/projects/orchard%2Fsrc": answer(project),
        "GET /projects/5/hooks": answer([hook]),
        "POST /projects/5/hooks": answer({"id": 9}, 201),
        "/projects/5/hooks/8": (204, {}, b""),
    }
    spec = {"url": url, "events": ["push_events", "tag_push_events"], "secret_version": 1}
    observed = await space.observe("product_orchard")
    assert not covers(observed[hook_ref], spec)
    server.asked.clear()
    await space.apply(Action(Verb.UPDATE, hook_ref, observed[hook_ref], spec, "declared"))
    writes = [(verb, path) for verb, path, _ in server.asked if verb != "GET"]
    assert writes == [("POST", "/api/v4/projects/5/hooks"), ("DELETE", "/api/v4/projects/5/hooks/8")]
    await space.close()


async def test_a_project_is_archived_even_where_an_archived_one_is_read_only(server):
    space = await a_space(server)
    project = {"id": 5, "path_with_namespace": "orchard/src", "visibility": "private", "topics": ["nautes"]}
    server.answers |= {
        "/projects/orchard%2Fsrc": answer(project),
        "POST /projects/5/archive": answer({**project, "archived": True}, 201),
        "PUT /projects/5": answer({"message": "403 Forbidden"}, 403),
    }
    ref = Ref("gitlab", "Project", "src", "orchard")
    await space.apply(Action(Verb.DELETE, ref, {}, None, "no longer declared"))
    assert [verb for verb, _, _ in server.asked] == ["GET", "POST", "PUT"]
    await space.close()


async def test_a_project_that_another_replica_made_meanwhile_is_taken_as_made(server):
    space = await a_space(server)
    project = {"id": 5, "path_with_namespace": "orchard/src", "visibility": "private", "topics": ["nautes"]}
    seen = iter([answer({"message": "404 Project Not Found"}, 404), answer(project)])

    class Answers(dict):
        def get(self, key):
            return next(seen) if key == "GET /projects/orchard%2Fsrc" else super().get(key)

    taken = {"message": {"path": ["has already been taken"], "name": ["has already been taken"]}}
    server.answers = Answers(
        {
            "/groups/orchard": answer({"id": 1, "full_path": "orchard", "description": "nautes:acme"}),
            "POST /projects": answer(taken, 400),
        }
    )
    ref = Ref("gitlab", "Project", "src", "orchard")
    spec = {"visibility": "private", "initialize": True}
    await space.apply(Action(Verb.CREATE, ref, None, spec, "declared"))
    assert [verb for verb, _, _ in server.asked] == ["GET", "GET", "POST", "GET"]
    await space.close()


async def test_a_lost_call_is_found_behind_many_others(server):
    """GitLab's own page has 20 rows: on a busy project a call that was lost a second ago is not on it."""
    hook = {"id": 3, "url": "https://gateway.example/hooks/gitlab/acme.apples"}
    attempts = [
        {
            "id": number,
            "url": hook["url"],
            "response_status": "202" if number > 1 else "internal error",
            "request_headers": {"Idempotency-Key": f"key-{number}"},
        }
        for number in range(60, 0, -1)
    ]
    server.answers["/projects/7/hooks"] = (200, {}, json.dumps([hook]).encode())
    server.answers["/projects/7/hooks/3/events"] = (200, {}, json.dumps(attempts).encode())
    server.answers["/projects/7/hooks/3/events/1/resend"] = (201, {}, b'{"response_status": 202}')
    calls = GitLabLostCalls(server.url, TOKEN, gateway_url="https://gateway.example")
    try:
        assert await calls.resend(7) == 1
    finally:
        await calls.close()
    assert any("/hooks/3/events?" in path and "per_page=100" in path for _, path, _ in server.asked)
    assert server.asked[-1][:2] == ("POST", "/api/v4/projects/7/hooks/3/events/1/resend")


async def test_a_release_that_knows_no_skipped_is_told_of_success(server):
    """GitLab before 17.6; a newer one takes the state as it is."""
    commit, path = "a" * 40, f"/projects/7/statuses/{'a' * 40}"
    answers = iter([(400, {}, b'{"error": "state does not have a valid value"}'), (201, {}, b"{}")])

    class Once:
        def get(self, _):
            return next(answers)

    server.answers = Once()
    host = GitLabCodeHost(server.url, TOKEN)
    try:
        await host.set_status(
            7, commit, CommitStatus(CommitState.SKIPPED, "nautes/apple-ci", "no path", "main")
        )
    finally:
        await host.close()
    assert [(verb, url.removeprefix("/api/v4")) for verb, url, _ in server.asked] == [("POST", path)] * 2
    first, second = (json.loads(body) for body in server.bodies)
    assert (first["state"], second["state"]) == ("skipped", "success")
    assert second["description"] == "skipped: no path"
