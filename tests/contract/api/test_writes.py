"""Saving and removing: one commit as the caller, judged, conditional, recorded, and never in vain."""

import copy

import httpx
import pytest

from nautes_api_server import waiting
from nautes_api_server.kinds import KINDS
from nautes_domain import drafts
from nautes_domain.access import Level
from nautes_domain.effects import Result
from nautes_runtime.metrics import OTHER
from nautes_runtime.observing import matched_route
from support.api_server import TENANT

ENVIRONMENT = {"cluster": "run-east", "env_type": "stage"}
TEST = "/products/orchard/environments/test"
PEAR = "/products/orchard/projects/pear"


async def test_a_post_is_one_commit_with_trailers_in_the_callers_name(world):
    answer = await world.call("POST", PEAR, {"language": "go"}, token="developer")
    assert answer.status_code == 200
    assert answer.json()["message"] == "Project/pear of orchard is saved"
    message = world.message("product_orchard")
    assert message.startswith("Save Project/pear of orchard\n\n")
    assert "- create projects/pear/pear.yaml" in message
    assert message.splitlines()[-2:] == ["Nautes-Entity: Project/pear", "Nautes-Request: r1"]
    assert world.host.calls.count("commit") == 1
    newest, *_ = await world.host.history(
        "developer", "orchard/default.project", "projects/pear/pear.yaml", 9
    )
    assert newest.author == "Developer"
    index = world.files("product_orchard")[drafts.PRODUCT_INDEX].decode()
    assert "- ../projects/pear/pear.yaml" in index


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PEAR, {"language": "go"}),
        (TEST, ENVIRONMENT),
        ("/products/orchard/coderepobindings/lend-to-web", {"projects": ["apple-web"], "permissions": "readwrite", "coderepo": "apple-deploy"}),
    ],
)  # fmt: skip
async def test_a_post_costs_at_most_three_calls_of_the_code_host(world, path, body):
    await world.call("GET", "/products/orchard")  # the caller is known, as on the command line
    world.host.calls.clear()
    for _ in range(2):
        assert (await world.call("POST", path, body)).status_code == 200
        assert len(world.host.calls) <= 3, world.host.calls
        world.host.calls.clear()


async def test_the_first_post_of_somebody_unknown_costs_three_calls(world):
    assert (await world.call("POST", PEAR, {"language": "go"})).status_code == 200
    assert world.host.calls == ["whose", "tip", "commit"]


async def test_saving_what_is_there_changes_nothing_even_if_conditions_do_not_hold(world):
    first = await world.call("POST", TEST, ENVIRONMENT)
    again = await world.call("POST", TEST, ENVIRONMENT, headers={"If-Match": '"old"'})
    assert (again.status_code, again.json()["result"], again.json()["commit"]) == (200, "unchanged", "")
    assert again.headers["etag"] == first.headers["etag"]
    assert world.host.calls.count("commit") == 1


async def test_what_was_read_is_what_is_changed_or_nobody_changes_it(world):
    etag = (await world.call("GET", TEST)).headers["etag"]
    await world.call("POST", TEST, ENVIRONMENT)
    for method, body in (("POST", {**ENVIRONMENT, "env_type": "mine"}), ("DELETE", None)):
        late = await world.call(method, TEST, body, headers={"If-Match": etag})
        assert (late.status_code, late.json()["reason"]) == (412, "PRECONDITION_FAILED")
    now = (await world.call("POST", TEST, ENVIRONMENT)).headers["etag"]
    good = await world.call(
        "POST", TEST, {**ENVIRONMENT, "env_type": "mine"}, headers={"If-Match": f'"x", {now}'}
    )
    assert good.status_code == 200


async def test_creating_only_what_is_not_there(world):
    only_new = {"If-None-Match": "*"}
    assert (await world.call("POST", TEST, ENVIRONMENT, headers=only_new)).status_code == 412
    assert (await world.call("POST", PEAR, {"language": "go"}, headers=only_new)).status_code == 200


async def test_a_list_and_an_entity_are_not_sent_twice(world):
    for path in (TEST, "/products/orchard/environments"):
        first = await world.call("GET", path)
        again = await world.call("GET", path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_dry_run_shows_the_plan_that_is_then_applied(world):
    before = world.files("product_orchard")
    planned = (await world.call("POST", f"{TEST}?dry_run=true", ENVIRONMENT)).json()
    assert (planned["result"], planned["commit"]) == ("planned", "")
    assert world.files("product_orchard") == before
    assert world.news.told == []
    await world.call("POST", TEST, ENVIRONMENT)
    after = world.files("product_orchard")
    shown = {
        one["object"].rpartition("default.project/")[2]: one["after"].encode() for one in planned["plan"]
    }
    assert shown == {path: text for path, text in after.items() if before.get(path) != text}


async def test_what_a_product_has_and_bodies_have_not_stays(world):
    body = {"project": "apple-api", "git": {"gitlab": {"path": "apple-deploy"}}}
    file = "code-repos/apple-deploy/apple-deploy.yaml"
    text = world.files("product_orchard")[file].replace(
        b"spec:\n", b"spec:\n  url: git@git.acme.example:orchard/apple-deploy.git\n"
    )
    world.declare("product_orchard", {**world.files("product_orchard"), file: text})
    answer = await world.call("POST", "/products/orchard/coderepos/apple-deploy", body)
    assert answer.status_code == 200, answer.text
    assert b"url: git@git.acme.example:orchard/apple-deploy.git" in world.files("product_orchard")[file]


async def test_an_owner_of_others_mistakes_is_nobody(world):
    broken = world.files("product_orchard")["envs/test.yaml"].replace(b"run-east", b"nowhere")
    world.declare("product_orchard", {**world.files("product_orchard"), "envs/test.yaml": broken})
    assert (await world.call("POST", PEAR, {"language": "go"})).status_code == 200
    own = await world.call("POST", TEST, {"cluster": "nowhere", "env_type": "other"})
    assert own.status_code == 422
    assert own.json()["violations"][0]["rule"] == "E2"


async def test_all_violations_are_told_at_once_with_place_and_what_to_do(world):
    body = {"projects_ref": ["none", "nix"], "manifest_source": {"code_repo": "no", "target_revision": "main", "path": "a"}, "destination": {"environment": "no"}}  # fmt: skip
    answer = await world.call("POST", "/products/orchard/deploymentruntimes/new", body)
    assert answer.status_code == 422
    found = {(one["rule"], one["pointer"]) for one in answer.json()["violations"]}
    assert {("D2", "/projects_ref/0"), ("D2", "/projects_ref/1"), ("D2", "/destination/environment"), ("D2", "/manifest_source/code_repo")} <= found  # fmt: skip
    assert all(one["fix"] for one in answer.json()["violations"])


async def test_what_others_need_is_not_removed_and_they_are_named(world):
    answer = await world.call("DELETE", TEST)
    assert (answer.status_code, answer.json()["reason"]) == (409, "RESOURCE_IN_USE")
    assert "DeploymentRuntime/apple-test" in answer.text


async def test_removing_what_is_not_there_is_told_and_is_no_mistake(world):
    for path, token in ((PEAR, "owner"), ("/clusters/none", "manager")):
        answer = await world.call("DELETE", path, token=token)
        assert (answer.status_code, answer.json()["result"]) == (200, "unchanged")
        assert answer.json()["message"].endswith("is not there")
    assert "commit" not in world.host.calls
    assert world.news.told == []
    assert (await world.call("DELETE", "/products/nothing/projects/pear")).status_code == 404


async def test_removing_confirms_the_deletion_to_the_budget(world):
    await world.call("POST", PEAR, {"language": "go"})
    assert (await world.call("DELETE", PEAR)).status_code == 200
    assert "Nautes-Allow-Deletions: all" in world.message("product_orchard").splitlines()
    assert "projects/pear/pear.yaml" not in world.files("product_orchard")


async def test_the_flag_skips_referential_checks_for_maintainers_and_is_recorded(world):
    path = f"{TEST}?insecure_skip_check=true"
    for token in ("developer", "reporter"):
        assert (await world.call("DELETE", path, token=token)).status_code == 403
    answer = await world.call("DELETE", path, token="maintainer")
    assert answer.status_code == 200
    assert {one["rule"] for one in answer.json()["skipped"]} == {"E4", "D2"}
    assert "Nautes-Skipped-Checks: D2, E4" in world.message("product_orchard")
    assert "checks skipped: D2, E4" in world.news.told[-1].because


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        ("environments/more", {"cluster": "build-west", "env_type": "x"}, "E2"),
        ("deploymentruntimes/steal", {"projects_ref": [], "manifest_source": {"code_repo": "apple-deploy", "target_revision": "main", "path": "a"}, "destination": {"environment": "test"}}, "D7"),
        ("coderepobindings/mine", {"product": "vineyard", "projects": ["vine"], "permissions": "readonly", "coderepo": "apple-deploy"}, "B4"),
    ],
)  # fmt: skip
async def test_the_flag_never_skips_who_may_use_what(world, path, body, rule):
    answer = await world.call("POST", f"/products/orchard/{path}?insecure_skip_check=true", body)
    assert answer.status_code >= 400
    assert rule in {one["rule"] for one in answer.json()["violations"]}


async def test_who_lends_must_be_a_maintainer_of_what_is_lent(world):
    body = {"projects": ["apple-web"], "permissions": "readwrite", "coderepo": "apple-deploy"}
    path = "/products/orchard/coderepobindings/lend-to-web"
    refused = await world.call("POST", path, body, token="developer")
    assert (refused.status_code, refused.json()["reason"]) == (403, "REFRESH_PERMISSIONS_ACCESS_DENIED")
    assert (await world.call("POST", path, body, token="maintainer")).status_code == 200


async def test_denials_are_recorded_with_who_and_what(world):
    await world.call("POST", TEST, ENVIRONMENT, token="reporter")
    await world.call("POST", TEST, ENVIRONMENT, token="stranger")
    assert [(one.cause.actor, one.result, one.entity, one.code) for one in world.news.told] == [
        ("reporter", Result.REJECTED, "Environment/test", "no-authorization"),
        ("stranger", Result.REJECTED, "Environment/test", "product-not-found"),
    ]


async def test_records_hold_digests_and_never_contents_or_tokens(world):
    await world.call("POST", PEAR, {"language": "kept-out-of-records"}, token="owner")
    for one in world.news.told:
        assert "kept-out-of-records" not in one.model_dump_json()
        assert one.cause.commit


async def test_a_head_that_the_read_model_does_not_know_is_read_from_the_code_host(world):
    files = {**world.files("product_orchard"), "envs/extra.yaml": world.files("product_orchard")["envs/test.yaml"].replace(b"name: test", b"name: extra").replace(b"run-east", b"build-east")}  # fmt: skip
    project = world._project("orchard/default.project")
    world.host.host.commit(project, "main", files)
    answer = await world.call("POST", PEAR, {"language": "go"})
    assert answer.status_code == 200
    assert world.host.calls[-3:] == ["tip", "tree", "commit"]
    assert "envs/extra.yaml" in world.files("product_orchard")[drafts.PRODUCT_INDEX].decode()
    world.host.calls.clear()
    await world.call("POST", TEST, ENVIRONMENT)
    assert "tree" not in world.host.calls  # the head is the one that we made


async def test_products_and_clusters_are_declared_in_the_tenants_repository(world):
    body = {
        "git": {"gitlab": {"name": "Pears", "path": "pears", "visibility": "private", "description": "fruit"}}
    }
    for token in ("owner", "stranger"):
        assert (await world.call("POST", "/products/pears", body, token=token)).status_code == 404
    answer = await world.call("POST", "/products/pears", body, token="manager")
    assert answer.status_code == 200, answer.text
    assert world.message("tenant").startswith("Save Product/pears\n")
    world.take_in("tenant")
    read = await world.call("GET", "/products/pears", token="manager")
    assert read.json() == {"name": "pears", **body}
    wrong = await world.call(
        "POST", "/products/pears", {"git": {"gitlab": {"path": "plums"}}}, token="manager"
    )
    assert {one["rule"] for one in wrong.json()["violations"]} == {"P1"}
    again = await world.call("POST", "/products/pears", body, token="manager")
    assert again.json()["result"] == "unchanged"


async def test_a_new_product_is_annotated_with_who_asked_for_it(world):
    body = {"git": {"gitlab": {"path": "pears"}}}
    assert (await world.call("POST", "/products/pears", body, token="manager")).status_code == 200
    file = f"{drafts.TENANT_FOLDER}/products/pears.yaml"
    assert b"nautes.io/creator: manager" in world.files("tenant")[file]
    world.take_in("tenant")
    body["git"]["gitlab"]["description"] = "fruit"
    world.host.let_in(world.people["owner"], TENANT, Level.MAINTAINER)
    assert (await world.call("POST", "/products/pears", body, token="owner")).status_code == 200
    world.host.let_in(world.people["owner"], TENANT, Level.NONE)
    text = world.files("tenant")[file]
    assert b"description: fruit" in text
    assert b"nautes.io/creator: manager" in text


async def test_a_product_with_repositories_is_not_removed(world):
    answer = await world.call("DELETE", "/products/orchard", token="manager")
    assert (answer.status_code, answer.json()["reason"]) == (409, "RESOURCE_IN_USE")
    assert (await world.call("DELETE", "/products/vineyard", token="manager")).status_code == 200


async def test_a_cluster_keeps_its_products_and_gets_the_components_that_nobody_may_choose(world):
    read = (await world.call("GET", "/clusters/build-east", token="manager")).json()
    body = {
        key: value for key, value in copy.deepcopy(read).items() if key not in {"name", "allowed_products"}
    }
    del body["components_list"]["oauth_proxy"], body["components_list"]["secret_management"]
    body["primary_domain"] = "east.example"
    answer = await world.call("POST", "/clusters/build-east", body, token="manager")
    assert answer.status_code == 200, answer.text
    world.take_in("tenant")
    now = (await world.call("GET", "/clusters/build-east", token="manager")).json()
    assert now == {**read, "primary_domain": "east.example"}


@pytest.mark.parametrize(
    ("result", "expected", "status"),
    [(Result.DONE, "reconciled", 200), (Result.REJECTED, "refused", 200), (Result.BLOCKED, "waiting", 202)],
)
async def test_who_waits_is_told_how_it_ended(world, result, expected, status):
    await world.call("POST", PEAR, {"language": "go"})
    world.take_in("product_orchard", result)
    answer = await world.call("POST", f"{PEAR}?wait=0.001", {"language": "go"})
    assert (answer.status_code, answer.json()["result"]) == (status, expected)
    assert answer.json()["state"]["scope"] == "product_orchard"


async def test_what_was_just_committed_is_waited_for(world):
    answer = await world.call("POST", f"{PEAR}?wait=0.001", {"language": "go"})
    assert (answer.status_code, answer.json()["result"]) == (202, waiting.WAITING)


async def test_lists_come_in_parts(world):
    for name in ("a", "b", "c"):
        await world.call("POST", f"/products/orchard/projects/{name}", {"language": "go"})
    world.take_in("product_orchard")
    found, after = [], ""
    while True:
        part = await world.call("GET", f"/products/orchard/projects?limit=2&after={after}")
        found += [one["name"] for one in part.json()["items"]]
        assert part.json()["total"] == 5
        after = part.json()["next"]
        if not after:
            break
        assert f'after={after}>; rel="next"' in part.headers["link"]
    assert found == ["a", "apple-api", "apple-web", "b", "c"]


async def test_filters_select_and_wrong_ones_are_refused(world):
    rows = await world.call("GET", "/products/orchard/environments?field_selector=env_type!=test")
    assert [one["name"] for one in rows.json()["items"]] == ["build"]
    rows = await world.call("GET", "/products/orchard/coderepobindings?field_selector=projects.in=apple-web")
    assert rows.json()["total"] == 1
    wrong = await world.call("GET", "/products/orchard/environments?field_selector=nothing=1")
    assert (wrong.status_code, wrong.json()["reason"]) == (400, "BAD_SELECTOR")


@pytest.mark.parametrize(
    "name", ["Test", "te_st", "-test", "test.", "te%2Fst", "..%2f..%2fetc", "t" * 64, "tést", "%00"]
)
async def test_what_is_no_name_is_not_looked_up_anywhere(world, name):
    for method, body in (("GET", None), ("POST", ENVIRONMENT), ("DELETE", None)):
        answer = await world.call(method, f"/products/orchard/environments/{name}", body)
        assert answer.status_code in {400, 404, 405}
    assert world.host.calls in ([], ["whose"])


@pytest.mark.parametrize("kind", KINDS, ids=[kind.kind for kind in KINDS])
async def test_what_is_read_can_be_saved_again_and_changes_nothing(world, kind):
    world.host.let_in(world.people["manager"], "orchard", Level.OWNER)
    collection = kind.collection.removeprefix("/api/v1").replace("{product_name}", "orchard")
    rows = (await world.call("GET", collection, token="manager")).json()["items"]
    assert rows
    for row in rows:
        body = {key: value for key, value in copy.deepcopy(row).items() if key in {field.alias or name for name, field in kind.body.model_fields.items()}}  # fmt: skip
        body.get("git", {}).get("gitlab", {}).pop("ssh_url_to_repo", None)
        body.get("git", {}).get("gitlab", {}).pop("http_url_to_repo", None)
        answer = await world.call("POST", f"{collection}/{row['name']}", body, token="manager")
        assert answer.status_code == 200, answer.text
        world.take_in("tenant")
        world.take_in("product_orchard")
        again = await world.call("POST", f"{collection}/{row['name']}", body, token="manager")
        assert again.json()["result"] == "unchanged"
        now = (await world.call("GET", f"{collection}/{row['name']}", token="manager")).json()
        assert now == row
    world.host.let_in(world.people["manager"], "orchard", Level.NONE)


async def test_limits_of_a_runtime_are_saved_and_kept(world):
    path = "/products/orchard/projectpipelineruntimes/apple-ci"
    read = (await world.call("GET", path)).json()
    clock = {"name": "night", "calendar": {"schedule": "5 2 * * *", "timezone": "UTC", "catch_up": "all"}}
    trigger = {"event_source": "night", "pipeline": read["pipelines"][0]["name"], "revision": "main"}
    body = {key: value for key, value in read.items() if key != "name"} | {
        "concurrency": {"limit": 2, "cancel_previous": True}, "max_keep_runs": 7,
        "event_sources": [*read["event_sources"], clock], "pipeline_triggers": [*read["pipeline_triggers"], trigger],
    }  # fmt: skip
    assert (await world.call("POST", path, body)).json()["result"] == "committed"
    world.take_in("product_orchard")
    now = (await world.call("GET", path)).json()
    assert (now["concurrency"], now["max_keep_runs"]) == ({"limit": 2, "cancel_previous": True}, 7)
    assert now["event_sources"][-1]["calendar"]["catch_up"] == "all"
    again = {key: value for key, value in now.items() if key != "name"}
    assert (await world.call("POST", path, again)).json()["result"] == "unchanged"


@pytest.mark.parametrize("step", ["tip", "tree", "commit", "record"])
async def test_a_product_is_created_whatever_step_failed_before(world, step):
    body = {"git": {"gitlab": {"path": "plums"}}}
    world.host.host.commit(world._project("acme/management"), "main", {"README.md": b"newer"})
    world.away.add(step)
    failed = await world.call("POST", "/products/plums", body, token="manager")
    assert failed.status_code == 503
    assert failed.headers["retry-after"]
    world.away.clear()
    for expected in ({"committed", "unchanged"}, {"unchanged"}):
        answer = await world.call("POST", "/products/plums", body, token="manager")
        assert answer.status_code == 200
        assert answer.json()["result"] in expected
    assert f"{drafts.TENANT_FOLDER}/products/plums.yaml" in world.files("tenant")


async def test_a_code_host_that_is_away_lets_nobody_in(world):
    world.away.add("access")
    for path in ("/products/orchard", "/products", "/clusters"):
        answer = await world.call("GET", path)
        assert (answer.status_code, answer.json()["reason"]) == (503, "GITLAB_UNAVAILABLE")


async def test_a_request_is_never_part_of_a_callers_trace(world):
    assert not world.app._native_telemetry.enabled()


async def test_metrics_name_the_template_of_a_path_and_never_the_path(world):
    scopes = []

    async def noting(scope, receive, send):
        await world.app(scope, receive, send)
        scopes.append(scope)

    transport = httpx.ASGITransport(noting)
    headers = {"Authorization": "Bearer owner"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        await client.get("/api/v1/products/orchard/environments/test")
        await client.get("/nothing/like/this")
    assert [matched_route(scope) for scope in scopes] == [
        "/api/v1/products/{product_name}/environments/{environmentName}",
        OTHER,
    ]
