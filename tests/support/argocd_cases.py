"""Argo CD's repository Secrets for the target contract: a small Kubernetes API, and keys in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from nautes_adapters.argocd import ArgoDeployer, RepositorySecrets
from nautes_adapters.kubernetes import KubernetesClient, PrivateKey
from nautes_domain.capabilities import Deployment, ReadKey
from nautes_domain.plan import State
from support.local_cluster import clusters
from support.target_contract import TargetCase

SCOPE = "product_orchard"
PATH = "gitlab/repo-7/default/readonly"
URL = "ssh://git@git.example:2222/orchard/apple-deploy.git"
TEXT = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-{}\n-----END OPENSSH PRIVATE KEY-----\n"
STAGE = Deployment(
    "orchard", "apple-stage", URL, "main", "overlays/stage", "run-east", ("apple-stage",),
    "DeploymentRuntime/apple-stage", ReadKey("apple-deploy", PATH, 1, "SHA256:one"),
)  # fmt: skip
FOREIGN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "theirs",
        "namespace": "argocd",
        "labels": {"argocd.argoproj.io/secret-type": "repository"},
    },
}


def private_key(version: int = 1, fingerprint: str = "SHA256:one") -> PrivateKey:
    """Return a key with a value that tests look for."""
    return PrivateKey(TEXT.format(version), version, fingerprint)


class Keys:
    """A stand-in for the secret store: one key per path."""

    def __init__(self, **keys: PrivateKey) -> None:
        self.at: dict[str, PrivateKey] = {PATH: private_key(), **keys}

    async def __call__(self, path: str) -> PrivateKey | None:
        """Return the newest key."""
        return self.at.get(path)


def wanted(*deployments: Deployment) -> State:
    """Return the repositories of deployments, without the rest of the product's state."""
    state = ArgoDeployer(None, "acme").product_state("orchard", deployments or (STAGE,))
    return {ref: one for ref, one in state.items() if ref.system == RepositorySecrets.system}


def read_with(deployment: Deployment, **key: object) -> Deployment:
    """Return a deployment whose repository has another key."""
    return replace(deployment, read_key=replace(deployment.read_key, **key))


async def prepare(client: KubernetesClient) -> None:
    """Make what an installation of Argo CD brings along, and a Secret of somebody else."""
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    await client.create(FOREIGN)


@asynccontextmanager
async def repositories(folder: Path) -> AsyncIterator[TargetCase]:
    """Yield the case: two repositories, of which one gets a new key."""
    second = replace(STAGE, name="pear", repository_url=URL.replace("apple", "pear"), read_key=ReadKey("pear-deploy", "pear", 1, "SHA256:pear"))  # fmt: skip
    keys = Keys(pear=private_key(1, "SHA256:pear"))
    async with clusters(folder) as start:
        client = await start("management")
        await prepare(client)

        async def remains() -> bool:
            return await client.get("Secret", "theirs", "argocd") is not None

        async def rotate() -> None:
            keys.at[PATH] = private_key(2, "SHA256:two")

        changed = wanted(read_with(STAGE, version=2, fingerprint="SHA256:two"), second)
        target = RepositorySecrets(client, keys)
        yield TargetCase(target, SCOPE, wanted(STAGE, second), changed, remains, rotate)
