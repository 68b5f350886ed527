"""Kubernetes: a thin client, our objects as a reconcile target, and what products and clusters get."""

from nautes_adapters.kubernetes.bootstrap import (
    BOOTSTRAP_KINDS,
    DEPLOYER,
    RECONCILER,
    SYSTEM_NAMESPACE,
    TOKEN_REVIEWER,
    bootstrap_state,
)
from nautes_adapters.kubernetes.client import AccountToken, Change, KubernetesClient, account_user
from nautes_adapters.kubernetes.contents import PrivateKey
from nautes_adapters.kubernetes.errors import AlreadyExists
from nautes_adapters.kubernetes.hook_resources import HookResources
from nautes_adapters.kubernetes.marks import owned, owner, selector
from nautes_adapters.kubernetes.spaces import SPACE_KINDS, ProductSpaces
from nautes_adapters.kubernetes.target import KubernetesTarget, ObjectsTarget, cluster_system

__all__ = [
    "BOOTSTRAP_KINDS",
    "DEPLOYER",
    "RECONCILER",
    "SPACE_KINDS",
    "SYSTEM_NAMESPACE",
    "TOKEN_REVIEWER",
    "AccountToken",
    "AlreadyExists",
    "Change",
    "HookResources",
    "KubernetesClient",
    "KubernetesTarget",
    "ObjectsTarget",
    "PrivateKey",
    "ProductSpaces",
    "account_user",
    "bootstrap_state",
    "cluster_system",
    "owned",
    "owner",
    "selector",
]
