"""What a cluster's controllers bring about: accounts in new namespaces, ends of namespaces and of orphans.

Kubernetes, "Garbage Collection" and "Namespaces". It all happens right after the change that calls for it,
in steps that do not await, and once at the start for what was left undone.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from nautes_localstack.kubernetes import definitions, objects
from nautes_localstack.kubernetes.definitions import Registry
from nautes_localstack.kubernetes.errors import ApiError
from nautes_localstack.kubernetes.kinds import (
    CONFIG_MAPS,
    DEFINITIONS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Resource,
)
from nautes_localstack.kubernetes.objects import FOREGROUND, ORPHAN, Call, Objects, loaded
from nautes_localstack.kubernetes.rbac import MASTERS, User
from nautes_localstack.kubernetes.shapes import Object
from nautes_localstack.kubernetes.storage import Event, Row, Store

CONTROLLER: Final = "kube-controller-manager"
NAMESPACE_GRACE: Final = 0.3
"""Seconds between the deletion of a namespace and that of what is in it. A real server takes several; who deletes
a namespace together with its contents (`kubectl delete -f`) counts on them being there still."""
_USER: Final = User(f"system:{CONTROLLER}", groups=(MASTERS,))
_ROOT_CA: Final = "kube-root-ca.crt"
_ROOT_CA_TEXT: Final = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class Lifecycle:
    """Hears of every change and does what follows from it.

    `absent` are finalizers whose controllers do not run beside this server: nobody else would ever take
    them off what is being deleted.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        writer: Objects,
        ca_pem: str,
        absent: frozenset[str] = frozenset(),
    ) -> None:
        self._store = store
        self._registry = registry
        self._objects = writer
        self._ca_pem = ca_pem
        self._absent = absent
        self._changes: asyncio.Queue[Event] = asyncio.Queue()
        self._definitions: dict[str, int] = {}
        self._ending: set[str] = set()
        store.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        self._changes.put_nowait(event)

    def catch_up(self) -> None:
        """Do what was left undone, and learn the definitions that are stored."""
        for row in self._store.collection(DEFINITIONS.qualified):
            self._registry.define(loaded(DEFINITIONS, row))
        for row in self._store.collection(NAMESPACES.qualified):
            self._settle_namespace(row.name)
        for row in self._store.orphans():
            self._collect(row)

    async def run(self) -> None:
        """Follow the changes until cancelled."""
        while True:
            event = await self._changes.get()
            self.follow(event)

    def drain(self) -> None:
        """Follow all changes so far."""
        while not self._changes.empty():
            self.follow(self._changes.get_nowait())

    def follow(self, event: Event) -> None:
        """Do what follows from one change. A refusal means that somebody else was faster."""
        row = Row(event.resource, event.namespace, event.name, "", event.version, event.body)
        obj = row.load()
        for step in (
            self._follow_definition,
            self._follow_namespace,
            self._follow_owners,
            self._follow_absent,
        ):
            with contextlib.suppress(ApiError):
                step(event, obj)

    def _follow_definition(self, event: Event, obj: Object) -> None:
        if event.resource != DEFINITIONS.qualified:
            return
        definition = {**obj, "apiVersion": DEFINITIONS.api_version, "kind": DEFINITIONS.kind}
        if event.type == "DELETED":
            self._registry.forget(event.name)
            return
        if "deletionTimestamp" in obj["metadata"]:
            self._end_definition(definition)
            return
        known = self._definitions.get(event.name)
        generation = obj["metadata"].get("generation", 0)
        if known == generation:
            return
        self._definitions[event.name] = generation
        self._registry.define(definition)
        status = definitions.established(definition, objects.now())
        call = self._call(DEFINITIONS, "", event.name, subresource="status")
        self._objects.patch(call, lambda live: {**live, "status": status})

    def _end_definition(self, definition: Object) -> None:
        """Remove the objects of a definition that is being deleted, then let go of it."""
        name = definition["metadata"]["name"]
        resources = definitions.resources_of(definition)
        for row in self._store.collection(resources[0].qualified) if resources else ():
            self._delete(resources[0], row)

        def released(live: Object) -> Object:
            kept = [
                one
                for one in live["metadata"].get("finalizers") or ()
                if one != "customresourcecleanup.apiextensions.k8s.io"
            ]
            return {**live, "metadata": {**live["metadata"], "finalizers": kept}}

        self._objects.patch(self._call(DEFINITIONS, "", name), released)

    def _follow_absent(self, event: Event, obj: Object) -> None:
        """Take off the finalizers of controllers that do not run."""
        metadata = obj["metadata"]
        held = self._absent.intersection(metadata.get("finalizers") or ())
        if event.type == "DELETED" or not held or "deletionTimestamp" not in metadata:
            return

        def released(live: Object) -> Object:
            kept = [one for one in live["metadata"].get("finalizers") or () if one not in self._absent]
            return {**live, "metadata": {**live["metadata"], "finalizers": kept}}

        self._objects.patch(
            self._call(self._registry.stored(event.resource), event.namespace, event.name), released
        )

    def _follow_namespace(self, event: Event, obj: Object) -> None:
        if event.resource == NAMESPACES.qualified:
            if event.type != "DELETED" and "deletionTimestamp" in obj["metadata"]:
                self._ending.add(event.name)
                asyncio.get_running_loop().call_later(NAMESPACE_GRACE, self._end_namespace, event.name)
            elif event.type != "DELETED":
                self._settle_namespace(event.name)
        elif event.namespace and event.type == "DELETED" and event.namespace not in self._ending:
            self._settle_namespace(event.namespace)

    def _end_namespace(self, name: str) -> None:
        self._ending.discard(name)
        with contextlib.suppress(ApiError):
            self._settle_namespace(name)

    def _settle_namespace(self, name: str) -> None:
        """Give a namespace what each has, or take from one that ends all that is in it, then end it."""
        row = self._store.get(NAMESPACES.qualified, "", name)
        if row is None:
            return
        namespace = loaded(NAMESPACES, row)
        if "deletionTimestamp" not in namespace["metadata"]:
            self._ensure_account(name)
            self._ensure_root_ca(name)
            return
        for inner in self._store.inside(name):
            if "deletionTimestamp" not in inner.load()["metadata"]:
                self._delete(self._registry.stored(inner.resource), inner)
        if not self._store.inside(name) and (row := self._store.get(NAMESPACES.qualified, "", name)):
            released = {**loaded(NAMESPACES, row), "spec": {}}
            if not objects.is_held(NAMESPACES, released):
                self._store.write("DELETED", NAMESPACES.qualified, released, row.body)

    def _ensure_account(self, namespace: str) -> None:
        if self._store.get(SERVICE_ACCOUNTS.qualified, namespace, "default") is None:
            call = self._call(SERVICE_ACCOUNTS, namespace, "default")
            self._objects.create(call, {"metadata": {"name": "default"}})

    def _ensure_root_ca(self, namespace: str) -> None:
        if self._store.get(CONFIG_MAPS.qualified, namespace, _ROOT_CA) is None:
            annotations = {"kubernetes.io/description": _ROOT_CA_TEXT}
            body = {
                "metadata": {"name": _ROOT_CA, "annotations": annotations},
                "data": {"ca.crt": self._ca_pem},
            }
            self._objects.create(self._call(CONFIG_MAPS, namespace, _ROOT_CA), body)

    def _follow_owners(self, event: Event, obj: Object) -> None:
        metadata = obj["metadata"]
        if event.type == "DELETED":
            for row in self._store.dependents(metadata["uid"]):
                self._collect(row)
            for owner in metadata.get("ownerReferences") or ():
                self._release_owner(self._store.find(str(owner.get("uid"))))
            return
        row_now = self._store.find(metadata["uid"])
        if row_now is None or row_now.version != event.version:
            return
        if metadata.get("ownerReferences"):
            self._collect(row_now)
        if metadata.get("deletionTimestamp"):
            self._release_owner(row_now)

    def _collect(self, row: Row) -> None:
        """Delete an object none of whose owners is left, or take those off that are gone."""
        resource = self._registry.stored(row.resource)
        obj = loaded(resource, row)
        owners = obj["metadata"].get("ownerReferences") or []
        left = [one for one in owners if self._is_there(one)]
        if len(left) == len(owners) or "deletionTimestamp" in obj["metadata"]:
            return
        if not left:
            self._delete(resource, row)
            return
        self._objects.patch(self._call(resource, row.namespace, row.name), _with_owners(left))

    def _is_there(self, owner: Any) -> bool:
        row = self._store.find(str(owner.get("uid")))
        return row is not None and row.name == owner.get("name")

    def _release_owner(self, row: Row | None) -> None:
        """Go on with the deletion of an owner: foreground takes its dependents first, orphan lets them be."""
        if row is None:
            return
        resource = self._registry.stored(row.resource)
        finalizers = row.load()["metadata"].get("finalizers") or []
        dependents = self._store.dependents(row.uid)
        if ORPHAN in finalizers:
            for one in dependents:
                owners = one.load()["metadata"]["ownerReferences"]
                left = [owner for owner in owners if owner.get("uid") != row.uid]
                self._patch_stored(one, _with_owners(left))
            self._patch_stored(row, _without_finalizer(ORPHAN))
        elif FOREGROUND in finalizers:
            for one in dependents:
                if "deletionTimestamp" not in one.load()["metadata"]:
                    self._delete(self._registry.stored(one.resource), one, FOREGROUND_OPTIONS)
            if not any(_blocks(one, row.uid) for one in self._store.dependents(row.uid)):
                self._objects.patch(
                    self._call(resource, row.namespace, row.name), _without_finalizer(FOREGROUND)
                )

    def _patch_stored(self, row: Row, change: Callable[[Object], Object]) -> None:
        resource = self._registry.stored(row.resource)
        self._objects.patch(self._call(resource, row.namespace, row.name), change)

    def _delete(self, resource: Resource, row: Row, options: dict[str, Any] | None = None) -> None:
        preconditions = {"preconditions": {"uid": row.uid}}
        self._objects.delete(
            self._call(resource, row.namespace, row.name), {**preconditions, **(options or {})}
        )

    def _call(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Call:
        return Call(resource, namespace, name, _USER, subresource, CONTROLLER, validation="Ignore")


FOREGROUND_OPTIONS: Final = {"propagationPolicy": "Foreground"}


def _blocks(row: Row, owner: str) -> bool:
    owners = row.load()["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == owner and one.get("blockOwnerDeletion") for one in owners)


def _with_owners(left: list[Object]) -> Callable[[Object], Object]:
    return lambda live: {**live, "metadata": {**live["metadata"], "ownerReferences": left}}


def _without_finalizer(name: str) -> Callable[[Object], Object]:
    def change(live: Object) -> Object:
        kept = [one for one in live["metadata"].get("finalizers") or () if one != name]
        metadata = {**live["metadata"], "finalizers": kept}
        if not kept:
            del metadata["finalizers"]
        return {**live, "metadata": metadata}

    return change
