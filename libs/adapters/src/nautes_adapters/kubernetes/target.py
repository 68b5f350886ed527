"""Objects of one cluster as a reconcile target: ours are found by label and written by server-side apply."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nautes_adapters.kubernetes.client import KubernetesClient, Object
from nautes_adapters.kubernetes.kinds import kind_of
from nautes_adapters.kubernetes.marks import MANAGED_BY, SCOPE, owner, plain, selector
from nautes_domain.failures import Rejected, Retry
from nautes_domain.plan import Action, Observed, Ref, Spec, Verb

_VOLATILE: Final = (
    "name",
    "namespace",
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
)
_NOT_DECLARED: Final = ("status", "operation")
_VALUES: Final = ("data", "stringData", "immutable")


def cluster_system(cluster: str) -> str:
    """Return the `system` of a cluster's Refs."""
    return f"kubernetes/{cluster}"


class ObjectsTarget:
    """Objects of some kinds on one API server; of one namespace only, if that is given.

    Desired specs carry the mark (`marks.owned`); without it an object could never be found again.
    """

    def __init__(
        self, client: KubernetesClient, system: str, kinds: Sequence[str], *, namespace: str = ""
    ) -> None:
        self.client = client
        self.system = system
        self.kinds: Sequence[str] = tuple(kinds)
        self._namespace = namespace

    async def observe(self, scope: str) -> Observed:
        """Return the specs of our objects of a scope; what is being deleted no longer counts."""
        found: dict[Ref, Spec] = {}
        for kind in self.kinds:
            place = self._namespace if kind_of(kind).namespaced else ""
            for obj in await self.client.list(kind, place, labels=selector(scope)):
                metadata = obj["metadata"]
                if "deletionTimestamp" not in metadata:
                    ref = Ref(self.system, kind, metadata["name"], metadata.get("namespace") or "")
                    found[ref] = self.seen(obj)
        return found

    async def apply(self, action: Action) -> None:
        """Write or remove one object. What is not marked as of the same scope is never touched."""
        if action.verb is Verb.DELETE:
            await self._remove(action.ref, owner(action.before or {}))
        elif action.after is not None:
            await self._write(action.ref, object_of(action.ref, action.after))

    def seen(self, obj: Mapping[str, Any]) -> Spec:
        """Return what can be compared of an object: without volatile metadata, status and secret values."""
        kept = {key: plain(value) for key, value in obj.items() if key not in _NOT_DECLARED}
        if obj.get("kind") == "Secret":
            kept = {key: value for key, value in kept.items() if key not in _VALUES}
        kept["metadata"] = {key: value for key, value in kept["metadata"].items() if key not in _VOLATILE}
        return kept

    async def _write(self, ref: Ref, obj: Object) -> None:
        if ref.scope and ref.scope != self._namespace:
            await self._check_place(ref, owner(obj))
        found = await self.client.get(ref.kind, ref.name, ref.scope)
        if found is None and ref.kind == "Namespace":
            await self._claim(ref, obj)
        elif found is not None:
            _ours_or_failure(ref, found, owner(obj))
            if found.get("roleRef") and found["roleRef"] != obj.get("roleRef"):
                # A binding's role cannot be changed (Kubernetes, "Using RBAC Authorization", RoleBinding).
                await self.client.delete(ref.kind, ref.name, ref.scope, uid=found["metadata"]["uid"])
        await self.client.apply(obj)

    async def _check_place(self, ref: Ref, wanted: str) -> None:
        """Raise unless the namespace is of the same scope, or absent, which the server says best itself.

        A namespace that was refused does not stop what should go into it: siblings are tried all the same.
        """
        namespace = await self.client.get("Namespace", ref.scope)
        if namespace is not None:
            _ours_or_failure(Ref(ref.system, "Namespace", ref.scope), namespace, wanted)

    async def _claim(self, ref: Ref, obj: Object) -> None:
        """Create a namespace with nothing but its mark: of two scopes that want it, one alone succeeds.

        Server-side apply would let the second overwrite the first. Raises Retry if another was faster.
        """
        labels = {key: obj["metadata"]["labels"][key] for key in (MANAGED_BY, SCOPE)}
        bare = {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "metadata": {"name": ref.name, "labels": labels},
        }
        try:
            await self.client.create(bare)
        except Rejected as failure:
            if failure.code != "kubernetes-exists":
                raise
            raise Retry(
                "somebody created the namespace at the same time", what=str(ref), code="kubernetes-conflict"
            ) from None

    async def _remove(self, ref: Ref, scope: str) -> None:
        found = await self.client.get(ref.kind, ref.name, ref.scope)
        if found is None or owner(found) != scope or not scope or "deletionTimestamp" in found["metadata"]:
            return
        await self.client.delete(ref.kind, ref.name, ref.scope, uid=found["metadata"]["uid"])


class KubernetesTarget(ObjectsTarget):
    """The objects of one cluster, system `kubernetes/<cluster>`."""

    def __init__(self, client: KubernetesClient, cluster: str, kinds: Sequence[str]) -> None:
        super().__init__(client, cluster_system(cluster), kinds)


def object_of(ref: Ref, spec: Spec) -> Object:
    """Return the whole object of a spec. Raises Rejected (code `kubernetes-unmarked`) without our mark."""
    obj: Object = {**plain(spec), "apiVersion": kind_of(ref.kind).api_version, "kind": ref.kind}
    metadata = obj["metadata"] = {**obj.get("metadata", {}), "name": ref.name}
    if ref.scope:
        metadata["namespace"] = ref.scope
    if not owner(obj):
        raise Rejected("the object carries no scope label", what=str(ref), code="kubernetes-unmarked")
    return obj


def _ours_or_failure(ref: Ref, found: Mapping[str, Any], wanted: str) -> None:
    """Raise unless an existing object is of the wanted scope and will stay."""
    holder = owner(found)
    if holder != wanted:
        code = "namespace-claimed" if ref.kind == "Namespace" else "object-claimed"
        held_by = f"belongs to {holder}" if holder else "was not made by Nautes"
        raise Rejected(
            f"it exists and {held_by}; it is not taken over",
            what=str(ref),
            who="whoever declared it",
            next_step="choose another name, or remove the present one",
            code=code,
        )
    if "deletionTimestamp" in found["metadata"]:
        raise Retry("the former one is still being deleted", what=str(ref), code="kubernetes-terminating")
