"""A runtime reads exactly the keys of the repositories which it uses and may use."""

from dataclasses import replace

import pytest

from nautes_domain.catalog import TenantCatalog
from nautes_domain.plan import Ref
from nautes_secret_broker.grants import clusters_of, grants
from support.examples import changed, orchard, tenant

IDS = {"apple-api-src": 10, "apple-web-src": 11, "apple-deploy": 12}
BINDING = "code-repos/apple-deploy/lend-to-web.yaml"
PIPELINE = "projects/apple-api/apple-ci.yaml"
DEPLOYMENT = "runtimes/apple-test.yaml"

CI_POLICY = Ref("vault", "Policy", "nautes.orchard.pipeline.apple-ci")
CI_ROLE = Ref("vault", "Role", "orchard.apple-builder", "build-east")
TEST_POLICY = Ref("vault", "Policy", "nautes.orchard.deployment.apple-test")
TEST_ROLE = Ref("vault", "Role", "orchard.apple-deployer", "run-east")


def policy(paths):
    return {"paths": list(paths)}


def granted(changes=None, *, of=None, ids=IDS):
    return grants(orchard(changes), of or tenant(), ids, policy)


def text(path, old, new):
    source = orchard_file(path)
    assert old in source
    return {path: source.replace(old, new)}


def orchard_file(path):
    return changed()[path].decode()


def test_the_example_gets_a_policy_and_a_role_per_runtime():
    found = granted()
    assert not found.denied
    assert not found.unknown
    assert {ref: wanted.spec for ref, wanted in found.state.items()} == {
        CI_POLICY: {"paths": ["gitlab/repo-10/default/readonly"]},
        CI_ROLE: {
            "account": "apple-builder",
            "namespaces": ["apple-ci"],
            "audience": "vault",
            "policies": ["nautes.orchard.pipeline.apple-ci"],
            "ttl": 900,
        },
        TEST_POLICY: {"paths": ["gitlab/repo-12/default/readonly"]},
        TEST_ROLE: {
            "account": "apple-deployer",
            "namespaces": ["apple-test"],
            "audience": "vault",
            "policies": ["nautes.orchard.deployment.apple-test"],
            "ttl": 900,
        },
    }


def test_an_account_with_more_namespaces_has_one_role_for_exactly_these():
    found = granted(text(DEPLOYMENT, "[apple-test]", "[apple-test-jobs, apple-test]"))
    role = found.state[TEST_ROLE].spec
    assert role["namespaces"] == ["apple-test", "apple-test-jobs"]
    assert role["policies"] == [TEST_POLICY.name]
    assert set(found.state) == {CI_POLICY, CI_ROLE, TEST_POLICY, TEST_ROLE}


def test_without_the_binding_the_deployment_gets_nothing_and_it_is_said_where():
    found = granted({BINDING: None})
    assert set(found.state) == {CI_POLICY, CI_ROLE}
    (violation,) = found.denied
    assert (violation.file, violation.rule, violation.name) == (DEPLOYMENT, "D7", "apple-test")


def test_an_event_source_that_may_not_be_used_is_left_out_of_the_policy():
    source = orchard_file(PIPELINE)
    start = source.index("  pipelineTriggers:")
    extra = "    - name: web\n      gitlab: {repoName: apple-web-src, events: [push_events]}\n"
    found = granted({PIPELINE: source[:start] + extra + source[start:]})
    assert found.state[CI_POLICY].spec == {"paths": ["gitlab/repo-10/default/readonly"]}
    assert [violation.rule for violation in found.denied] == ["L11"]


def test_an_event_source_that_was_lent_is_in_the_policy():
    source = orchard_file(PIPELINE)
    start = source.index("  pipelineTriggers:")
    extra = "    - name: deploy\n      gitlab: {repoName: apple-deploy, events: [push_events]}\n"
    found = granted({PIPELINE: source[:start] + extra + source[start:]})
    assert found.state[CI_POLICY].spec == {
        "paths": ["gitlab/repo-10/default/readonly", "gitlab/repo-12/default/readonly"]
    }


@pytest.mark.parametrize("clusters", [{}, None])
def test_a_cluster_that_is_gone_or_no_longer_assigned_gives_no_rights(clusters):
    if clusters is None:
        clusters = {}
        for name, declared in tenant().clusters.items():
            spec = declared.manifest.spec.model_copy(update={"allowed_products": ("other",)})
            manifest = declared.manifest.model_copy(update={"spec": spec})
            clusters[name] = replace(declared, manifest=manifest)
    found = granted(of=TenantCatalog(clusters=clusters, products=tenant().products))
    assert not found.state
    assert [violation.rule for violation in found.denied] == ["E2", "E2"]


def test_a_repository_without_an_id_is_named_and_the_others_are_granted():
    found = granted(ids={"apple-deploy": 12})
    assert found.unknown == ("apple-api-src",)
    assert set(found.state) == {TEST_POLICY, TEST_ROLE}


def test_clusters_of_a_product():
    assert clusters_of(orchard()) == {"build-east", "run-east"}
