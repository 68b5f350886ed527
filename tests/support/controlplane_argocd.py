"""Argo CD on a real cluster: its custom resources, and its servers out of one program."""

from pathlib import Path
from typing import Final

from support.controlplane import Cluster
from support.controlplane_install import apply, objects
from support.controlplane_programs import MANIFESTS
from support.shared import shared_data

NAMESPACE: Final = "argocd"


def definitions() -> Path:
    """Return the folder of the custom resources: of the version that is built, else of the recordings."""
    built = MANIFESTS / "argocd" / "crds"
    data = shared_data()
    return built if built.is_dir() or data is None else data / "crds" / "argocd"


def install_definitions(cluster: Cluster) -> None:
    """Install the custom resources alone."""
    with cluster.http() as http:
        apply(http, (one for one in objects(definitions()) if one["kind"] == "CustomResourceDefinition"))
