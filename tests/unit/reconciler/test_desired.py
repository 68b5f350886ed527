import pytest

from nautes_adapters.argocd import ArgoDeployer
from nautes_adapters.kubernetes import ProductSpaces
from nautes_domain.capabilities import ReadKey
from nautes_domain.catalog import read_tenant
from nautes_domain.plan import Ref
from nautes_reconciler import desired
from nautes_reconciler.desired import Addresses
from support.examples import EXAMPLES, changed, orchard, tenant, tree

ADDRESSES = Addresses("https://hooks.example", "https://git.example")


DEPLOYER = ArgoDeployer(None, "acme")


def of_orchard(changes=None, versions=None, **more):
    given = {"spaces": ProductSpaces(), "deployer": DEPLOYER, "addresses": ADDRESSES, **more}
    return desired.product_state(orchard(changes), versions=versions or {}, **given)


def test_tenant_and_products_get_a_group_with_a_project_for_declarations_and_a_hook():
    state = desired.tenant_state("acme", tenant(), ADDRESSES, {"acme.management": 2})
    assert {str(ref) for ref in state} == {
        "gitlab Group acme",
        "gitlab Group orchard",
        "gitlab Project acme/management",
        "gitlab Project orchard/default.project",
        "gitlab Hook acme/management/acme.management",
        "gitlab Hook orchard/default.project/orchard.default.project",
    }
    hook = state[Ref("gitlab", "Hook", "acme.management", "acme/management")]
    assert hook.spec["url"] == "https://hooks.example/hooks/gitlab/acme.management"
    assert hook.spec["secret_version"] == 2
    assert state[Ref("gitlab", "Group", "orchard")].entity == "Product/orchard"


@pytest.mark.parametrize(
    ("creator", "owned"),
    [("alice", {"creator": "alice"}), ("", {}), ("group_7_bot_3f", {}), ("a/../b", {}), ("-x", {})],
)
def test_who_asked_for_a_product_is_wanted_as_owner_of_its_group(creator, owned):
    files = tree("management")
    path = "nautes/overlays/production/products/orchard.yaml"
    note = f"metadata:\n  annotations: {{nautes.io/creator: '{creator}'}}\n".encode()
    catalog, broken = read_tenant({**files, path: files[path].replace(b"metadata:\n", note)})
    assert not broken
    state = desired.tenant_state("acme", catalog, ADDRESSES, {})
    assert state[Ref("gitlab", "Group", "orchard")].spec == {"visibility": "private", **owned}


def test_a_product_gets_exactly_what_its_declarations_need():
    state = of_orchard()
    assert {(ref.system, ref.kind, ref.name) for ref in state} == {
        *(("gitlab", "Project", name) for name in ("apple-api-src", "apple-web-src", "apple-deploy")),
        *(("gitlab", "Hook", f"orchard.{name}") for name in ("apple-api-src", "apple-web-src", "apple-deploy")),
        *(("kubernetes/build-east", kind, name) for kind, name in (
            ("Namespace", "apple-ci"), ("ServiceAccount", "apple-builder"),
            ("Role", "nautes.apple-builder"), ("RoleBinding", "nautes.apple-builder"))),
        *(("kubernetes/run-east", kind, name) for kind, name in (
            ("Namespace", "apple-test"), ("ServiceAccount", "apple-deployer"),
            ("Role", "nautes.apple-deployer"), ("RoleBinding", "nautes.apple-deployer"))),
        ("argocd", "AppProject", "orchard"),
        ("argocd", "Application", "orchard.apple-test"),
    }  # fmt: skip
    assert all(wanted.because and wanted.entity for wanted in state.values())


def test_removing_the_pipeline_runtime_removes_what_it_needed_and_nothing_else():
    before, after = of_orchard(), of_orchard({"projects/apple-api/apple-ci.yaml": None})
    assert {ref.system for ref in before.keys() - after.keys()} == {"kubernetes/build-east"}
    assert {ref: wanted.spec for ref, wanted in before.items() if ref in after} == {
        ref: wanted.spec for ref, wanted in after.items()
    }


def test_runtimes_with_one_account_have_it_in_each_of_their_namespaces_and_keep_it_when_the_other_goes():
    first = "projects/apple-api/apple-ci.yaml"
    text = changed()[first].decode()
    second = text.replace("name: apple-ci", "name: again").replace("namespace: apple-ci", "namespace: again")
    both = of_orchard({"projects/apple-api/again.yaml": second})
    accounts = {ref.scope for ref in both if (ref.kind, ref.name) == ("ServiceAccount", "apple-builder")}
    assert accounts == {"apple-ci", "again"}
    left = of_orchard({"projects/apple-api/again.yaml": second, first: None})
    assert {ref.scope for ref in left if ref.kind == "ServiceAccount"} == {"again", "apple-test"}
    assert {(ref.scope or ref.name) for ref in both.keys() - left.keys()} == {"apple-ci"}


def test_without_deployments_nothing_is_left_in_argo_cd():
    assert not [ref for ref in of_orchard({"runtimes/apple-test.yaml": None}) if ref.system == "argocd"]


def test_over_ssh_what_is_deployed_is_read_with_the_repositorys_own_key():
    key = ReadKey("apple-deploy", "gitlab/repo-9/default/readonly", 3, "SHA256:f")
    ssh = Addresses("https://hooks.example", "https://git.example", "ssh://git@git.example:2222")
    assert list(desired.sources(orchard())) == ["apple-deploy"]
    state = of_orchard(addresses=ssh, keys={"apple-deploy": key})
    url = "ssh://git@git.example:2222/orchard/apple-deploy.git"
    secret = state[Ref("argocd-repositories", "RepositorySecret", "apple-deploy", "orchard")]
    assert secret.spec == {
        "url": url,
        "project": "orchard",
        "key": key.path,
        "key_version": 3,
        "fingerprint": "SHA256:f",
    }
    assert secret.entity == "DeploymentRuntime/apple-test"
    application = state[Ref("argocd", "Application", "orchard.apple-test", "argocd")]
    assert application.spec["spec"]["source"]["repoURL"] == url
    project = state[Ref("argocd", "AppProject", "orchard", "argocd")]
    assert project.spec["spec"]["sourceRepos"] == [url]


def test_without_ssh_there_is_no_key_and_the_address_is_https():
    state = of_orchard()
    assert not [ref for ref in state if ref.system == "argocd-repositories"]
    application = state[Ref("argocd", "Application", "orchard.apple-test", "argocd")]
    assert application.spec["spec"]["source"]["repoURL"] == "https://git.example/orchard/apple-deploy.git"


def test_a_hook_hears_what_any_runtime_listens_to():
    file = "projects/apple-api/apple-ci.yaml"
    text = changed()[file].decode().replace("[push_events]", "[merge_requests_events, note_events]")
    state = of_orchard({file: text})
    hooks = {ref.name: wanted.spec["events"] for ref, wanted in state.items() if ref.kind == "Hook"}
    assert hooks["orchard.apple-api-src"] == [
        "merge_requests_events", "note_events", "push_events", "tag_push_events"
    ]  # fmt: skip
    assert hooks["orchard.apple-deploy"] == ["push_events", "tag_push_events"]


def additional(git):
    file = "projects/apple-api/apple-ci.yaml"
    text = (EXAMPLES / "orchard/default.project" / file).read_text()
    return {file: f"{text}  additionalResources: {{git: {git}}}\n"}


def test_additional_resources_are_an_application_of_their_own_in_the_namespace_of_the_runs():
    changes = additional("{codeRepo: apple-deploy, revision: main, path: ci/support}")
    state = of_orchard(changes)
    ref = Ref("argocd", "Application", "orchard.apple-ci.additional", "argocd")
    assert state[ref].entity == "ProjectPipelineRuntime/apple-ci"
    spec = state[ref].spec["spec"]
    assert spec["source"] == {
        "repoURL": "https://git.example/orchard/apple-deploy.git", "targetRevision": "main", "path": "ci/support",
    }  # fmt: skip
    assert spec["destination"] == {"name": "build-east", "namespace": "apple-ci"}
    places = state[Ref("argocd", "AppProject", "orchard", "argocd")].spec["spec"]["destinations"]
    assert {"name": "build-east", "namespace": "apple-ci"} in places
    assert of_orchard().keys() == state.keys() - {ref}
    assert list(desired.sources(orchard(changes))) == ["apple-deploy"]


def test_additional_resources_from_elsewhere_are_read_without_a_key_even_if_a_repository_is_named():
    changes = additional(
        "{codeRepo: apple-api-src, url: 'https://git.other.example/a/b.git', revision: v1, path: x}"
    )
    state = of_orchard(changes, keys={"apple-api-src": ReadKey("apple-api-src", "p", 1, "f")})
    application = state[Ref("argocd", "Application", "orchard.apple-ci.additional", "argocd")]
    assert application.spec["spec"]["source"]["repoURL"] == "https://git.other.example/a/b.git"
    assert not [ref for ref in state if ref.system == "argocd-repositories"]
    assert list(desired.sources(orchard(changes))) == ["apple-deploy"]
