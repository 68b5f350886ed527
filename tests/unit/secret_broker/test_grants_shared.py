"""Runtimes may work as one account: it reads what they read together, as long as each of them may."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain.catalog import read_product
from nautes_domain.names import deploy_key_path
from nautes_domain.plan import Ref, Verb, plan
from nautes_domain.validation import Setting, product_violations
from nautes_secret_broker.grants import grants
from support.examples import changed, tenant

IDS = {"apple-api-src": 10, "apple-web-src": 11, "apple-deploy": 12}
OWNERS = {"apple-api-src": "apple-api", "apple-web-src": "apple-web", "apple-deploy": "apple-api"}
BINDING = "code-repos/apple-deploy/lend-to-web.yaml"
ORDER = ("Policy", "Role")
HEAD = "apiVersion: nautes.resource.nautes.io/v1alpha1\n"
PIPELINE = (
    HEAD
    + """kind: ProjectPipelineRuntime
metadata: {{name: {name}}}
spec:
  project: {project}
  pipelineSource: {repo}
  destination: {{environment: build, namespace: {name}}}
  isolation: shared
  account: {account}
  pipelines: [{{name: build, path: ci/{name}.yaml}}]
  eventSources: [{{name: source, gitlab: {{repoName: {event}, events: [push_events]}}}}]
  pipelineTriggers: [{{eventSource: source, pipeline: build}}]
"""
)
DEPLOYMENT = (
    HEAD
    + """kind: DeploymentRuntime
metadata: {{name: {name}}}
spec:
  product: orchard
  projectsRef: [{project}]
  manifestSource: {{codeRepo: {repo}, targetRevision: main, path: {name}}}
  destination: {{environment: test, namespaces: [{name}, {place}]}}
  account: {account}
"""
)
LENT = (
    HEAD
    + """kind: CodeRepoBinding
metadata: {{name: {repo}-{project}}}
spec: {{codeRepo: {repo}, product: orchard, projects: [{project}], permissions: readonly}}
"""
)
REPOS = st.sampled_from(sorted(IDS))
RUNTIMES = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["pipeline", "deployment"]),
            "name": st.sampled_from(["one", "two", "three"]),
            "project": st.sampled_from(["apple-api", "apple-web"]),
            "account": st.sampled_from(["builder", "other"]),
            "repo": REPOS,
            "event": REPOS,
            "place": st.sampled_from(["near", "far"]),
        }
    ),
    max_size=5,
    unique_by=lambda one: (one["kind"], one["name"]),
)
BINDINGS = st.sets(st.tuples(REPOS, st.sampled_from(["apple-api", "apple-web"])))


def catalog_of(runtimes, bindings=()):
    files = changed(
        {BINDING: None, "projects/apple-api/apple-ci.yaml": None, "runtimes/apple-test.yaml": None}
    )
    for one in runtimes:
        if one["kind"] == "pipeline":
            path, text = f"projects/{one['project']}/{one['name']}.yaml", PIPELINE
        else:
            path, text = f"runtimes/{one['name']}.yaml", DEPLOYMENT
        files[path] = text.format(**one).encode()
    for repo, project in bindings:
        files[f"code-repos/{repo}/{project}.yaml"] = LENT.format(repo=repo, project=project).encode()
    catalog, problems = read_product("orchard", files)
    assert not problems
    return catalog


def policy(paths):
    return {"paths": list(paths)}


def rendered(catalog):
    return grants(catalog, tenant(), IDS, policy)


def readable(state):
    """What each login may read, as Vault would answer: (cluster, account, namespace) to paths."""
    found = {}
    for ref, spec in state.items():
        if ref.kind == "Role":
            policies = [state[Ref("vault", "Policy", name)] for name in spec["policies"]]
            for namespace in spec["namespaces"]:
                key = (ref.scope, spec["account"], namespace)
                assert key not in found
                found[key] = {path for one in policies for path in one["paths"]}
    return found


def specs(state):
    return {ref: wanted.spec for ref, wanted in state.items()}


def named(one):
    return {one["repo"], one["event"]} if one["kind"] == "pipeline" else {one["repo"]}


def marks(one):
    """What makes runtimes able to work as each other."""
    spaces = {one["name"]} if one["kind"] == "pipeline" else {one["name"], one["place"]}
    return {(one["kind"], "account", one["account"]), *((one["kind"], "space", space) for space in spaces)}


def group_of(one, runtimes):
    group, reached = [], marks(one)
    while True:
        more = [other for other in runtimes if other not in group and marks(other) & reached]
        if not more:
            return group
        group += more
        reached = reached.union(*map(marks, more))


def expected(runtimes, bindings):
    """The same, said anew: an account reads what any of its runtimes names, if all around may read it."""
    clusters = {"pipeline": "build-east", "deployment": "run-east"}
    found = {}
    for one in runtimes:
        around = group_of(one, runtimes)
        mine = [other for other in around if other["account"] == one["account"]]
        shared = {
            repo for other in mine for repo in named(other)
            if all(OWNERS[repo] == each["project"] or (repo, each["project"]) in bindings for each in around)
        }  # fmt: skip
        for space in (
            (one["name"], *([one["place"]] if one["kind"] == "deployment" else [])) if shared else ()
        ):
            key = (clusters[one["kind"]], one["account"], space)
            found[key] = {deploy_key_path(IDS[repo], "readonly") for repo in shared}
    return found


@settings(max_examples=150, deadline=None)
@given(RUNTIMES, BINDINGS)
def test_an_account_reads_exactly_what_its_runtimes_read_together_and_each_may(runtimes, bindings):
    assert readable(specs(rendered(catalog_of(runtimes, bindings)).state)) == expected(runtimes, bindings)


@settings(max_examples=100, deadline=None)
@given(RUNTIMES, BINDINGS)
def test_where_the_rules_hold_nothing_is_left_out_and_nobody_reads_what_is_not_his(runtimes, bindings):
    catalog = catalog_of(runtimes, bindings)
    broken = {one.rule for one in product_violations(Setting(catalog, tenant()))} & {"A4", "D7", "L11"}
    found = rendered(catalog)
    assert bool(found.denied) == bool(broken)
    if not broken:
        logins = readable(specs(found.state))
        for one in runtimes:
            mine = {deploy_key_path(IDS[repo], "readonly") for repo in named(one)}
            cluster = {"pipeline": "build-east", "deployment": "run-east"}[one["kind"]]
            assert mine <= logins[cluster, one["account"], one["name"]]


@settings(max_examples=100, deadline=None)
@given(RUNTIMES, BINDINGS, st.randoms(use_true_random=False))
def test_whoever_goes_first_rights_shrink_and_an_account_goes_with_its_last_runtime(
    runtimes, bindings, random
):
    held = specs(rendered(catalog_of(runtimes, bindings)).state)
    left = list(runtimes)
    random.shuffle(left)
    while left:
        left.pop()
        wanted = rendered(catalog_of(left, bindings)).state
        for action in plan(wanted, held, order=ORDER):
            held = {ref: spec for ref, spec in held.items() if ref != action.ref}
            if action.verb is not Verb.DELETE:
                held[action.ref] = action.after
        assert held == specs(wanted)
        assert readable(held) == expected(left, bindings)
    assert held == {}


def runtime(name, kind="pipeline", project="apple-api", repo="apple-api-src", account="builder"):
    return {
        "kind": kind,
        "name": name,
        "project": project,
        "account": account,
        "repo": repo,
        "event": repo,
        "place": "near",
    }


def test_runtimes_of_both_kinds_with_one_name_and_one_account_have_rights_of_their_own_per_cluster():
    both = [runtime("one"), runtime("one", "deployment", repo="apple-deploy")]
    logins = readable(specs(rendered(catalog_of(both)).state))
    assert logins == {
        ("build-east", "builder", "one"): {deploy_key_path(10, "readonly")},
        ("run-east", "builder", "one"): {deploy_key_path(12, "readonly")},
        ("run-east", "builder", "near"): {deploy_key_path(12, "readonly")},
    }


def test_who_deploys_to_one_namespace_could_work_as_any_account_there():
    two = [
        runtime("one", "deployment"),
        runtime("two", "deployment", project="apple-web", repo="apple-web-src", account="other"),
    ]
    found = rendered(catalog_of(two))
    assert not found.state
    assert {(one.name, one.rule) for one in found.denied} == {("one", "A4"), ("two", "A4")}
    apart = [two[0], {**two[1], "place": "far"}]
    assert len(readable(specs(rendered(catalog_of(apart)).state))) == 4


@pytest.mark.parametrize("bindings", [(), {("apple-api-src", "apple-web")}])
def test_a_right_that_is_withdrawn_from_one_is_read_for_nobody_through_the_account(bindings):
    two = [runtime("one"), runtime("two", project="apple-web", repo="apple-web-src")]
    found = rendered(catalog_of(two, bindings))
    paths = {path for one in readable(specs(found.state)).values() for path in one}
    assert paths == {deploy_key_path(IDS[repo], "readonly") for repo, _ in bindings}
    denied = {(one.name, one.rule, one.field) for one in found.denied}
    assert ("two", "A4", "spec.account") in denied
