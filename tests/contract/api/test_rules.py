"""Each rule through the door of the API: what breaks it is refused with rule and field, what comes near is saved.

The cases are those of the other doors. Each changed file is what is sent; the other changes of the case are there already.
"""

import re

import pytest

from nautes_api_server.kinds import KINDS
from nautes_domain import source
from nautes_domain.access import Level
from support.rule_cases import CASES, IDS, applied, repository

SCOPES = {"t": "tenant", "o": "product_orchard", "v": "product_vineyard"}
BY_KIND = {kind.kind: kind for kind in KINDS}
MAPS = {"additions", "vars", "reservedNamespacesAllowedProducts", "productAllowedClusterResources"}
NOT_SENT = {
    "Product": {"name", "metaDataPath"},
    "CodeRepo": {"product", "repoName"},
    "CodeRepoBinding": set(),
}

UNSAYABLE = {
    "T1": "the API chooses the file", "T2": "the API chooses the folder", "J2": "the API chooses the folder", "T3": "a name is saved over itself",
    "T4": "the URL names the product", "J1": "the URL names the product", "T5": "the owner is judged by its name", "P4": "the URL names it",
    "P5": "providers are not served", "P6": "providers are not served", "A1": "tenants are not served", "A7": "providers are not served",
    "R5": "no field of the body", "R6": "no field of the body", "T6": "packages are not served", "schema": "other kinds are not served",
    "C10": "missing components that people cannot choose are filled in", "A9": "", "A6": "",
}  # fmt: skip
"""Rules that a request cannot break, or not by a field of its own; a body that tries has an unknown field, or no route."""

SAID_AS = {"spec.name": "spec.git.gitlab.path", "spec.repoName": "spec.git.gitlab.path"}
"""The URL gives these; a body can only give another path."""


def documents(text):
    return [] if text is None else [one.value for one in source.parse(text.encode(), "x.yaml")]


def sent(files, path):
    """Return (kind, name, body) of what a file declares."""
    (value,) = documents(files[path])
    kind, name = value["kind"], value["metadata"]["name"]
    left_out = NOT_SENT.get(kind, {"product"})
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
    if case.rule in UNSAYABLE:
        assert refused or case.rule in {"C10", "T1", "T2", "J2", "T3", "T4", "J1", "P4"}, [
            one.text for one in answers
        ]
    else:
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
