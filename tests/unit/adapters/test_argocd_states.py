import base64
import json
from dataclasses import replace

import pytest

from nautes_adapters.argocd import ClusterAccess, cluster_secret_state
from nautes_adapters.argocd.clusters import secret_object, seen
from nautes_adapters.argocd.state import product_state
from nautes_domain.capabilities import Deployment
from nautes_domain.failures import Rejected
from nautes_domain.plan import Ref

URL = "https://git.example/orchard/apple-deploy.git"
STAGE = Deployment(
    "orchard", "apple-stage", URL, "main", "overlays/stage", "run-east", ("apple-stage", "apple-jobs"),
    "DeploymentRuntime/apple-stage",
)  # fmt: skip
PROD = replace(STAGE, name="apple-prod", path="overlays/prod", namespaces=("apple-prod", "apple-jobs"))
ACCESS = ClusterAccess("https://run-east.example:6443", "CA PEM", "canary-token")


def project_of(*deployments):
    return product_state("orchard", deployments)[Ref("argocd", "AppProject", "orchard", "argocd")].spec[
        "spec"
    ]


def test_the_project_permits_exactly_what_is_declared_once_each():
    spec = project_of(STAGE, PROD)
    assert spec["sourceRepos"] == [URL]
    assert spec["destinations"] == [
        {"name": "run-east", "namespace": "apple-jobs"},
        {"name": "run-east", "namespace": "apple-prod"},
        {"name": "run-east", "namespace": "apple-stage"},
    ]
    assert "clusterResourceWhitelist" not in spec


def test_each_deployment_is_one_application_named_after_product_and_runtime():
    state = product_state("orchard", (STAGE, PROD))
    assert {ref.name for ref in state if ref.kind == "Application"} == {
        "orchard.apple-stage",
        "orchard.apple-prod",
    }
    wanted = state[Ref("argocd", "Application", "orchard.apple-stage", "argocd")]
    assert wanted.entity == "DeploymentRuntime/apple-stage"
    spec = wanted.spec["spec"]
    assert spec["project"] == "orchard"
    assert spec["source"] == {"repoURL": URL, "targetRevision": "main", "path": "overlays/stage"}
    assert spec["destination"] == {"name": "run-east", "namespace": "apple-stage"}
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert wanted.spec["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]


def test_the_order_of_declarations_changes_nothing():
    assert product_state("orchard", (STAGE, PROD)) == product_state("orchard", (PROD, STAGE))


def test_a_product_without_deployments_has_nothing_there():
    assert product_state("orchard", ()) == {}


@pytest.mark.parametrize(
    "url", ["", "*", "https://git.example/*", "!https://git.example/x", "https://g/{a,b}", "a b"]
)
def test_a_repository_that_would_be_a_pattern_is_refused(url):
    with pytest.raises(Rejected) as raised:
        product_state("orchard", (replace(STAGE, repository_url=url),))
    assert raised.value.code == "repository-pattern"


@pytest.mark.parametrize("spoiled", [{"cluster": "*"}, {"namespaces": ("*",)}, {"namespaces": ("kube-*",)}])
def test_a_destination_is_never_a_pattern(spoiled):
    with pytest.raises(ValueError, match="is not a name"):
        product_state("orchard", (replace(STAGE, **spoiled),))


def test_a_deployment_without_namespace_is_refused():
    with pytest.raises(Rejected):
        product_state("orchard", (replace(STAGE, namespaces=()),))


def spec_of(version=3):
    (wanted,) = cluster_secret_state("run-east", ACCESS.server, "abc", version).values()
    return wanted.spec


def test_a_cluster_secret_is_what_argo_cd_reads():
    secret = secret_object("run-east", spec_of(), ACCESS)
    assert secret["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == "cluster"
    assert secret["metadata"]["namespace"] == "argocd"
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert (data["name"], data["server"]) == ("run-east", ACCESS.server)
    config = json.loads(data["config"])
    assert config["bearerToken"] == "canary-token"
    assert config["tlsClientConfig"]["insecure"] is False
    assert base64.b64decode(config["tlsClientConfig"]["caData"]).decode() == "CA PEM"


def test_no_value_is_in_plan_metadata_or_repr():
    secret = secret_object("run-east", spec_of(), ACCESS)
    assert "canary" not in f"{ACCESS!r} {secret['metadata']} {seen(secret)} {spec_of()}"


def test_what_was_written_reads_as_declared():
    assert seen(secret_object("run-east", spec_of(), ACCESS)) == spec_of()


@pytest.mark.parametrize("key", ["config", "name", "server"])
def test_a_value_that_somebody_changed_reads_as_outdated(key):
    secret = secret_object("run-east", spec_of(), ACCESS)
    secret["data"][key] = base64.b64encode(b"changed").decode()
    assert seen(secret)["token_version"] == 0
    assert seen(secret) != spec_of()


def test_a_newer_token_differs_from_what_is_there():
    assert seen(secret_object("run-east", spec_of(3), ACCESS)) != spec_of(4)
