"""Each rule through the door of the API: what breaks it is refused with rule and field, what comes near is saved.

The cases are those of the other doors. Each changed file is what is sent; the other changes of the case are there already.
"""

import re

import pytest
from pydantic.alias_generators import to_camel

from nautes_api_server.kinds import KINDS
from nautes_domain import source
from nautes_domain.access import Level
from nautes_domain.components import REQUIRED
from support.rule_cases import CASES, IDS, applied, repository

SCOPES = {"t": "tenant", "o": "product_orchard", "v": "product_vineyard"}
BY_KIND = {kind.kind: kind for kind in KINDS}
MAPS = {"additions", "vars", "reservedNamespacesAllowedProducts", "productAllowedClusterResources"}
NOT_SENT = {"Product": {"name", "metaDataPath"}, "CodeRepo": {"repoName"}}

UNSAYABLE = {
    "T1": "the API chooses the file", "T2": "the API chooses the folder", "J2": "the API chooses the folder",
    "T3": "a name is saved over itself", "T5": "the owner is judged by its name", "C10": "missing components are filled in",
    "P4": "the URL names it, and a name is one label", "P5": "providers are not served", "P6": "providers are not served",
    "A1": "tenants are not served", "A7": "providers are not served", "T6": "packages are not served",
    "R5": "no field of the body", "R6": "no field of the body",
}  # fmt: skip
"""Rules that a request cannot break: `test_what_cannot_be_said_…` below tries all the same."""

SAID_AS = {"spec.name": "spec.git.gitlab.path", "spec.repoName": "spec.git.gitlab.path"}
"""The URL gives these; a body can only give another path."""


def documents(text):
    return [] if text is None else [one.value for one in source.parse(text.encode(), "x.yaml")]


def sent(files, path):
    """Return (kind, name, body) of what a file declares."""
    (value,) = documents(files[path])
    kind, name = value["kind"], value["metadata"]["name"]
    left_out = NOT_SENT.get(kind, set())
    body = snake({key: one for key, one in value.get("spec", {}).items() if key not in left_out})
    if kind == "CodeRepo":
        body.setdefault("git", {"gitlab": {"path": value["spec"]["repoName"]}})
    if kind == "Product":
        body.setdefault("git", {"gitlab": {"path": value["spec"].get("name", name)}})
    if kind == "CodeRepoBinding":
        body["coderepo"] = body.pop("code_repo", "")
    git = (body.get("additional_resources") or {}).get("git") or {}
    if "code_repo" in git:
        git["coderepo"] = git.pop("code_repo")
    return kind, name, body


def snake(value):
    if isinstance(value, dict):
        return {
            re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower(): one if key in MAPS else snake(one)
            for key, one in value.items()
        }
    return [snake(one) for one in value] if isinstance(value, list | tuple) else value


async def attempts(world, base, wanted):
    """Yield the answer to each change on its own, with all others there already."""
    for path in sorted(base.keys() | wanted.keys()):
        if base.get(path) == wanted.get(path) or path.endswith("kustomization.yaml"):
            continue
        there = {**wanted, path: base.get(path)}
        there = {one: text for one, text in there.items() if text is not None}
        for short, scope in SCOPES.items():
            files = repository(there, short)
            if files or scope in world.news.snapshots:
                world.declare(scope, files)
        yield await attempt(world, base, wanted, path)


async def attempt(world, base, wanted, path):
    removes = path not in wanted
    kind, name, body = sent(base if removes else wanted, path)
    served = BY_KIND.get(kind)
    if served is None:
        return await world.call("POST", f"/products/orchard/{kind.lower()}s/{name}", body, token="manager")
    product = {"o": "orchard", "v": "vineyard", "t": ""}[path[0]]
    address = served.item.removeprefix("/api/v1")
    address = address.replace("{product_name}", product or name).replace(f"{{{served.parameter}}}", name)
    method, given = ("DELETE", None) if removes else ("POST", body)
    return await world.call(method, address, given, token="manager")


@pytest.fixture
def judged(world):
    for group in ("orchard", "vineyard"):
        world.host.let_in(world.people["manager"], group, Level.OWNER)
    yield world
    for group in ("orchard", "vineyard"):
        world.host.let_in(world.people["manager"], group, Level.NONE)


def told(answer, *, warnings=False):
    found = answer.json().get("warnings" if warnings else "violations", [])
    return {(one["rule"], one["field"]) for one in found}


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_what_breaks_a_rule_is_refused(judged, case):
    base = applied(case.before)
    answers = [one async for one in attempts(judged, base, applied(case.before, case.refuse))]
    if case.rule == "C16":
        assert any((case.shown, case.field) in told(one, warnings=True) for one in answers)
        return
    refused = [one for one in answers if one.status_code in {400, 403, 404, 409, 422}]
    if (
        case.rule == "E2" and not refused
    ):  # a right was withdrawn; that is no mistake, and who needs it is refused
        judged.take_in("tenant")
        body = {"cluster": "build-east", "env_type": "other"}
        refused = [await judged.call("POST", "/products/orchard/environments/build", body, token="manager")]
    named = [one for one in refused if (case.shown, SAID_AS.get(case.field, case.field)) in told(one)]
    if case.rule not in UNSAYABLE:
        assert named, [one.text for one in answers]
        for one in named:
            assert all(each["fix"] and each["message"] for each in one.json()["violations"])


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_what_comes_near_is_saved(judged, case):
    base = applied(case.before)
    wanted = applied(case.before, case.accept)
    async for answer in attempts(judged, base, wanted):
        assert case.shown not in {rule for rule, _ in told(answer)}, answer.text
        others = {rule for rule, _ in told(answer)} - ({"C12"} if not case.changed else set())
        assert (answer.status_code == 200) or not others or case.rule in UNSAYABLE, answer.text


ENVIRONMENT = {"cluster": "run-east", "env_type": "test"}
REPO = {"git": {"gitlab": {"path": "apple-web-src"}}, "project": "apple-web"}
PROVIDER = {"type": "coderepo", "name": "gitlab", "provider_type": "gitlab"}
TRIES = (
    ("T1", "/products/orchard/envs/x.yaml", ENVIRONMENT, 404, ""),
    ("T1", "/products/orchard/environments/..%2Felsewhere%2Fx", ENVIRONMENT, 404, ""),
    ("T1", "/products/orchard/environments/x", {**ENVIRONMENT, "kind": "Project"}, 400, "/kind"),
    ("T2", "/products/orchard/projects/pear", {"name": "apple-web"}, 422, "/name"),
    ("T2", "/products/orchard/coderepos/pear", {**REPO, "name": "apple-web-src"}, 422, "/name"),
    ("J2", "/products/orchard/projects/pear", {"name": "apple-web", "language": "go"}, 422, "/name"),
    ("T3", "/products/orchard/environments/copy", {**ENVIRONMENT, "name": "test"}, 422, "/name"),
    ("T5", "/products/orchard/coderepobindings/lend", {"coderepo": "gone", "projects": ["apple-web"], "permissions": "readonly"}, 422, "/code_repo"),
    ("P4", "/products/fruit%2Forchard", {"git": {"gitlab": {"path": "fruit/orchard"}}}, 404, ""),
    ("P4", "/products/fruit/orchard", {"git": {"gitlab": {"path": "fruit/orchard"}}}, 404, ""),
    ("P4", "/products/Orchard_2", {"git": {"gitlab": {"path": "Orchard_2"}}}, 400, ""),
    ("P5", "/productproviders/gitlab", PROVIDER, 404, ""),
    ("P6", "/productproviders/more", PROVIDER, 404, ""),
    ("A1", "/tenants/zenith", {}, 404, ""),
    ("A7", "/coderepoproviders/gitlab", PROVIDER, 404, ""),
    ("A7", "/products/orchard/artifactrepos/apple-pypi", {"artifact_repo_provider": "harbor"}, 404, ""),
    ("T6", "/products/orchard/projectartifactrepos/publish", {"artifact_repo": "none"}, 404, ""),
    ("R5", "/products/orchard/coderepos/apple-web-src", {**REPO, "code_repo_provider": "github"}, 400, "/code_repo_provider"),
    ("R6", "/products/orchard/coderepos/apple-web-src", {**REPO, "url": "git@git.evil.example:orchard/x.git"}, 400, "/url"),
)  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "body", "status", "pointer"), TRIES)
async def test_what_cannot_be_said_is_refused_when_it_is_tried(judged, rule, path, body, status, pointer):
    assert rule in UNSAYABLE
    answer = await judged.call("POST", path, body, token="manager")
    assert answer.status_code == status, answer.text
    assert "commit" not in judged.host.calls
    if pointer:
        assert pointer in {one["pointer"] for one in answer.json()["violations"]}
    elif path.count("/") > 1:
        gone = await judged.call("DELETE", path, token="manager")
        assert gone.status_code == status


async def test_a_name_that_was_declared_elsewhere_is_saved_over_itself(judged):
    files = judged.files("product_orchard")
    judged.declare(
        "product_orchard", {**files, "envs/other.yaml": files["envs/test.yaml"], "envs/test.yaml": None}
    )
    judged.take_in("product_orchard")
    answer = await judged.call(
        "POST", "/products/orchard/environments/test", {**ENVIRONMENT, "env_type": "stage"}
    )
    assert answer.status_code == 200, answer.text
    now = judged.files("product_orchard")
    assert b"envType: stage" in now["envs/other.yaml"]
    assert "envs/test.yaml" not in now


async def test_components_that_a_cluster_needs_are_filled_in_and_those_that_were_chosen_stay(judged):
    for (usage, kind, worker), needed in REQUIRED.items():
        body = {
            "api_server": "https://new.example.com:6443",
            "cluster_type": kind,
            "usage": usage,
            "worker_type": worker,
        }
        body |= {"components_list": {"gateway": {"name": "traefik", "namespace": "chosen"}}}
        if kind == "virtual":
            continue  # needs a host beside it; what is filled in is the same table
        answer = await judged.call("POST", "/clusters/new", body, token="manager")
        assert answer.status_code == 200, answer.text
        judged.take_in("tenant")
        found = (await judged.call("GET", "/clusters/new", token="manager")).json()["components_list"]
        assert {to_camel(one) for one in found if found[one]} >= needed
        assert found["gateway"]["namespace"] == "chosen"
        await judged.call("DELETE", "/clusters/new", token="manager")
        judged.take_in("tenant")


def test_every_rule_that_cannot_be_said_is_tried():
    tried = {rule for rule, *_ in TRIES} | {"C10"}
    assert tried == set(UNSAYABLE)
