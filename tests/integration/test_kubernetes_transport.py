"""The client against a TLS server whose answers are written down here: what no well-behaved API server sends."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
import trustme
import yaml
from aiohttp import web

from nautes_adapters.kubernetes import AlreadyExists, KubernetesClient, account_user
from nautes_domain.failures import Blocked, Rejected, Retry
from support.scripted_kubernetes import serving

TOKEN = "canary-token-4711"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
async def server(authority):
    async with serving(authority) as running:
        yield running


@pytest.fixture
async def client(server):
    made = KubernetesClient.from_token(server.url, server.ca_pem, TOKEN, timeout=2)
    yield made
    await made.close()


def answer(status, body=None, **headers):
    return lambda _: web.json_response(body or {}, status=status, headers=headers)


async def test_the_ca_comes_from_memory_and_the_token_goes_in_the_header(server, client):
    await client.get("Namespace", "apple")
    request, _ = server.requests[0]
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.path == "/api/v1/namespaces/apple"


async def test_a_certificate_of_somebody_else_is_not_trusted(server):
    stranger = trustme.CA().cert_pem.bytes().decode()
    client = KubernetesClient.from_token(server.url, stranger, TOKEN)
    with pytest.raises(Rejected) as raised:
        await client.get("Namespace", "apple")
    await client.close()
    assert raised.value.code == "kubernetes-untrusted"
    assert server.requests == []


async def test_a_ca_that_is_no_certificate_is_refused(server):
    with pytest.raises(Rejected) as raised:
        KubernetesClient.from_token(server.url, "-----BEGIN CERTIFICATE-----\nMIIB\n", TOKEN)
    assert raised.value.code == "kubernetes-credentials"


async def test_a_client_certificate_proves_who_we_are(authority):
    mine = authority.issue_cert("admin.example")
    pem = {
        "client-certificate-data": mine.cert_chain_pems[0].bytes(),
        "client-key-data": mine.private_key_pem.bytes(),
    }
    async with serving(authority, client_certificates=True) as server:
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {
                    "name": "c",
                    "cluster": {
                        "server": server.url,
                        "certificate-authority-data": base64.b64encode(server.ca_pem.encode()).decode(),
                    },
                }
            ],
            "users": [
                {"name": "u", "user": {key: base64.b64encode(value).decode() for key, value in pem.items()}}
            ],
        }
        client = KubernetesClient.from_kubeconfig_text(yaml.safe_dump(config))
        await client.get("Namespace", "apple")
        await client.close()
        request, _ = server.requests[0]
        assert request.path == "/api/v1/namespaces/apple"
        assert "Authorization" not in request.headers


async def test_a_redirect_is_refused_and_the_token_stays_here(server, client, authority):
    async with serving(authority) as elsewhere:
        server.reply = answer(307, Location=f"{elsewhere.url}/api/v1/namespaces/apple")
        with pytest.raises(Rejected) as raised:
            await client.get("Namespace", "apple")
        assert raised.value.code == "kubernetes-redirect"
        assert elsewhere.requests == []


async def test_proxies_of_the_environment_are_not_used(server, client, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    await client.get("Namespace", "apple")
    assert len(server.requests) == 1


async def test_a_busy_server_says_when_to_come_back(server, client):
    server.reply = answer(429, {"message": "slow down"}, **{"Retry-After": "7"})
    with pytest.raises(Retry) as raised:
        await client.list("Namespace")
    assert (raised.value.code, raised.value.after) == ("kubernetes-unavailable", timedelta(seconds=7))


async def test_a_server_that_is_busy_for_a_moment_is_asked_again(server, client):
    """Kubernetes says so while it opens the storage of a kind ("storage is (re)initializing")."""
    busy = answer(429, {"message": "storage is (re)initializing"}, **{"Retry-After": "0"})
    replies = iter([busy, busy, answer(200, {"kind": "Namespace", "metadata": {"name": "apple"}})])

    def reply(request):
        return next(replies)(request)

    server.reply = reply
    assert (await client.get("Namespace", "apple"))["metadata"]["name"] == "apple"
    server.reply = busy
    asked = len(server.requests)
    with pytest.raises(Retry):
        await client.get("Namespace", "apple")
    assert len(server.requests) - asked == 4


async def test_an_answer_that_is_no_json_is_judged_by_its_status(server, client):
    server.reply = lambda _: web.Response(status=502, text="<html>bad gateway</html>")
    with pytest.raises(Retry):
        await client.get("Namespace", "apple")


@pytest.mark.parametrize("text", ["", "<html>", "[]", "[" * 100_000, '{"kind":'])
async def test_a_success_that_is_no_json_object_is_a_retry(server, client, text):
    server.reply = lambda _: web.Response(text=text)
    with pytest.raises(Retry):
        await client.get("Namespace", "apple")


async def test_silence_is_a_retry(server):
    client = KubernetesClient.from_token(server.url, server.ca_pem, TOKEN, timeout=0.3)
    server.reply = lambda _: asyncio.sleep(3600)
    with pytest.raises(Retry) as raised:
        await client.get("Namespace", "apple")
    await client.close()
    assert raised.value.code == "kubernetes-unavailable"


async def test_a_refused_connection_is_a_retry_without_the_token(authority):
    async with serving(authority) as gone:
        client = KubernetesClient.from_token(gone.url, gone.ca_pem, TOKEN)
    with pytest.raises(Retry) as raised:
        await client.get("Namespace", "apple")
    await client.close()
    assert TOKEN not in f"{raised.value!r} {raised.value}"


async def test_a_connection_that_breaks_off_is_a_retry(server, client):
    async def broken(request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"kind":')
        request.transport.abort()
        return response

    server.reply = broken
    with pytest.raises(Retry):
        await client.get("Namespace", "apple")


async def test_a_list_is_read_page_by_page(server, client):
    def page(request):
        more = request.query.get("continue")
        items = [{"metadata": {"name": more or "first"}}]
        following = {"": "second", "second": "third"}.get(more or "", "")
        return web.json_response(
            {"items": items, "metadata": {"continue": following, "resourceVersion": "9"}}
        )

    server.reply = page
    listing = await client.listing("Role", "apple", labels="a=b")
    assert [one["metadata"]["name"] for one in listing.items] == ["first", "second", "third"]
    assert {(one["kind"], one["apiVersion"]) for one in listing.items} == {
        ("Role", "rbac.authorization.k8s.io/v1")
    }
    assert listing.version == "9"
    assert {request.query["labelSelector"] for request, _ in server.requests} == {"a=b"}


async def test_a_list_that_expired_on_the_way_is_a_retry(server, client):
    server.reply = answer(410, {"reason": "Expired"})
    with pytest.raises(Retry):
        await client.list("Role")


async def test_create_is_strict_and_names_the_account(server, client):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "apple"}}
    await client.create(obj, impersonate=account_user("apple", "builder"))
    request, body = server.requests[0]
    assert request.headers["Impersonate-User"] == "system:serviceaccount:apple:builder"
    assert request.query["fieldValidation"] == "Strict"
    assert (request.method, request.path, body) == ("POST", "/api/v1/namespaces/apple/configmaps", obj)


async def test_a_name_that_is_taken_is_told_apart(server, client):
    server.reply = answer(409, {"reason": "AlreadyExists"})
    with pytest.raises(AlreadyExists):
        await client.create({"kind": "Namespace", "metadata": {"name": "apple"}})


async def test_apply_is_server_side_as_nautes_with_force(server, client):
    server.reply = answer(201, {"kind": "Namespace"})
    assert await client.apply({"kind": "Namespace", "metadata": {"name": "apple"}}) == {"kind": "Namespace"}
    request, _ = server.requests[0]
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert (request.query["fieldManager"], request.query["force"]) == ("nautes", "true")


async def test_a_kind_that_the_cluster_does_not_know_blocks(server, client):
    server.reply = answer(404, {"reason": "NotFound", "details": {}})
    with pytest.raises(Blocked) as raised:
        await client.list("PipelineRun")
    assert raised.value.by == "kind/PipelineRun"


def stream(*events):
    async def send(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    return send


def event(kind, name, version, size=0):
    obj = {"metadata": {"name": name, "resourceVersion": version}, "data": {"x": "y" * size}}
    return {"type": kind, "object": obj}


async def test_a_watch_yields_changes_and_where_to_go_on(server, client):
    server.reply = stream(
        event("ADDED", "a", "5"), event("MODIFIED", "a", "6", size=900_000), event("BOOKMARK", "", "8")
    )
    seen = [change async for change in client.watch("ConfigMap", "apple", since="4")]
    assert [(one.kind, one.version) for one in seen] == [("ADDED", "5"), ("MODIFIED", "6"), ("BOOKMARK", "8")]
    request, _ = server.requests[0]
    assert (request.query["watch"], request.query["resourceVersion"]) == ("true", "4")


async def test_a_watch_that_is_too_old_is_told_so_within_the_stream(server, client):
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
    server.reply = stream(event("ADDED", "a", "5"), gone)
    changes = client.watch("ConfigMap", "apple", since="1")
    assert (await anext(changes)).version == "5"
    with pytest.raises(Retry) as raised:
        await anext(changes)
    assert raised.value.code == "kubernetes-expired"


async def test_a_watch_that_is_refused_is_told_apart(server, client):
    server.reply = answer(403, {"reason": "Forbidden", "message": "no"})
    with pytest.raises(Rejected) as raised:
        async for _ in client.watch("ConfigMap"):
            pass
    assert raised.value.code == "kubernetes-denied"


@pytest.mark.parametrize("server_url", ["http://127.0.0.1:1", "127.0.0.1", "https://u:p@h", ""])
def test_only_https_is_spoken(server_url):
    with pytest.raises(Rejected):
        KubernetesClient.from_token(server_url, "", TOKEN)


def test_an_unreadable_kubeconfig_is_rejected(tmp_path):
    with pytest.raises(Rejected) as raised:
        KubernetesClient.from_kubeconfig(tmp_path / "absent")
    assert raised.value.code == "kubeconfig"


async def test_a_client_that_was_closed_is_a_retry_for_who_still_holds_it(server):
    """Credentials are renewed while others are at work: they must not meet a defect."""
    client = KubernetesClient.from_token(server.url, server.ca_pem, TOKEN)
    await client.get("Namespace", "apple")
    await client.close()
    with pytest.raises(Retry):
        await client.get("Namespace", "apple")
    assert len(server.requests) == 1


async def test_closing_a_client_ends_its_watches_with_a_retry(server):
    begun = asyncio.Event()

    async def silence(request):
        response = web.StreamResponse()
        await response.prepare(request)
        begun.set()
        await asyncio.Event().wait()

    server.reply = silence
    client = KubernetesClient.from_token(server.url, server.ca_pem, TOKEN)

    async def follow():
        async for _ in client.watch("ConfigMap", "apple"):
            pytest.fail("nothing was sent")

    watching = asyncio.create_task(follow())
    await begun.wait()
    await client.close()
    with pytest.raises(Retry):
        await watching


async def test_a_pod_uses_the_token_that_is_there_now(authority, tmp_path):
    async with serving(authority) as server:
        (tmp_path / "ca.crt").write_text(server.ca_pem)
        (tmp_path / "token").write_text("first\n")
        client = KubernetesClient.in_cluster(tmp_path, server.url)
        await client.list("Namespace")
        (tmp_path / "token").write_text("second\n")
        await client.list("Namespace")
        await client.close()
        said = [request.headers["Authorization"] for request, _ in server.requests]
        assert said == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("present", [(), ("ca.crt",), ("token",)])
async def test_a_process_without_an_account_on_its_cluster_says_so(tmp_path, present):
    for name in present:
        (tmp_path / name).write_text("x")
    with pytest.raises(Rejected, match="account of the pod") as refused:
        KubernetesClient.in_cluster(tmp_path)
    assert refused.value.code == "kubernetes-account"


async def test_a_token_that_is_taken_away_while_we_run_is_a_refusal_in_words(authority, tmp_path):
    async with serving(authority) as server:
        (tmp_path / "ca.crt").write_text(server.ca_pem)
        (tmp_path / "token").write_text("first\n")
        client = KubernetesClient.in_cluster(tmp_path, server.url)
        (tmp_path / "token").unlink()
        with pytest.raises(Rejected, match="account of the pod"):
            await client.list("Namespace")
        await client.close()
