"""Clusters registered with Argo CD: one Secret each, whose values never enter a plan."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nautes_adapters.argocd.state import NAMESPACE, TYPE_LABEL
from nautes_adapters.kubernetes import KubernetesClient, owned, owner, selector
from nautes_adapters.kubernetes.contents import CONTENT, content_digest, decoded, encoded
from nautes_domain import names
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Action, Observed, Ref, Spec, State, Verb, Wanted

SYSTEM: Final = "argocd-clusters"
KIND: Final = "ClusterSecret"

_CA_DIGEST = "nautes.io/ca-digest"
_TOKEN_VERSION = "nautes.io/token-version"  # noqa: S105 - the name of an annotation


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """How Argo CD reaches a cluster: address, CA as PEM text, and the deployer account's token."""

    server: str
    ca_pem: str = field(repr=False)
    token: str = field(repr=False)


AccessOf = Callable[[str], Awaitable[ClusterAccess | None]]
"""Gives the newest access to a cluster by name, None while there is none."""


def cluster_secret_state(cluster: str, server: str, ca_digest: str, token_version: int) -> State:
    """Return the desired registration of one cluster: `ca_digest` and `token_version` tell when to rewrite."""
    spec = {"server": server, "ca_digest": ca_digest, "token_version": token_version}
    because = f"Argo CD deploys to {cluster}"
    return {Ref(SYSTEM, KIND, names.label(cluster)): Wanted(spec, because, f"Cluster/{cluster}")}


def secret_name(cluster: str) -> str:
    """Return the name of a cluster's Secret."""
    return f"nautes-cluster-{names.label(cluster)}"


def secret_object(cluster: str, spec: Spec, access: ClusterAccess) -> dict[str, Any]:
    """Return the Secret of a cluster. Pure."""
    tls = {"insecure": False, "caData": encoded(access.ca_pem)} if access.ca_pem else {"insecure": False}
    config = json.dumps({"bearerToken": access.token, "tlsClientConfig": tls}, sort_keys=True)
    data = {
        "name": encoded(cluster),
        "server": encoded(access.server),
        "config": encoded(config),
    }
    annotations = {
        _CA_DIGEST: str(spec["ca_digest"]),
        _TOKEN_VERSION: str(spec["token_version"]),
        CONTENT: content_digest(data),
    }
    marked = owned(
        {"metadata": {"labels": {TYPE_LABEL: "cluster"}, "annotations": annotations}},
        names.scope("cluster", cluster),
    )
    metadata = {**marked["metadata"], "name": secret_name(cluster), "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def seen(secret: Mapping[str, Any]) -> Spec:
    """Return the spec of a Secret as it is. Values that somebody changed by hand read as token version 0. Pure."""
    annotations = secret["metadata"].get("annotations") or {}
    data = secret.get("data") or {}
    version = str(annotations.get(_TOKEN_VERSION) or "")
    genuine = annotations.get(CONTENT) == content_digest(data) and version.isdecimal()
    return {
        "server": decoded(data, "server"),
        "ca_digest": str(annotations.get(_CA_DIGEST) or ""),
        "token_version": int(version) if genuine else 0,
    }


class ClusterSecrets:
    """Reconcile target: system `argocd-clusters`, one `ClusterSecret` per cluster, named as the cluster."""

    system = SYSTEM
    kinds: Sequence[str] = (KIND,)

    def __init__(self, client: KubernetesClient, access: AccessOf) -> None:
        self._client = client
        self._access = access

    async def observe(self, scope: str) -> Observed:
        """Return the registration of the cluster of a scope `cluster_<name>`; nothing for other scopes."""
        kind, cluster = names.split_scope(scope)
        if kind != "cluster":
            return {}
        found = await self._client.list("Secret", NAMESPACE, labels=f"{selector(scope)},{TYPE_LABEL}=cluster")
        return {
            Ref(SYSTEM, KIND, cluster): seen(secret)
            for secret in found
            if secret["metadata"]["name"] == secret_name(cluster)
            and "deletionTimestamp" not in secret["metadata"]
        }

    async def apply(self, action: Action) -> None:
        """Write or remove the Secret. Blocked while there is no token for the cluster yet."""
        cluster = action.ref.name
        name, scope = secret_name(cluster), names.scope("cluster", cluster)
        found = await self._client.get("Secret", name, NAMESPACE)
        ours = found is not None and owner(found) == scope
        if action.verb is Verb.DELETE or action.after is None:
            if found is not None and ours:
                await self._client.delete("Secret", name, NAMESPACE, uid=found["metadata"]["uid"])
            return
        if found is not None and not ours:
            raise Rejected("the Secret was not made by Nautes", what=f"Secret/{name}", code="object-claimed")
        access = await self._access(cluster)
        if access is None:
            path = names.cluster_account_path(cluster, "nautes-deployer")
            raise Blocked("the cluster has no deployer token yet", by=f"secret/{path}", what=str(action.ref))
        if access.server != action.after["server"]:
            raise Retry(
                "the stored access is of another address of the cluster",
                what=str(action.ref),
                code="cluster-access-stale",
            )
        await self._client.apply(secret_object(cluster, action.after, access))
