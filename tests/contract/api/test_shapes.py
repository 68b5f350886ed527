"""Route by route: the JSON of requests and replies has the field names of sections 2.3 to 2.5 of the original."""

import json
import re

import pytest

from nautes_api_server.kinds import KINDS
from support.api_server import World

PATHS = {
    "Cluster": "/api/v1/clusters/{cluster_name}",
    "Product": "/api/v1/products/{product_name}",
    "Project": "/api/v1/products/{product_name}/projects/{project_name}",
    "Environment": "/api/v1/products/{product_name}/environments/{environmentName}",
    "CodeRepo": "/api/v1/products/{product_name}/coderepos/{coderepoName}",
    "CodeRepoBinding": "/api/v1/products/{product_name}/coderepobindings/{coderepo_binding_name}",
    "DeploymentRuntime": "/api/v1/products/{product_name}/deploymentruntimes/{deploymentruntimeName}",
    "ProjectPipelineRuntime": "/api/v1/products/{product_name}/projectpipelineruntimes/{project_pipeline_runtime_name}",
}
GIT = "git.gitlab.name git.gitlab.path git.gitlab.visibility git.gitlab.description"
COMPONENTS = "multi_tenant secret_sync gateway deployment progressive_delivery pipeline event_listener"
CLUSTER = (
    "api_server cluster_kind cluster_type usage host_cluster worker_type primary_domain components_list "
    "reserved_namespaces_allowed_products product_allowed_cluster_resources"
)
PIPELINE = (
    "project pipeline_source isolation account destination.environment destination.namespace pipelines.name pipelines.label "
    "pipelines.path event_sources.name event_sources.gitlab.repo_name event_sources.gitlab.revision event_sources.gitlab.events "
    "event_sources.calendar.schedule event_sources.calendar.interval event_sources.calendar.exclusion_dates "
    "event_sources.calendar.timezone pipeline_triggers.event_source pipeline_triggers.pipeline pipeline_triggers.revision "
    "pipeline_triggers.inputs.source.from_event pipeline_triggers.inputs.source.built_in_var "
    "pipeline_triggers.inputs.transmission_method.kustomization.path additional_resources.git.coderepo "
    "additional_resources.git.url additional_resources.git.revision additional_resources.git.path hooks.pre_hooks.name "
    "hooks.pre_hooks.alias hooks.pre_hooks.vars hooks.post_hooks.name"
)
DEPLOYMENT = (
    "projects_ref manifest_source.code_repo manifest_source.target_revision manifest_source.path destination.environment "
    "destination.namespaces account"
)
REQUESTS = {
    "Cluster": f"{CLUSTER} vcluster.https_node_port kubeconfig",
    "Product": f"{GIT} git.github",
    "Project": "language",
    "Environment": "cluster env_type",
    "CodeRepo": f"project webhook.events deployment_runtime pipeline_runtime {GIT}",
    "CodeRepoBinding": "product projects permissions coderepo",
    "DeploymentRuntime": DEPLOYMENT,
    "ProjectPipelineRuntime": PIPELINE,
}
REPLIES = {
    "Cluster": f"{CLUSTER} name",
    "Product": f"name {GIT.partition(' ')[2]}",
    "Project": "product name language",
    "Environment": "product name cluster env_type",
    "CodeRepo": f"product name project webhook.events deployment_runtime pipeline_runtime {GIT} git.gitlab.ssh_url_to_repo git.gitlab.http_url_to_repo",
    "CodeRepoBinding": "product name projects permissions coderepo",
    "DeploymentRuntime": f"product name {DEPLOYMENT}",
    "ProjectPipelineRuntime": f"name {PIPELINE}",
}
SELECTORS = {
    "Cluster": "cluster_type usage worker_type cluster_name",
    "Product": "product_name",
    "Project": "project_name product_name",
    "Environment": "cluster env_type",
    "CodeRepo": "project pipeline_runtime deployment_runtime",
    "CodeRepoBinding": "coderepo product projects.in",
    "DeploymentRuntime": "projects_ref.in manifest_source.code_repo destination",
    "ProjectPipelineRuntime": "project project_name pipeline_source pipeline_triggers.pipeline destination",
}
OURS = {
    "Cluster": {"allowed_products", "components_list.cert_management", "components_list.secret_management", "components_list.oauth_proxy"},
    "Product": {"git.gitlab.parent_id", "git.gitlab.name"},
    "CodeRepo": {"git.github", "git.gitlab.parent_id"},
    "ProjectPipelineRuntime": {
        *(f"event_sources.gitlab.{field}" for field in ("paths", "actions", "condition")),
        *("event_sources.calendar.catch_up", "concurrency.limit", "concurrency.cancel_previous", "max_keep_runs"),
    },
}  # fmt: skip
"""Fields that the original does not have."""

DOCUMENT = World().app.openapi()


def fields(schema, path=""):
    """Yield the paths of all fields of a schema, through lists."""
    if "$ref" in schema:
        yield from fields(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], path)
    for branch in schema.get("anyOf", ()):
        yield from fields(branch, path)
    if "items" in schema:
        yield from fields(schema["items"], path)
    for name, below in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        yield from fields(below, here)


def operation(kind, method):
    return DOCUMENT["paths"][PATHS[kind]][method]


def schema_of(content):
    return content["content"]["application/json"]["schema"]


def covered(expected, found, ours, kind):
    wanted = set(expected.split())
    if kind == "Cluster":
        wanted |= {f"components_list.{one}" for one in COMPONENTS.split()}
    assert wanted <= found, wanted - found
    leaves = {one for one in found if not any(other.startswith(f"{one}.") for other in found)}
    inner = re.compile(
        r"components_list\.\w+\.(name|namespace|additions)|product_allowed.*|hooks\.post_hooks\..*"
    )
    assert {one for one in leaves - wanted - ours if not inner.fullmatch(one)} == set()


@pytest.mark.parametrize("kind", PATHS)
def test_requests_have_the_fields_of_the_original_and_those_of_ours_that_are_listed(kind):
    found = set(fields(schema_of(operation(kind, "post")["requestBody"])))
    covered(REQUESTS[kind], found, OURS.get(kind, set()), kind)


@pytest.mark.parametrize("kind", PATHS)
def test_replies_have_the_fields_of_the_original(kind):
    found = set(fields(schema_of(operation(kind, "get")["responses"]["200"])))
    covered(REPLIES[kind], found, OURS.get(kind, set()), kind)


@pytest.mark.parametrize("kind", PATHS)
def test_lists_saving_and_deleting_answer_with_items_and_messages(kind):
    collection = DOCUMENT["paths"][PATHS[kind].rpartition("/")[0]]["get"]
    listed = set(fields(schema_of(collection["responses"]["200"])))
    assert "items" in listed
    assert {f"items.{one}" for one in REPLIES[kind].split()} <= listed
    for method in ("post", "delete"):
        assert "message" in set(fields(schema_of(operation(kind, method)["responses"]["200"])))
    names = {one["name"] for one in collection["parameters"]}
    assert "field_selector" in names


@pytest.mark.parametrize("kind", PATHS)
def test_the_skip_flag_is_there_for_all_but_products(kind):
    for method in ("post", "delete"):
        names = {one["name"] for one in operation(kind, method)["parameters"]}
        assert ("insecure_skip_check" in names) is (kind != "Product")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.kind for kind in KINDS])
def test_every_key_of_the_filters_can_be_selected_by(kind):
    assert set(SELECTORS[kind.kind].split()) <= kind.fields.keys()


@pytest.mark.parametrize("kind", PATHS)
def test_examples_in_the_description_are_of_the_right_shape(kind):
    reference = schema_of(operation(kind, "post")["requestBody"])["$ref"].rpartition("/")[2]
    example = DOCUMENT["components"]["schemas"][reference]["example"]
    body = next(one.body for one in KINDS if one.kind == kind)
    assert body.model_validate(json.loads(json.dumps(example)))


def test_the_document_is_openapi_3_1_and_every_operation_says_how_it_fails():
    assert DOCUMENT["openapi"].startswith("3.1")
    for path, methods in DOCUMENT["paths"].items():
        for method, described in methods.items():
            assert described["operationId"], (path, method)
            assert "application/problem+json" in described["responses"]["404"]["content"]
            assert described["security"]


async def test_the_page_of_the_description_needs_no_network(world):
    async with world.client("") as client:
        page = (await client.get("/q/swagger-ui")).text
        addresses = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
        assert addresses
        assert all(one.startswith("/") for one in addresses), addresses
        for one in addresses:
            assert (await client.get(one)).status_code == 200


async def test_unset_fields_have_their_zero_value(world):
    answer = await world.call("GET", "/products/orchard/coderepos/apple-deploy")
    assert answer.json()["pipeline_runtime"] is False
    (runtime,) = (await world.call("GET", "/products/orchard/projectpipelineruntimes")).json()["items"]
    assert (runtime["additional_resources"], runtime["pipeline_triggers"][0]["revision"]) == (None, "")


async def test_problems_carry_the_fields_of_rfc_9457_and_those_of_the_original(world):
    answer = await world.call("GET", "/products/pears")
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "code", "reason", "message", "metadata"} <= body.keys()
    assert (body["status"], body["code"], body["reason"]) == (404, 404, "PRODUCT_NOT_FOUND")
    assert body["message"] == body["detail"]
