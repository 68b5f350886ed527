"""The original's command line can be pointed at us: it sends its whole spec, with what the path says and with zero values."""

import pytest

from nautes_api_server.kinds import KINDS, refusals
from nautes_domain import manifests
from nautes_domain.schema import API_VERSION

GITLAB = {"name": "x", "path": "x", "visibility": "private", "description": ""}
PROTOCOL = {
    "Cluster": {
        "name": "x", "api_server": "https://10.8.0.21:31501", "cluster_kind": "kubernetes", "usage": "worker",
        "cluster_type": "virtual", "worker_type": "pipeline", "host_cluster": "metal-a", "primary_domain": "",
        "kubeconfig": "", "vcluster": {"https_node_port": ""}, "reserved_namespaces_allowed_products": None,
        "product_allowed_cluster_resources": None,
        "components_list": {
            "deployment": None, "event_listener": None, "gateway": {"name": "traefik", "namespace": "traefik", "additions": None},
            "multi_tenant": None, "pipeline": None, "progressive_delivery": None, "secret_sync": None,
        },
    },
    "Product": {"name": "x", "git": {"gitlab": {**GITLAB, "parent_id": 0}}},
    "Environment": {"name": "x", "product": "orchard", "cluster": "run-east", "env_type": "test"},
    "Project": {"name": "x", "product": "orchard", "language": ""},
    "CodeRepo": {
        "name": "x", "product": "orchard", "project": "", "webhook": None, "deployment_runtime": False, "pipeline_runtime": True,
        "git": {"gitlab": {**GITLAB, "ssh_url_to_repo": "", "http_url_to_repo": ""}},
    },
    "CodeRepoBinding": {
        "name": "x", "product_name": "orchard", "product": "orchard", "coderepo": "r", "permissions": "readonly", "projects": None,
    },
    "DeploymentRuntime": {
        "name": "x", "account": "", "product": "orchard", "projects_ref": None,
        "manifest_source": {"code_repo": "r", "target_revision": "main", "path": "deploy"},
        "destination": {"environment": "test", "namespaces": None},
    },
    "ProjectPipelineRuntime": {
        "name": "x", "account": "", "project": "p", "product": "orchard", "isolation": "shared", "pipeline_source": "r",
        "destination": {"environment": "build", "namespace": ""}, "hooks": None, "additional_resources": None,
        "pipelines": [{"name": "b", "label": "", "path": "ci/b.yaml"}],
        "event_sources": [
            {"name": "s", "gitlab": {"repo_name": "r", "revision": "", "events": ["push_events"]}, "calendar": None},
        ],
        "pipeline_triggers": [{"event_source": "s", "pipeline": "b", "revision": ""}],
    },
}  # fmt: skip
"""What Go makes of `cmd/types/types.go` v0.4.2: no field is left out, pointers and lists without a value are null."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_it_sends_is_taken(kind):
    body = kind.body.model_validate(PROTOCOL[kind.kind])
    assert list(refusals(kind, "orchard", "x", body)) == []
    spec = kind.spec("orchard", "x", body, {})
    assert spec.get("product", "orchard") == "orchard"
    assert "sshUrlToRepo" not in str(spec)
    declared = {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": {"name": "x"}, "spec": spec}
    assert manifests.KINDS[kind.kind].model_validate(declared).name == "x"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_it_repeats_may_not_contradict_the_path(kind):
    """The original took what the body said of the name, and the path's word for the product."""
    body = kind.body.model_validate(PROTOCOL[kind.kind])
    found = {(one.rule, one.field) for one in refusals(kind, "vineyard", "y", body)}
    name = ("P1" if kind.kind == "Product" else "T2", "spec.name")
    owner = {
        "Cluster": set(), "Product": set(), "Project": {("J1", "spec.product")},
        "CodeRepoBinding": {("T4", "spec.productName")},
    }  # fmt: skip
    assert found == {name} | owner.get(kind.kind, {("T4", "spec.product")})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_nobody_sends_is_refused_still(kind):
    with pytest.raises(ValueError, match="colour"):
        kind.body.model_validate({**PROTOCOL[kind.kind], "colour": "red"})
