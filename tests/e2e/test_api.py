"""The REST API on the whole stack: what is saved is committed, taken in and applied; what is removed is gone."""

import json

import httpx
import pytest

WAIT = 90


@pytest.fixture
def call(platform):
    token = platform.described.tokens["dev"].read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=f"{platform.described.api_url}/api/v1", headers=headers, timeout=WAIT + 30
    ) as client:
        yield lambda method, path, body=None, **more: client.request(method, path, json=body, **more)


def test_what_is_saved_is_reconciled_and_what_is_removed_is_gone(call):
    path = "/products/orchard/coderepos/pear-src"
    body = {
        "project": "apple-api",
        "webhook": {"events": ["push_events"]},
        "git": {"gitlab": {"path": "pear-src"}},
    }
    saved = call("POST", path, body, params={"wait": WAIT})
    assert (saved.status_code, saved.json()["result"]) == (200, "reconciled"), saved.text
    read = call("GET", path)
    assert read.headers["etag"] == saved.headers["etag"]
    assert read.json()["git"]["gitlab"]["http_url_to_repo"].endswith("/orchard/pear-src.git")
    state = call("GET", f"{path}/status").json()
    assert [one["status"] for one in state["conditions"]] == ["True", "True"]
    assert state["project_id"]
    (newest, *_) = call("GET", f"{path}/history").json()["items"]
    assert (newest["commit"], newest["author"]) == (saved.json()["commit"], "dev")
    again = call("POST", path, body)
    assert (again.json()["result"], again.json()["commit"]) == ("unchanged", "")
    gone = call("DELETE", path, params={"wait": WAIT})
    assert (gone.status_code, gone.json()["result"]) == (200, "reconciled"), gone.text
    assert call("GET", path).status_code == 404


def test_a_product_gets_its_group_and_its_repository_and_takes_declarations(platform, call):
    body = {
        "git": {"gitlab": {"name": "pears", "path": "pears", "visibility": "private", "description": "fruit"}}
    }
    saved = call("POST", "/products/pears", body, params={"wait": WAIT})
    assert saved.status_code in {200, 202}, saved.text
    platform.until(lambda: platform.systems.project("pears/default.project"), "the product's repository")
    project = platform.until(
        lambda: (
            (answer := call("POST", "/products/pears/projects/pear", {"language": "go"})).status_code == 200
            and answer
        ),
        "the first declaration",
    )
    assert project.json()["commit"]
    platform.until(lambda: call("GET", "/products/pears/projects/pear").status_code == 200, "the read model")
    assert call("DELETE", "/products/pears/projects/pear", params={"wait": WAIT}).status_code in {200, 202}
    assert call("DELETE", "/products/pears").status_code == 200
    platform.until(lambda: call("GET", "/products/pears").status_code == 404, "the end of the product")


@pytest.fixture
def manager(platform):
    """A client of somebody who may change the tenant's repository, and is no administrator."""
    described, gitlab = platform.described, platform.systems
    headers = {"PRIVATE-TOKEN": described.tokens["dev"].read_text().strip()}
    root = httpx.Client(base_url=f"{described.gitlab_url}/api/v4", headers=headers)
    person = {"username": "manager", "name": "Manager", "email": "manager@example.com"}
    with root:
        user = root.post(
            "/users", json=person | {"force_random_password": True, "skip_confirmation": True}
        ).json()
        token = root.post(
            f"/users/{user['id']}/personal_access_tokens", json={"name": "x", "scopes": ["api"]}
        ).json()
        project = gitlab.project("acme/management")["id"]
        body = {"user_id": user["id"], "access_level": 40}
        root.post(f"/projects/{project}/members", json=body).raise_for_status()
    headers = {"Authorization": f"Bearer {token['token']}"}
    with httpx.Client(base_url=f"{described.api_url}/api/v1", headers=headers, timeout=WAIT + 30) as client:
        yield client


def test_who_creates_a_product_owns_its_group_and_goes_on_with_the_same_token(platform, manager):
    body = {"git": {"gitlab": {"path": "plums"}}}
    saved = manager.post("/products/plums", json=body, params={"wait": WAIT})
    assert (saved.status_code, saved.json()["result"]) == (200, "reconciled"), saved.text
    made = manager.post("/products/plums/projects/plum", json={"language": "go"}, params={"wait": WAIT})
    assert (made.status_code, made.json()["result"]) == (200, "reconciled"), made.text
    assert manager.get("/products/plums/projects/plum").json()["language"] == "go"
    members = platform.systems.gitlab("/groups/plums/members")
    assert ("manager", 50) in {(one["username"], one["access_level"]) for one in members}
    assert manager.delete("/products/plums/projects/plum", params={"wait": WAIT}).status_code == 200
    assert manager.delete("/products/plums").status_code == 200


def test_who_watches_sees_a_change(platform, call):
    token = platform.described.tokens["dev"].read_text().strip()
    url = f"{platform.described.api_url}/api/v1/products/orchard/watch?seconds=60"
    with httpx.stream("GET", url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        name = next(line for line in lines if line.startswith("data:") and '"apple-ci"' in line)
        assert json.loads(name.removeprefix("data:"))["kind"] == "ProjectPipelineRuntime"
        call("POST", "/products/orchard/projects/plum", {"language": "go"})
        told = next(line for line in lines if line.startswith("data:") and '"plum"' in line)
        assert json.loads(told.removeprefix("data:"))["object"]["language"] == "go"
    call("DELETE", "/products/orchard/projects/plum")
