"""Argo CD: what a product's deployments are there, the refresh that a push asks for, registered clusters and repositories."""

from nautes_adapters.argocd.clusters import ClusterAccess, ClusterSecrets, cluster_secret_state
from nautes_adapters.argocd.deployer import ArgoDeployer, ArgoTarget
from nautes_adapters.argocd.repositories import RepositorySecrets

__all__ = [
    "ArgoDeployer",
    "ArgoTarget",
    "ClusterAccess",
    "ClusterSecrets",
    "RepositorySecrets",
    "cluster_secret_state",
]
