"""Repositories that Argo CD reads with a key of their own: one Secret each, whose key never enters a plan."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from nautes_adapters.argocd.state import NAMESPACE, TYPE_LABEL
from nautes_adapters.kubernetes import KubernetesClient, owned, owner, selector
from nautes_adapters.kubernetes.contents import (
    CONTENT,
    KeyOf,
    PrivateKey,
    content_digest,
    decoded,
    encoded,
    planned_key,
)
from nautes_domain import names
from nautes_domain.capabilities import Deployment, ReadKey
from nautes_domain.failures import Rejected, Retry
from nautes_domain.plan import Action, Observed, Ref, Spec, State, Verb, Wanted

SYSTEM: Final = "argocd-repositories"
KIND: Final = "RepositorySecret"

_KEY = "nautes.io/read-key"
_KEY_VERSION = "nautes.io/read-key-version"
_FINGERPRINT = "nautes.io/read-key-fingerprint"


def repository_state(product: str, deployments: Iterable[Deployment]) -> State:
    """Return the registration of each repository that is read with a key. Only the product's own project may use it."""
    state: dict[Ref, Wanted] = {}
    for one in deployments:
        key = one.read_key
        if key is None:
            continue
        spec = {
            "url": one.repository_url,
            "project": names.label(product),
            "key": key.path,
            "key_version": key.version,
            "fingerprint": key.fingerprint,
        }
        because = f"runtime {one.name} deploys from {product}/{key.repository}"
        state.setdefault(_ref(product, key.repository), Wanted(spec, because, one.entity))
    return state


def secret_name(product: str, repository: str) -> str:
    """Return the name of a repository's Secret."""
    return f"nautes-repository.{names.dotted(product, repository)}"


def secret_object(product: str, repository: str, spec: Spec, key: PrivateKey) -> dict[str, Any]:
    """Return the Secret of a repository; without `insecure`, so that the host is verified. Pure."""
    values = {
        "type": "git",
        "name": names.project_path(product, repository),
        "url": str(spec["url"]),
        "project": str(spec["project"]),
        "sshPrivateKey": key.value,
    }
    data = {name: encoded(value) for name, value in values.items()}
    annotations = {
        _KEY: str(spec["key"]),
        _KEY_VERSION: str(key.version),
        _FINGERPRINT: key.fingerprint,
        CONTENT: content_digest(data),
    }
    marked = owned(
        {"metadata": {"labels": {TYPE_LABEL: "repository"}, "annotations": annotations}},
        names.scope("product", product),
    )
    metadata = {**marked["metadata"], "name": secret_name(product, repository), "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def seen(secret: Mapping[str, Any]) -> Spec:
    """Return the spec of a Secret as it is. Values that somebody changed by hand read as key version 0. Pure."""
    annotations = secret["metadata"].get("annotations") or {}
    data = secret.get("data") or {}
    version = str(annotations.get(_KEY_VERSION) or "")
    genuine = annotations.get(CONTENT) == content_digest(data) and version.isdecimal()
    return {
        "url": decoded(data, "url"),
        "project": decoded(data, "project"),
        "key": str(annotations.get(_KEY) or ""),
        "key_version": int(version) if genuine else 0,
        "fingerprint": str(annotations.get(_FINGERPRINT) or ""),
    }


class RepositorySecrets:
    """Reconcile target: system `argocd-repositories`, one `RepositorySecret` per repository, below its product."""

    system = SYSTEM
    kinds: Sequence[str] = (KIND,)

    def __init__(self, client: KubernetesClient, key: KeyOf) -> None:
        self._client = client
        self._key = key

    async def observe(self, scope: str) -> Observed:
        """Return the registered repositories of the product of a scope `product_<name>`; nothing for other scopes."""
        kind, product = names.split_scope(scope)
        if kind != "product":
            return {}
        labels = f"{selector(scope)},{TYPE_LABEL}=repository"
        prefix = f"nautes-repository.{product}."
        return {
            _ref(product, secret["metadata"]["name"].removeprefix(prefix)): seen(secret)
            for secret in await self._client.list("Secret", NAMESPACE, labels=labels)
            if secret["metadata"]["name"].startswith(prefix) and "deletionTimestamp" not in secret["metadata"]
        }

    async def apply(self, action: Action) -> None:
        """Write or remove the Secret. Blocked while the repository has no key yet."""
        product, repository = action.ref.scope, action.ref.name
        name, scope = secret_name(product, repository), names.scope("product", product)
        found = await self._client.get("Secret", name, NAMESPACE)
        ours = found is not None and owner(found) == scope
        if action.verb is Verb.DELETE or action.after is None:
            if found is not None and ours:
                await self._remove(found, scope, str(action.ref))
            return
        if found is not None and not ours:
            raise Rejected("the Secret was not made by Nautes", what=f"Secret/{name}", code="object-claimed")
        key = await self._current_key(action.ref, action.after)
        wanted = secret_object(product, repository, action.after, key)
        await self._strip(name, found, wanted)
        await self._client.apply(wanted)

    async def _current_key(self, ref: Ref, spec: Spec) -> PrivateKey:
        planned = ReadKey(ref.name, str(spec["key"]), int(spec["key_version"]), str(spec["fingerprint"]))
        repository = f"{ref.scope}/{ref.name}"
        return await planned_key(self._key, planned, what=str(ref), repository=repository)

    async def _strip(self, name: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
        """Remove values that are not ours: applying leaves them, and one of them could be `insecure`."""
        strange = ((found or {}).get("data") or {}).keys() - wanted["data"].keys()
        if strange:
            await self._client.patch_merge("Secret", name, NAMESPACE, {"data": dict.fromkeys(strange)})

    async def _remove(self, secret: Mapping[str, Any], scope: str, what: str) -> None:
        """Remove a Secret that no Application needs: one that is being deleted may still read its hooks from Git."""
        url = decoded(secret.get("data") or {}, "url")
        for application in await self._client.list("Application", NAMESPACE, labels=selector(scope)):
            if application["spec"].get("source", {}).get("repoURL") == url:
                user = f"Application/{application['metadata']['name']}"
                why, after = f"{user} still reads the repository", timedelta(seconds=2)
                raise Retry(why, after=after, what=what, code="repository-in-use")
        metadata = secret["metadata"]
        await self._client.delete("Secret", metadata["name"], NAMESPACE, uid=metadata["uid"])


def _ref(product: str, repository: str) -> Ref:
    return Ref(SYSTEM, KIND, repository, product)
