"""Manifests of the original's command line apply unchanged: paths and bodies are those of sections 2.3 and 2.4."""

import pytest
import yaml

from support.kubeconfigs import CANARY, CONFIG
from support.manifests import ORIGINAL, bodies, original, read_text

DEPLOY = {
    "project": "press",
    "deployment_runtime": True,
    "pipeline_runtime": False,
    "webhook": {"events": ["push_events"]},
    "git": {"gitlab": {"name": "press-deploy", "path": "press-deploy", "visibility": "private", "description": "press-deploy"}},
}  # fmt: skip


def test_a_product_with_its_projects_and_repositories():
    found = bodies(original("product"))
    assert list(found) == ["Product/vineyard", "Project/press", "CodeRepo/press-deploy", "CodeRepo/press-src"]
    place = {"name": "vineyard", "path": "vineyard", "visibility": "private"}
    description = "grapes --- and what is made of them"
    assert found["Product/vineyard"] == (
        "/products/vineyard", {"git": {"gitlab": {**place, "description": description}}}
    )  # fmt: skip
    assert found["Project/press"] == ("/products/vineyard/projects/press", {"language": "golang"})
    assert found["CodeRepo/press-deploy"] == ("/products/vineyard/coderepos/press-deploy", DEPLOY)


@pytest.mark.parametrize("key", ["pipelineRuntime", "projectPipelineRuntime"])
def test_the_pipeline_flag_counts_under_both_of_its_names(key):
    text = original("product").replace("projectPipelineRuntime", key)
    assert bodies(text)["CodeRepo/press-src"][1]["pipeline_runtime"] is True


def test_a_deployment_runtime():
    found = bodies(original("deployment"))
    assert list(found) == ["Environment/test", "DeploymentRuntime/press-test"]
    assert found["Environment/test"] == (
        "/products/vineyard/environments/test", {"cluster": "run-east", "env_type": "test"}
    )  # fmt: skip
    assert found["DeploymentRuntime/press-test"] == (
        "/products/vineyard/deploymentruntimes/press-test",
        {
            "projects_ref": ["press"],
            "manifest_source": {"code_repo": "press-deploy", "target_revision": "main", "path": "deployments/test"},
            "destination": {"environment": "test", "namespaces": ["press-test"]},
            "account": "press-deployer",
        },
    )  # fmt: skip


def test_the_manifest_source_counts_in_any_case_and_a_destination_may_be_a_name():
    text = original("deployment").replace("manifestsource", "manifestSource")
    assert bodies(text) == bodies(original("deployment"))
    start, end = text.index("  destination:"), text.index("  manifestSource:")
    short = f"{text[:start]}  destination: test\n{text[end:]}"
    destination = bodies(short)["DeploymentRuntime/press-test"][1]["destination"]
    assert destination == {"environment": "test"}


def test_a_pipeline_runtime_and_a_binding_with_owner_and_receiver():
    found = bodies(original("pipeline"))
    assert list(found) == [
        "Environment/build",
        "CodeRepoBinding/lend-deploy",
        "ProjectPipelineRuntime/press-ci",
    ]
    assert found["CodeRepoBinding/lend-deploy"] == (
        "/products/vineyard/coderepobindings/lend-deploy",
        {
            "product": "vineyard",
            "projects": ["press"],
            "permissions": "readwrite",
            "coderepo": "press-deploy",
        },
    )
    assert found["ProjectPipelineRuntime/press-ci"] == (
        "/products/vineyard/projectpipelineruntimes/press-ci",
        {
            "project": "press",
            "pipeline_source": "press-src",
            "pipelines": [{"name": "trunk", "label": "main", "path": "pipelines/main.yaml"}],
            "destination": {"environment": "build", "namespace": "press-ci"},
            "additional_resources": {"git": {"coderepo": "press-src", "revision": "main", "path": "test"}},
            "event_sources": [
                {"name": "webhook", "gitlab": {"repo_name": "press-src", "revision": "main", "events": ["push_events"]}}
            ],
            "isolation": "exclusive",
            "pipeline_triggers": [{"event_source": "webhook", "pipeline": "trunk"}],
            "account": "press-builder",
        },
    )  # fmt: skip


def test_a_binding_that_lends_to_another_product_stays_its_owners():
    text = original("pipeline").replace("  product: vineyard\n  projects:", "  product: orchard\n  projects:")
    path, body = bodies(text)["CodeRepoBinding/lend-deploy"]
    assert (path, body["product"]) == ("/products/vineyard/coderepobindings/lend-deploy", "orchard")


def test_a_virtual_cluster():
    path, body = bodies(original("cluster-virtual-worker-pipeline"))["Cluster/ci-east"]
    assert path == "/clusters/ci-east"
    assert body == {
        "api_server": "https://10.8.0.21:31501",
        "cluster_kind": "kubernetes",
        "cluster_type": "virtual",
        "usage": "worker",
        "worker_type": "pipeline",
        "host_cluster": "metal-a",
        "primary_domain": "10.8.0.21.nip.io",
        "components_list": {},
        "vcluster": {"https_node_port": "31501"},
    }


def test_a_physical_cluster_sends_its_kubeconfig_shows_it_to_nobody_and_sends_numbers_as_text():
    text = original("cluster-physical-worker-pipeline")
    _, body = bodies(text)["Cluster/build-west"]
    assert yaml.safe_load(body["kubeconfig"]) == CONFIG
    assert CANARY in body["kubeconfig"]
    assert read_text(text).notes == ()
    assert CANARY not in repr(read_text(text))
    assert body["components_list"]["gateway"]["additions"] == {
        "httpNodePort": "30080",
        "httpsNodePort": "30443",
    }
    assert body["reserved_namespaces_allowed_products"] == {"tekton-pipelines": ["vineyard"]}
    resources = [{"kind": "ClusterRole", "group": "rbac.authorization.k8s.io"}]
    assert body["product_allowed_cluster_resources"] == {"vineyard": resources}


def test_what_the_original_ignored_is_ignored_and_told_with_its_line():
    assert read_text(original("product")).notes == (
        "given.yaml:33 spec.webhook.isolation: ignored, since it has no meaning",
    )
    notes = read_text(original("cluster-virtual-worker-pipeline")).notes
    assert [note.split(":")[1] for note in notes] == ["12 spec.tektonHost", "13 spec.argocdHost"]
    assert read_text(original("pipeline")).notes == (
        "given.yaml:53 Orchestra: skipped, since there is no such kind",
    )


def test_what_is_wrong_is_told_with_the_line_of_the_original_field():
    text = original("deployment").replace("    codeRepo: press-deploy", "    codeRepo: Press Deploy")
    (one,) = read_text(text).problems
    assert (one.line, one.name, one.field) == (12, "press-test", "spec.manifestSource.codeRepo")
    (one,) = read_text(original("deployment").replace("name: press-test", "name: Press_Test")).problems
    assert (one.line, one.field) == (5, "metadata.name")


def test_a_manifest_without_a_name_is_refused_and_not_sent():
    batch = read_text(original("deployment").replace("  name: press-test\n", ""))
    assert [one.field for one in batch.problems] == ["metadata.name"]


def test_every_fixture_is_read_without_a_complaint():
    names = sorted(path.stem for path in ORIGINAL.glob("*.yaml"))
    assert len(names) == 6
    for name in names:
        assert bodies(original(name))
