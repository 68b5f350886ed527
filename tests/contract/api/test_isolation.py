"""Every operation of the API's description, asked by everybody: nobody sees or changes what is not theirs.

The rows are the operations in the OpenAPI document: a route without a row here fails.
"""

import json

import pytest

from nautes_api_server.kinds import KINDS
from nautes_domain.access import Level
from support.api_server import World

BODIES = {
    "runs": {"runtime": "apple-ci"},
    "clusters": {"api_server": "https://new.example.com:6443", "cluster_type": "physical", "usage": "host", "components_list": {"gateway": {"name": "traefik", "namespace": "traefik"}}},
    "products": {"git": {"gitlab": {"description": "changed"}}},
    "projects": {"language": "changed"},
    "environments": {"cluster": "run-east", "env_type": "changed"},
    "coderepos": {"project": "apple-api", "git": {"gitlab": {"description": "changed"}}},
    "coderepobindings": {"projects": ["apple-web"], "permissions": "readwrite", "coderepo": "apple-deploy"},
    "deploymentruntimes": {"projects_ref": ["apple-api"], "manifest_source": {"code_repo": "apple-deploy", "target_revision": "changed", "path": "overlays/test"}, "destination": {"environment": "test", "namespaces": ["apple-test"]}, "account": "apple-deployer"},
    "projectpipelineruntimes": {"project": "apple-api", "pipeline_source": "apple-api-src", "isolation": "exclusive", "account": "apple-builder", "destination": {"environment": "build", "namespace": "apple-ci"}, "pipelines": [{"name": "build", "path": "ci/build.yaml"}], "event_sources": [{"name": "source", "gitlab": {"repo_name": "apple-api-src", "revision": "main", "events": ["push_events"]}}], "pipeline_triggers": [{"event_source": "source", "pipeline": "build"}]},
}  # fmt: skip
NAMES = {
    "clusters": "build-east", "projects": "apple-web", "environments": "test", "coderepos": "apple-deploy",
    "coderepobindings": "lend-to-web", "deploymentruntimes": "apple-test", "projectpipelineruntimes": "apple-ci",
}  # fmt: skip
ASKERS = {"own": "maintainer", "granted-ro": "reporter", "granted-rw": "developer", "foreign": "stranger", "deleted grant": "former", "unknown": "nobody", "no token": ""}  # fmt: skip
SEES = {"own", "granted-ro", "granted-rw"}

PRODUCT, ITEM, TENANT, ANYBODY = "product", "item", "tenant", "anybody"
ROWS = {
    "whoami": ANYBODY, "list_scopes": ANYBODY, "list_deliveries": ANYBODY, "list_decisions": ANYBODY, "list_effects": ANYBODY, "trace": ANYBODY,
    "list_hooks": ANYBODY, "show_hook": ANYBODY,
    "product_status": PRODUCT, "changed_paths": PRODUCT, "watch_product": PRODUCT, "get_products": PRODUCT, "history_of_products": TENANT,
    "tenant_status": TENANT, "list_products": ANYBODY, "save_products": TENANT, "delete_products": TENANT,
    "list_clusters": ANYBODY, "get_clusters": TENANT, "save_clusters": TENANT, "delete_clusters": TENANT, "status_of_clusters": TENANT, "history_of_clusters": TENANT,
    **dict.fromkeys(("list_runs", "show_run", "logs_of_run", "start_run", "cancel_run", "retry_run"), PRODUCT),
    **{f"list_{kind.segment}": PRODUCT for kind in KINDS if not kind.tenant},
    **{f"{verb}_{kind.segment}": ITEM for kind in KINDS if not kind.tenant for verb in ("get", "save", "delete", "status_of", "history_of")},
}  # fmt: skip
"""Whose each operation is: of who sees the product, of who manages the tenant, or of anybody known, who sees no more than theirs."""

DOCUMENT = World().app.openapi()
OPERATIONS = [
    (described["operationId"], method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
]
MATRIX = [(*operation, asker) for operation in OPERATIONS for asker in ASKERS]
SECRETS = ("apple", "run-east", "build-east")


def test_every_operation_has_a_row_and_every_row_an_operation():
    assert {name for name, _, _ in OPERATIONS} == ROWS.keys()


def address(path, product="orchard", name=None):
    segment = path.removeprefix("/api/v1/products/{product_name}/").removeprefix("/api/v1/").partition("/")[0]
    parameter = next((kind.parameter for kind in KINDS if kind.segment == segment), "none")
    path = path.replace("{product_name}", product).replace("{cause}", "d1").replace("{cause:path}", "d1")
    path = path.replace("{run_name}", name or "apple-ci-1").replace("{hook_name}", name or "wait-for")
    path = path.replace(f"{{{parameter}}}", name or NAMES.get(segment, ""))
    query = "?seconds=1" if path.endswith("/watch") else ""
    if path.endswith("/changed-paths"):
        query = f"?repository=apple-api-src&before={'a' * 40}&after={'b' * 40}"
    return path.removeprefix("/api/v1") + query, BODIES.get(segment, BODIES["products"])


async def ask(world, method, path, asker, **more):
    target, body = address(path, **more)
    return await world.call(method, target, body if method == "POST" else None, token=ASKERS[asker])


@pytest.mark.parametrize(
    ("operation", "method", "path", "asker"), MATRIX, ids=[f"{row[0]}-{row[3]}" for row in MATRIX]
)
async def test_who_may_not_see_learns_nothing_and_changes_nothing(world, operation, method, path, asker):
    before = {scope: world.files(scope) for scope in ("tenant", "product_orchard")}
    answer = await ask(world, method, path, asker)
    whose = ROWS[operation]
    if asker in {"unknown", "no token"}:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    elif whose is ANYBODY:
        assert answer.status_code in {200, 404}
    elif whose is TENANT or asker not in SEES:
        assert answer.status_code == 404
    elif (asker, operation) == (
        "granted-ro",
        "logs_of_run",
    ):  # what is written may hold secrets: see decision 29
        assert answer.status_code == 403
    elif method == "GET":
        assert answer.status_code == 200
    else:
        assert (answer.status_code == 403) is (asker == "granted-ro" or (asker, operation) == ("granted-rw", "save_coderepobindings"))  # fmt: skip
    if asker not in SEES or whose is TENANT:
        named = (
            json.dumps(answer.json())
            if answer.content and "json" in answer.headers["content-type"]
            else answer.text
        )
        asked = address(path)[0]
        assert not [one for one in SECRETS if one in named and one not in asked and asker not in SEES]
    declares = not operation.endswith("_run")
    changes = declares and method != "GET" and asker in {"own", "granted-rw"} and answer.status_code == 200
    after = {scope: world.files(scope) for scope in before}
    assert (after != before) is changes


@pytest.mark.parametrize(("operation", "method", "path"), OPERATIONS, ids=[row[0] for row in OPERATIONS])
async def test_hidden_and_absent_look_alike(world, operation, method, path):
    if ROWS[operation] is ANYBODY or "{" not in path:
        return
    hidden = await ask(world, method, path, "foreign")
    absent = await ask(world, method, path, "foreign", product="nothing", name="nothing")
    assert hidden.status_code == absent.status_code == 404

    def neutral(answer):
        text = answer.text
        for name in ("orchard", "nothing", *NAMES.values()):
            text = text.replace(f"'{name}'", "X")
        return text

    assert neutral(hidden) == neutral(absent)


async def test_a_withdrawn_grant_ends_within_half_a_minute(world):
    assert (await world.call("GET", "/products/orchard", token="developer")).status_code == 200
    world.host.let_in(world.people["developer"], "orchard", Level.NONE)
    world.clock[0] += 31
    assert (await world.call("GET", "/products/orchard", token="developer")).status_code == 404
    assert (await world.call("GET", "/products", token="developer")).json()["items"] == []


async def test_lists_show_only_what_is_the_callers(world):
    seen = {}
    for token in ("owner", "stranger", "manager", "former"):
        rows = (await world.call("GET", "/products", token=token)).json()
        seen[token] = [one["name"] for one in rows["items"]]
        assert rows["total"] == len(seen[token])
    assert seen == {
        "owner": ["orchard"],
        "stranger": ["vineyard"],
        "manager": ["orchard", "vineyard"],
        "former": [],
    }
