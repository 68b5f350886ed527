import itertools
from dataclasses import replace

import pytest

from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    SPACE_KINDS,
    ProductSpaces,
    bootstrap_state,
    owned,
    owner,
    selector,
)
from nautes_adapters.kubernetes.marks import scope_value
from nautes_adapters.kubernetes.rights import ACCOUNT_RULES, DEPLOYER_RULES, PIPELINE_RULES, RECONCILER_RULES
from nautes_adapters.kubernetes.target import object_of
from nautes_domain import names
from nautes_domain.capabilities import Space
from nautes_domain.failures import Rejected
from nautes_domain.plan import Ref, Verb, covers, plan

CI = Space(
    "orchard",
    "apple-ci",
    "build-east",
    "apple-ci",
    "apple-builder",
    may_run=True,
    entity="ProjectPipelineRuntime/apple-ci",
)
STAGE = Space(
    "orchard",
    "apple-stage",
    "run-east",
    "apple-stage",
    "apple-deployer",
    may_run=False,
    entity="DeploymentRuntime/s",
)
SCOPE = "product_orchard"


def spaces(*given):
    return ProductSpaces().space_state(SCOPE, given)


def granted(rules):
    """The single rights that a list of rules gives."""
    return {
        right
        for rule in rules
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def of_kind(state, kind):
    return {ref: wanted.spec for ref, wanted in state.items() if ref.kind == kind}


def test_a_space_is_a_namespace_an_account_and_its_rights():
    state = spaces(CI, STAGE)
    assert sorted(ref.kind for ref in state) == sorted([*SPACE_KINDS, *SPACE_KINDS])
    assert {ref.system for ref in state} == {"kubernetes/build-east", "kubernetes/run-east"}
    assert all(owner(wanted.spec) == SCOPE for wanted in state.values())
    assert {wanted.entity for wanted in state.values()} == {CI.entity, STAGE.entity}
    namespace = state[Ref("kubernetes/build-east", "Namespace", "apple-ci")].spec
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"
    binding = state[Ref("kubernetes/build-east", "RoleBinding", "nautes.apple-builder", "apple-ci")].spec
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "apple-builder", "namespace": "apple-ci"}
    ]
    assert binding["roleRef"]["name"] == "nautes.apple-builder"
    assert binding["roleRef"]["kind"] == "Role"


def test_only_an_account_of_pipelines_may_start_runs():
    runs, deploys = (
        granted(next(iter(of_kind(spaces(one), "Role").values()))["rules"]) for one in (CI, STAGE)
    )
    assert ("tekton.dev", "pipelineruns", "create") in runs
    assert not {right for right in deploys if right[0] == "tekton.dev"}
    assert not {right for right in runs | deploys if right[1] == "secrets"}
    assert {right for right in deploys if right[2] not in {"get", "list", "watch"}} == set()


def test_an_account_that_two_runtimes_share_may_do_what_either_needs():
    other = replace(CI, runtime="apple-other", may_run=False)
    for order in ((CI, other), (other, CI)):
        state = spaces(*order)
        assert len(state) == len(SPACE_KINDS)
        assert ("tekton.dev", "pipelineruns", "create") in granted(
            next(iter(of_kind(state, "Role").values()))["rules"]
        )


@pytest.mark.parametrize(
    "namespace", ["default", "kube-system", "argocd", "nautes-system", "vault", "openshift-x"]
)
def test_a_reserved_namespace_is_refused(namespace):
    with pytest.raises(Rejected) as raised:
        spaces(replace(CI, namespace=namespace))
    assert raised.value.code == "namespace-reserved"


def test_the_reconciler_steers_runs_and_rewrites_none():
    runs = {right for right in granted(RECONCILER_RULES) if right[0] == "tekton.dev"}
    verbs = {verb for _, resource, verb in runs if resource == "pipelineruns"}
    assert verbs == {"create", "get", "list", "watch", "patch", "delete"}
    assert {resource for _, resource, verb in runs if verb == "patch"} == {"pipelineruns"}
    assert ("tekton.dev", "pipelineruns", "patch") not in granted(PIPELINE_RULES)


def test_the_reconciler_holds_all_that_it_grants():
    assert granted(ACCOUNT_RULES) | granted(PIPELINE_RULES) <= granted(RECONCILER_RULES)


@pytest.mark.parametrize("rules", [RECONCILER_RULES, DEPLOYER_RULES, ACCOUNT_RULES, PIPELINE_RULES])
def test_no_rule_has_a_wildcard_or_a_way_around(rules):
    rights = granted(rules)
    assert not [right for right in rights if "*" in right]
    assert not [right for right in rights if right[2] in {"escalate", "bind"}]


def test_the_deployer_has_no_hold_on_rights_or_the_cluster():
    assert not [right for right in granted(DEPLOYER_RULES) if right[0] == "rbac.authorization.k8s.io"]
    assert ("", "namespaces", "create") not in granted(DEPLOYER_RULES)


def test_bootstrap_makes_three_accounts_and_no_admin():
    state = bootstrap_state("build-east", "cluster_build-east")
    assert {ref.kind for ref in state} == set(BOOTSTRAP_KINDS)
    assert all(owner(wanted.spec) == "cluster_build-east" for wanted in state.values())
    accounts = {ref.name for ref in of_kind(state, "ServiceAccount")}
    assert accounts == {"nautes-reconciler", "nautes-deployer", "nautes-token-reviewer"}
    roles = {ref.name: spec["roleRef"]["name"] for ref, spec in of_kind(state, "ClusterRoleBinding").items()}
    assert roles == {
        "nautes-reconciler": "nautes-reconciler",
        "nautes-deployer": "nautes-deployer",
        "nautes-token-reviewer": "system:auth-delegator",
    }
    assert plan(state, {}, order=BOOTSTRAP_KINDS).actions[0].ref.kind == "Namespace"


def test_a_field_that_is_no_longer_declared_is_seen():
    before = owned({"metadata": {"labels": {"a": "1", "b": "2"}}}, SCOPE)
    after = owned({"metadata": {"labels": {"a": "1"}}}, SCOPE)
    assert covers(before, before)
    assert not covers(before, after)
    ref = Ref("kubernetes/x", "Namespace", "n")
    state = {ref: spaces(CI)[Ref("kubernetes/build-east", "Namespace", "apple-ci")]}
    assert [action.verb for action in plan(state, {ref: after}, order=SPACE_KINDS)] == [Verb.UPDATE]


def test_owned_leaves_its_argument_alone():
    spec = {"metadata": {"labels": {"a": "1"}}}
    owned(spec, SCOPE)
    assert spec == {"metadata": {"labels": {"a": "1"}}}


def test_a_label_alone_does_not_make_an_object_ours():
    assert owner({"metadata": {"labels": {"nautes.io/scope": SCOPE}}}) == ""
    assert owner({"metadata": {"labels": {"app.kubernetes.io/managed-by": "nautes"}}}) == ""
    assert owner({"metadata": {}}) == ""


def test_a_long_scope_still_fits_a_label_and_stays_apart():
    long = [names.scope("product", "a" * 62 + end) for end in "bc"]
    values = [scope_value(scope) for scope in long]
    assert all(len(value) <= 63 for value in values)
    assert values[0] != values[1]
    assert selector("tenant") == "app.kubernetes.io/managed-by=nautes,nautes.io/scope=tenant"
    assert owner(owned({}, long[0])) == values[0]


def test_an_object_without_mark_is_never_written():
    with pytest.raises(Rejected) as raised:
        object_of(Ref("kubernetes/x", "Namespace", "n"), {"metadata": {"labels": {"a": "b"}}})
    assert raised.value.code == "kubernetes-unmarked"
