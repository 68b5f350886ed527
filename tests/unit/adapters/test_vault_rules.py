"""Policies grant exactly what was asked for; failures say what to do."""

import json

import hvac
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from nautes_adapters.vault.errors import Refused, failure_of
from nautes_adapters.vault.rules import (
    CAPABILITIES,
    parsed,
    policy_spec,
    reading,
    rendered,
    role_body,
    role_spec,
)
from nautes_adapters.vault.secrets import data_path
from nautes_domain.failures import Rejected, Retry
from nautes_domain.plan import covers

SEGMENTS = st.sampled_from(["git", "data", "repo-7", "a", "a.b", "default.project", "0"])
PATHS = st.lists(SEGMENTS, min_size=2, max_size=4).map("/".join)
VERBS = st.lists(st.sampled_from(sorted(CAPABILITIES)), min_size=1)
RULES = st.dictionaries(PATHS, VERBS, max_size=3)
ROLE = {
    "account": "builder",
    "namespaces": ["apple", "pear"],
    "audience": "vault",
    "policies": ["nautes.o.b"],
    "ttl": 900,
}


def grants(document):
    """The set of (path, capability) that a policy means, read as Vault does."""
    paths = json.loads(document)["path"]
    return {(path, verb) for path, rule in paths.items() for verb in rule["capabilities"]}


@given(RULES)
def test_a_rendered_policy_grants_exactly_the_set_asked_for(rules):
    asked = {(path, verb) for path, verbs in rules.items() for verb in verbs}
    assert grants(rendered(policy_spec(rules))) == asked


@given(RULES, RULES)
def test_different_grants_are_different_policies(one, other):
    same = policy_spec(one) == policy_spec(other)
    assert (rendered(policy_spec(one)) == rendered(policy_spec(other))) is same


@given(RULES, RULES)
def test_a_plan_sees_each_grant_too_many_and_each_too_few(held, wanted):
    observed, desired = parsed(rendered(policy_spec(held))), policy_spec(wanted)
    assert covers(observed, desired) is (policy_spec(held) == desired)


@given(st.text(max_size=20))
def test_what_is_not_a_plain_path_never_gets_into_a_policy(text):
    try:
        policy = rendered(policy_spec({text: ["read"]}))
    except Rejected:
        return
    assert not set("*+{}\"'\\ \n").intersection(text)
    assert grants(policy) == {(text, "read")}


@pytest.mark.parametrize(
    "path",
    [
        "git/*",
        "git/+/x",
        "git/data/{{identity.entity.id}}",
        'a" { }',
        "../x",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "",
        "a\n",
    ],
)
def test_paths_that_widen_a_policy_are_refused(path):
    with pytest.raises(Rejected) as caught:
        policy_spec({path: ["read"]})
    assert caught.value.code == "bad-policy"


@pytest.mark.parametrize("verbs", [["sudo"], ["read", "sudo"], ["deny"], ["root"], []])
def test_capabilities_beyond_ours_are_refused(verbs):
    with pytest.raises(Rejected):
        policy_spec({"git/data/x": verbs})


def test_a_spec_from_which_grants_could_not_be_revoked_is_refused():
    spec = policy_spec({"git/data/x": ["read"]})
    for broken in ({"rules": spec["rules"]}, {**spec, "paths": ["git/data/x", "git/data/y"]}):
        with pytest.raises(Rejected) as caught:
            rendered(broken)
        assert caught.value.code == "bad-policy"


def test_reading_grants_reading_of_the_values_alone():
    spec = reading("git", ["gitlab/repo-7/default/readonly"])
    assert grants(rendered(spec)) == {("git/data/gitlab/repo-7/default/readonly", "read")}


@pytest.mark.parametrize(
    "policy",
    [
        'path "git/*" { capabilities = ["read"] }',
        "",
        "[]",
        '{"path": []}',
        '{"path": {"git/data/x": {"capabilities": ["read", "update"]}}}',
        '{"path": {"git/data/x": {"capabilities": ["read"], "allowed_parameters": {}}}}',
        '{"path": {"git/data/x": {}}}',
        '{"path": {"git/data/x": {"capabilities": ["read"]}, "git/data/y": {"capabilities": ["read"]}}}',
    ],
)
def test_a_policy_changed_by_hand_is_seen(policy):
    assert not covers(parsed(policy), policy_spec({"git/data/x": ["read"]}))


def test_a_role_reads_back_as_declared():
    assert role_spec(role_body(ROLE)) == ROLE


@pytest.mark.parametrize(
    "drift",
    [
        {"bound_service_account_names": ["builder", "other"]},
        {"bound_service_account_names": ["*"]},
        {"bound_service_account_namespaces": ["apple", "pear", "plum"]},
        {"bound_service_account_namespaces": ["apple"]},
        {"bound_service_account_namespaces": ["*"]},
        {"bound_service_account_namespace_selector": "{}"},
        {"audience": ""},
        {"token_policies": ["nautes.o.b", "admin"]},
        {"token_ttl": 86400},
        {"token_period": 900},
        {"token_max_ttl": 0},
        {"token_max_ttl": 86400},
    ],
)
def test_a_role_widened_by_hand_is_seen(drift):
    assert not covers(role_spec({**role_body(ROLE), **drift}), ROLE)


@pytest.mark.parametrize("path", ["", "/", "a/", "../x", "a/../b", "a/*", "A", "a b", "a/..b", "ä", "a\n"])
def test_only_plain_paths_reach_the_secret_store(path):
    with pytest.raises(Rejected) as caught:
        data_path("git", path)
    assert caught.value.code == "bad-secret-path"


@pytest.mark.parametrize(
    "error",
    [
        hvac.exceptions.VaultDown("sealed"),
        hvac.exceptions.InternalServerError(),
        hvac.exceptions.BadGateway(),
        hvac.exceptions.VaultNotInitialized(),
        hvac.exceptions.RateLimitExceeded(),
        requests.ConnectionError("http://token:canary@vault"),
        requests.ReadTimeout(),
    ],
)
def test_a_vault_that_is_away_is_retried(error):
    failure = failure_of(error, what="vault/x")
    assert isinstance(failure, Retry)
    assert failure.code == "vault-unavailable"
    assert "canary" not in str(failure)


def test_a_denial_is_for_the_platform_team():
    failure = failure_of(hvac.exceptions.Forbidden(errors=["permission denied"]), what="vault/x")
    assert isinstance(failure, Rejected)
    assert (failure.code, failure.who) == ("vault-denied", "platform team")


def test_an_answer_to_a_request_with_secrets_is_not_quoted():
    error = hvac.exceptions.InvalidRequest(errors=["cannot parse canary"])
    hidden = failure_of(error, what="vault/x", secret=True)
    assert isinstance(hidden, Refused)
    assert "canary" not in str(hidden)
    assert "canary" in str(failure_of(error, what="vault/x"))
