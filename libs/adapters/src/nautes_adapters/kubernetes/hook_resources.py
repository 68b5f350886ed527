"""What hooks of pipelines find beside them: in each namespace one Secret of read keys and one ConfigMap of authorities.

Both have fixed names, so that the reconciler needs rights on no other Secret. A key never enters a plan: it is read
from the secret store while its Secret is written.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from nautes_adapters.kubernetes.client import KubernetesClient
from nautes_adapters.kubernetes.contents import CONTENT, KeyOf, content_digest, decoded, encoded, planned_key
from nautes_adapters.kubernetes.marks import owned, owner, scope_value, selector
from nautes_domain import names
from nautes_domain.capabilities import HookNeeds, ReadKey
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.hooks import AUTHORITIES, AUTHORITIES_FILE, KEYS, KNOWN_HOSTS, key_entries
from nautes_domain.plan import Action, Observed, Ref, Spec, State, Verb, Wanted

KEYS_KIND: Final = "HookKeys"
AUTHORITIES_KIND: Final = "HookAuthorities"
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    KEYS_KIND: ("Secret", KEYS),
    AUTHORITIES_KIND: ("ConfigMap", AUTHORITIES),
}
"""Kind and name of each object."""
PLANNED: Final = "nautes.io/hook-keys"
"""Annotation with the keys that were written, as the plan names them."""


def hook_system(cluster: str) -> str:
    """Return the `system` of what hooks on a cluster find beside them."""
    return f"hook-resources/{cluster}"


def hook_state(scope: str, needs: Iterable[HookNeeds]) -> State:
    """Return one object of keys and one of authorities for each namespace in which a hook asks for them. Pure."""
    state: dict[Ref, Wanted] = {}
    keys: dict[Ref, dict[str, dict[str, Any]]] = {}
    for one in needs:
        system = hook_system(one.cluster)
        if one.authorities:
            spec = {"owner": scope_value(scope), "certificates": one.authorities}
            because = f"hooks of {one.runtime} trust the tenant's servers"
            ref = Ref(system, AUTHORITIES_KIND, AUTHORITIES, one.namespace)
            state.setdefault(ref, Wanted(spec, because, one.entity))
        if one.read_key is not None:
            ref = Ref(system, KEYS_KIND, KEYS, one.namespace)
            found = keys.setdefault(ref, {})
            found[one.read_key.repository] = {**asdict(one.read_key), "url": one.repository_url}
            listed = [found[name] for name in sorted(found)]
            written = {"owner": scope_value(scope), "keys": listed, "known_hosts": one.known_hosts}
            because = f"hooks of {one.runtime} read {one.read_key.repository}"
            state[ref] = Wanted(written, because, one.entity)
    return state


def seen(obj: Mapping[str, Any]) -> Spec:
    """Return the spec of an object as it is; of what was changed by hand, no more than whose it is. Pure."""
    data, whose = obj.get("data") or {}, {"owner": owner(obj)}
    if obj["kind"] == "ConfigMap":
        alone = data.keys() == {AUTHORITIES_FILE}
        return {**whose, "certificates": data[AUTHORITIES_FILE]} if alone else whose
    notes = obj["metadata"].get("annotations") or {}
    try:
        planned = json.loads(notes.get(PLANNED) or "null")
    except ValueError:
        planned = None
    if planned is None or notes.get(CONTENT) != content_digest(data):
        return whose
    return {**whose, "keys": planned, "known_hosts": decoded(data, KNOWN_HOSTS)}


class HookResources:
    """Reconcile target: system `hook-resources/<cluster>`, objects in the namespaces of a product."""

    kinds: Sequence[str] = tuple(KINDS)

    def __init__(self, client: KubernetesClient, cluster: str, key: KeyOf) -> None:
        self.system = hook_system(cluster)
        self._client = client
        self._key = key

    async def observe(self, scope: str) -> Observed:
        """Return what is in the namespaces of the product of a scope `product_<name>`; nothing for other scopes."""
        if names.split_scope(scope)[0] != "product":
            return {}
        spaces = [
            one["metadata"]["name"]
            for one in await self._client.list("Namespace", labels=selector(scope))
            if "deletionTimestamp" not in one["metadata"]
        ]
        refs = [Ref(self.system, kind, name, space) for kind, (_, name) in KINDS.items() for space in spaces]
        found = await asyncio.gather(*(self._find(ref) for ref in refs))
        return {
            ref: seen(obj)
            for ref, obj in zip(refs, found, strict=True)
            if obj is not None and owner(obj) == scope_value(scope)
        }

    async def apply(self, action: Action) -> None:
        """Write or remove one object. Blocked while the namespace or a key is missing."""
        ref, spec = action.ref, action.after
        found = await self._find(ref)
        if action.verb is Verb.DELETE or spec is None:
            if found is not None and owner(found) == (action.before or {}).get("owner"):
                kind, name = KINDS[ref.kind]
                await self._client.delete(kind, name, ref.scope, uid=found["metadata"]["uid"])
            return
        await self._check_place(ref, str(spec["owner"]))
        if found is not None and owner(found) != spec["owner"]:
            raise Rejected("it was not made by Nautes", what=str(ref), code="object-claimed")
        await self._write(ref, spec, found)

    async def _find(self, ref: Ref) -> Mapping[str, Any] | None:
        kind, name = KINDS[ref.kind]
        return await self._client.get(kind, name, ref.scope)

    async def _check_place(self, ref: Ref, whose: str) -> None:
        """Raise unless the namespace is the product's own: a key goes nowhere else."""
        namespace = await self._client.get("Namespace", ref.scope)
        if namespace is None:
            raise Blocked("the namespace is not there yet", by=f"namespace/{ref.scope}", what=str(ref))
        if owner(namespace) != whose:
            raise Rejected("the namespace belongs to somebody else", what=str(ref), code="namespace-claimed")

    async def _write(self, ref: Ref, spec: Spec, found: Mapping[str, Any] | None) -> None:
        kind, name = KINDS[ref.kind]
        notes: dict[str, str] = {}
        if ref.kind == KEYS_KIND:
            data = await self._keys(ref, spec)
            notes = {PLANNED: json.dumps(spec["keys"]), CONTENT: content_digest(data)}
        else:
            data = {AUTHORITIES_FILE: str(spec["certificates"])}
        # The label holds a scope shortened where it is long, and shortening that again changes nothing.
        marked = owned({"metadata": {"annotations": notes}}, str(spec["owner"]))
        metadata = {**marked["metadata"], "name": name, "namespace": ref.scope}
        strange = ((found or {}).get("data") or {}).keys() - data.keys()
        if strange:  # applying leaves what others added
            await self._client.patch_merge(kind, name, ref.scope, {"data": dict.fromkeys(strange)})
        await self._client.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data})

    async def _keys(self, ref: Ref, spec: Spec) -> dict[str, str]:
        _, product = names.split_scope(str(spec["owner"]))
        data = {KNOWN_HOSTS: encoded(str(spec["known_hosts"]))}
        for one in spec["keys"]:
            planned = ReadKey(one["repository"], one["path"], one["version"], one["fingerprint"])
            if not one["url"]:
                raise _no_address(ref)
            repository = f"{product}/{planned.repository}"
            key = await planned_key(self._key, planned, what=str(ref), repository=repository)
            entries = key_entries(planned.repository)
            data |= {entries.key: encoded(key.value), entries.url: encoded(one["url"])}
        return data


def _no_address(ref: Ref) -> Rejected:
    return Rejected(
        "the platform is not told where repositories are read over SSH",
        what=str(ref),
        who="platform team",
        next_step="set NAUTES_GITLAB__SSH_URL of the reconciler",
        code="no-ssh-address",
    )
