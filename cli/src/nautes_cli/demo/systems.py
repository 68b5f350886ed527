"""Reading back from the systems themselves, with their own APIs: code host, clusters, secret store."""

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from nautes_domain import source
from nautes_localstack.description import StackDescription

TIMEOUT: Final = 10.0
PIPELINE_RUNS: Final = "/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns"
APPLICATION: Final = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{name}"
REPOSITORIES: Final = (
    "/api/v1/namespaces/argocd/secrets?labelSelector=argocd.argoproj.io%2Fsecret-type%3Drepository"
)


class Systems:
    """The systems of one laptop stack, as its operator sees them."""

    def __init__(self, stack: StackDescription) -> None:
        self._stack = stack
        self._clusters: dict[str, httpx.Client] = {}
        token = stack.tokens["dev"].read_text().strip()
        self._gitlab = httpx.Client(
            base_url=f"{stack.gitlab_url}/api/v4", headers={"PRIVATE-TOKEN": token}, timeout=TIMEOUT
        )
        self._vault = httpx.Client(base_url=f"{stack.vault_address}/v1", timeout=TIMEOUT)

    def gitlab(self, path: str) -> Any:
        """Return an object of the code host, None if it is not there."""
        return _json(self._gitlab.get(path))

    def project(self, path: str) -> Any:
        """Return a project of the code host by its path."""
        return self.gitlab(f"/projects/{quote(path, safe='')}")

    def kubernetes(self, cluster: str, path: str) -> Any:
        """Return an object or list of a cluster, None if it is not there."""
        if cluster not in self._clusters:
            self._clusters[cluster] = connect_cluster(self._stack.clusters[cluster].kubeconfig)
        return _json(self._clusters[cluster].get(path))

    def vault(self, path: str) -> Any:
        """Return an object of the secret store, None if it is not there."""
        if "X-Vault-Token" not in self._vault.headers:
            secret = self._stack.vault_secret_ids["operator"].read_text().strip()
            login = self._vault.post(
                "/auth/approle/login", json={"role_id": "nautes-operator", "secret_id": secret}
            )
            self._vault.headers["X-Vault-Token"] = login.raise_for_status().json()["auth"]["client_token"]
        found = _json(self._vault.get(path))
        return None if found is None else found["data"]

    def close(self) -> None:
        """Close the connections."""
        for client in (self._gitlab, self._vault, *self._clusters.values()):
            client.close()


def _json(answer: httpx.Response) -> Any:
    if answer.status_code in {403, 404}:  # the secret store answers 403 for a mount that is not there
        return None
    return answer.raise_for_status().json()


def connect_cluster(kubeconfig: Path) -> httpx.Client:
    """Return a client with the address, CA and token of a kubeconfig."""
    (document,) = source.parse(kubeconfig.read_bytes(), str(kubeconfig))
    cluster: Mapping[str, Any] = document.value["clusters"][0]["cluster"]
    user: Mapping[str, Any] = document.value["users"][0]["user"]
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    headers = {"Authorization": f"Bearer {user['token']}"}
    context = ssl.create_default_context(cadata=ca)
    return httpx.Client(base_url=cluster["server"], headers=headers, verify=context, timeout=TIMEOUT)
