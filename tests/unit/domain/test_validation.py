import pytest
import yaml

from nautes_domain.catalog import read_product, read_tenant
from nautes_domain.validation import Setting, claims_of, may_use, product_violations, tenant_violations
from support.examples import changed, orchard, tenant, tree

PPR = "projects/apple-api/apple-ci.yaml"
DR = "runtimes/apple-test.yaml"
BINDING = "code-repos/apple-deploy/lend-to-web.yaml"
BUILD = "envs/build.yaml"
FILES = {path: text.decode() for path, text in tree("orchard/default.project").items()}


def edited(path, *pairs):
    text = FILES[path]
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return {path: text}


def judge(changes, *, claims=None, tenant_catalog=None):
    catalog, problems = read_product("orchard", changed(changes))
    assert not problems, problems
    return product_violations(Setting(catalog, tenant_catalog or tenant(), claims or {}))


def test_the_examples_are_valid():
    assert judge({}) == ()
    assert tenant_violations(tenant(), "acme") == ()


CASES = {
    "a project in the wrong folder": ("T2", "metadata.name", {"projects/apple-api/apple-api.yaml": None, "projects/other/apple-api.yaml": FILES["projects/apple-api/apple-api.yaml"]}),
    "a runtime of another project's folder": ("T2", "spec.project", {PPR: None, "projects/apple-web/apple-ci.yaml": FILES[PPR]}),
    "a file of another product": ("T4", "spec.product", edited(BUILD, ("product: orchard", "product: vineyard"))),
    "a binding for another product": ("B4", "spec.product", edited(BINDING, ("product: orchard", "product: vineyard") )),
    "a repository of no project": ("R4", "spec.project", edited("code-repos/apple-web-src/apple-web-src.yaml", ("project: apple-web", "project: pear"))),
    "a repository with two names": ("R1", "spec.repoName", edited("code-repos/apple-web-src/apple-web-src.yaml", ("repoName: apple-web-src", "repoName: web"))),
    "lending what is not there": ("B2", "spec.codeRepo", edited(BINDING, ("codeRepo: apple-deploy", "codeRepo: apple-gone"))),
    "lending to nobody we know": ("B5", "spec.projects.0", edited(BINDING, ("[apple-web]", "[pear, apple-web]"))),
    "an unknown cluster": ("E2", "spec.cluster", edited(BUILD, ("build-east", "build-west"))),
    "two environments on one cluster": ("E3", "spec.cluster", {"envs/more.yaml": FILES[BUILD].replace("name: build", "name: more")}),
    "an unknown environment": ("D2", "spec.destination.environment", edited(DR, ("environment: test", "environment: stage"))),
    "an unknown manifest repository": ("D2", "spec.manifestSource.codeRepo", edited(DR, ("codeRepo: apple-deploy", "codeRepo: none"))),
    "a project without a grant": ("D7", "spec.projectsRef.1", {BINDING: None}),
    "nobody answers for the repository": ("D7", "spec.projectsRef", edited(DR, ("[apple-api, apple-web]", "[]"))),
    "the same deployment twice": ("D3", "spec.manifestSource", {"runtimes/again.yaml": FILES[DR].replace("name: apple-test", "name: again").replace("apple-deployer", "other")}),
    "a deployment on a pipeline worker": ("D4", "spec.destination.environment", edited(DR, ("environment: test", "environment: build"))),
    "a pipeline on a deployment worker": ("L10", "spec.destination.environment", edited(PPR, ("environment: build", "environment: test"))),
    "a component's namespace": ("D5", "spec.destination.namespaces", edited(DR, ("[apple-test]", "[traefik]"))),
    "a reserved namespace": ("L12", "spec.destination.namespace", edited(PPR, ("namespace: apple-ci", "namespace: kube-system"))),
    "one namespace for two pipelines": ("L12", "spec.destination.namespace", {"projects/apple-api/again.yaml": FILES[PPR].replace("name: apple-ci", "name: again").replace("account: apple-builder", "account: b")}),
    "one account for two projects": ("A4", "spec.account", {"projects/apple-web/again.yaml": FILES[PPR].replace("name: apple-ci", "name: again").replace("namespace: apple-ci", "namespace: again").replace("project: apple-api", "project: apple-web").replace("apple-api-src", "apple-web-src")}),
    "a pipeline source of a foreign project": ("L11", "spec.pipelineSource", edited(PPR, ("pipelineSource: apple-api-src", "pipelineSource: apple-web-src"))),
    "an event source of a foreign project": ("L11", "spec.eventSources.0.gitlab.repoName", edited(PPR, ("repoName: apple-api-src", "repoName: apple-web-src"))),
    "an unknown event repository": ("L4", "spec.eventSources.0.gitlab.repoName", edited(PPR, ("repoName: apple-api-src", "repoName: none"))),
    "a trigger without its pipeline": ("L7", "spec.pipelineTriggers.0.pipeline", edited(PPR, ("pipeline: build}", "pipeline: none}"))),
    "a trigger without its source": ("L7", "spec.pipelineTriggers.0.eventSource", edited(PPR, ("eventSource: source", "eventSource: none"))),
    "a trigger twice": ("L7", "spec.pipelineTriggers.1", edited(PPR, ("    - {eventSource: source, pipeline: build}", "    - {eventSource: source, pipeline: build}\n    - {eventSource: source, pipeline: build}"))),
    "a pipeline path twice": ("L3", "spec.pipelines.1.path", edited(PPR, ("    - {name: build, label: main, path: ci/build.yaml}", "    - {name: build, path: ci/build.yaml}\n    - {name: more, path: ci/build.yaml}"))),
    "a pipeline name twice": ("L6", "spec.pipelines.1.name", edited(PPR, ("    - {name: build, label: main, path: ci/build.yaml}", "    - {name: build, path: ci/build.yaml}\n    - {name: build, path: ci/b.yaml}"))),
    "a source of no kind": ("A2", "spec.eventSources.1", edited(PPR, ("  pipelineTriggers:", "    - {name: empty}\n  pipelineTriggers:"))),
    "an input of no source": ("L8", "spec.pipelineTriggers.0.inputs.0.source", edited(PPR, ("pipeline: build}", "pipeline: build, inputs: [{source: {}, transmissionMethod: {kustomization: {path: /spec}}}]}"))),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "field", "changes"), CASES.values(), ids=CASES)
def test_each_rule_refuses_with_the_field_and_its_line(rule, field, changes):
    found = [one for one in judge(changes) if one.rule == rule and one.field == field]
    assert found
    for violation in found:
        assert violation.line > 1 or violation.field == "metadata.name"
        assert violation.message


def test_a_product_uses_only_clusters_that_are_assigned_and_learns_of_no_others():
    foreign = {**tree("management")}
    path = "nautes/overlays/production/clusters/build-east.yaml"
    foreign[path] = foreign[path].replace(b"[orchard]", b"[vineyard]")
    assigned_to_others, _ = read_tenant(foreign)
    del foreign[path]
    unknown, _ = read_tenant(foreign)
    refused = [one for one in judge({}, tenant_catalog=assigned_to_others) if one.field == "spec.cluster"]
    absent = [one for one in judge({}, tenant_catalog=unknown) if one.field == "spec.cluster"]
    assert refused
    assert refused == absent


def test_a_namespace_belongs_to_who_came_first():
    claims = claims_of(orchard())
    assert claims == {("build-east", "apple-ci"): "orchard", ("run-east", "apple-test"): "orchard"}
    taken = {("run-east", "apple-test"): "vineyard", ("build-east", "apple-ci"): "vineyard"}
    assert {one.rule for one in judge({}, claims=taken)} == {"D6", "L12"}
    assert judge({}, claims={("run-east", "apple-ci"): "vineyard"}) == ()


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({BINDING: None}, False),
        (edited(BINDING, ("projects: [apple-web]", "projects: []")), False),
        (edited(BINDING, ("product: orchard", "product: vineyard")), False),
    ],
)
def test_only_the_owner_lends_and_an_empty_list_lends_to_nobody(changes, allowed):
    catalog, _ = read_product("orchard", changed(changes))
    assert may_use(catalog, "apple-web", "apple-deploy") is allowed
    assert may_use(catalog, "apple-api", "apple-deploy")
    assert not may_use(catalog, "apple-web", "apple-api-src")


CLUSTER = tree("management")["nautes/overlays/production/clusters/build-east.yaml"].decode()


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("C15", "name: build-east", "name: acme"),
        ("C3", "usage: worker", "usage: host"),
        ("C4", "usage: worker", "usage: worker\n  hostCluster: run-east"),
        ("C5", "clusterType: physical", "clusterType: virtual"),
        ("C6", "workerType: pipeline", "workerType: ''"),
        (
            "C8",
            "allowedProducts",
            "reservedNamespacesAllowedProducts: {nowhere: [orchard]}\n  allowedProducts",
        ),
    ],
)
def test_cluster_rules(rule, old, new):
    path = "nautes/overlays/production/clusters/build-east.yaml"
    assert old in CLUSTER
    catalog, problems = read_tenant({**tree("management"), path: CLUSTER.replace(old, new).encode()})
    assert not problems
    assert rule in {one.rule for one in tenant_violations(catalog, "acme")}


def test_a_product_is_named_once_and_never_as_the_tenant():
    path = "nautes/overlays/production/products/orchard.yaml"
    text = tree("management")[path].replace(b"  name: orchard\nspec", b"  name: acme\nspec")
    catalog, _ = read_tenant({**tree("management"), path: text})
    assert [one.rule for one in tenant_violations(catalog, "acme")] == ["P1", "P1"]


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB+g==\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("field", "value", "good"),
    [
        ("certificateAuthorities", CERTIFICATE * 2, True),
        ("certificateAuthorities", CERTIFICATE.rstrip(), True),
        ("certificateAuthorities", CERTIFICATE + CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY"), False),
        ("certificateAuthorities", "https://ca.acme.example", False),
        ("sshKnownHosts", "[git.acme.example]:2222 ssh-ed25519 AAAAC3==\ngit ssh-rsa AAAA a comment\n", True),
        ("sshKnownHosts", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", False),
    ],
)
def test_what_hooks_trust_is_public_and_of_one_form(field, value, good):
    path = "nautes/overlays/production/tenant/acme.yaml"
    head = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Tenant\nmetadata: {name: acme}\n"
    text = yaml.safe_dump({"spec": {field: value}})
    catalog, problems = read_tenant({path: (head + text).encode()})
    assert bool(catalog.tenants) is good
    assert [one.field for one in problems] == ([] if good else [f"spec.{field}"])
