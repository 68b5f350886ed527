"""A real control plane for these tests. They run only when they are asked for: `make test-controlplane`."""

from pathlib import Path

import pytest

from support import controlplane, controlplane_argocd, controlplane_node, controlplane_tekton

HERE = Path(__file__).parent
PROGRAMS = ("tekton-webhook", "tekton-controller", "kube-scheduler")


def pytest_ignore_collect(collection_path, config):
    """Leave a run over the whole tree alone: it takes no minute to start anything here, but it takes memory."""
    named = [Path(config.invocation_params.dir, str(one).partition("::")[0]).resolve() for one in config.args]
    asked = any(place == HERE or HERE in place.parents for place in named)
    return None if asked or HERE not in (collection_path, *collection_path.parents) else True


@pytest.fixture(scope="session")
def real_clusters(tmp_path_factory):
    """The management cluster, and a worker with all of Tekton, a scheduler and a node."""
    if reason := controlplane.absent(*PROGRAMS):
        pytest.skip(reason)
    with controlplane.control_plane(tmp_path_factory.mktemp("cp"), ["management", "worker"]) as clusters:
        controlplane_tekton.install(clusters["worker"])
        controlplane_tekton.start_controller(clusters["worker"])
        with controlplane_node.node(clusters["worker"]):
            yield clusters


@pytest.fixture(scope="session")
def worker(real_clusters):
    """The cluster that runs pipelines."""
    return real_clusters["worker"]


@pytest.fixture(scope="session")
def deploying(real_clusters):
    """The management cluster, with Argo CD at work."""
    if reason := controlplane.absent(*controlplane_argocd.PROGRAMS):
        pytest.skip(reason)
    controlplane_argocd.install(real_clusters["management"])
    return real_clusters["management"]
