"""Writing objects: every way in which one comes, changes or goes, with the same checks on each.

The order is that of a real server: read and fill in, decide who owns which field, let the kind add its own,
refuse what breaks a rule, compare versions, store. Nothing awaits in between, so a write is one step.
"""

import copy
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from nautes_localstack.kubernetes import apply, checks, errors, schema, strategies
from nautes_localstack.kubernetes.apply import Managed, Scope, Writer
from nautes_localstack.kubernetes.definitions import Registry
from nautes_localstack.kubernetes.errors import Cause
from nautes_localstack.kubernetes.kinds import NAMESPACES, Resource
from nautes_localstack.kubernetes.rbac import User
from nautes_localstack.kubernetes.shapes import METADATA, Object
from nautes_localstack.kubernetes.storage import Row, Store

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
_NAME_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SERVER_OWNED: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_RETURNS_OBJECT: Final = ("pods", "serviceaccounts", "resourcequotas", "persistentvolumeclaims")
"""Kinds whose deletion answers with the object (kubernetes `ReturnDeletedObject`)."""


@dataclass(frozen=True)
class Call:
    """What is asked of one resource, by whom and how."""

    resource: Resource
    namespace: str
    name: str
    user: User
    subresource: str = ""
    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    """Unknown fields: Strict refuses, Warn tells, Ignore drops in silence."""
    warnings: list[str] = field(default_factory=list)

    def writer(self, operation: str) -> Writer:
        """Return who is noted in managedFields."""
        return Writer(self.manager, operation, self.resource.api_version, self.subresource)

    @property
    def scope(self) -> Scope:
        """Which fields this call can reach."""
        return Scope(self.resource.shape, self.resource.has_status, self.subresource == "status")


def now() -> str:
    """Return the time as metadata has it: seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def loaded(resource: Resource, row: Row) -> Object:
    """Return a stored object as one version shows it."""
    return {"kind": resource.kind, "apiVersion": resource.api_version, **row.load()}


class Objects:
    """Creates, changes and deletes. `authorize` is asked before each write; it raises what it refuses."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        authorize: Callable[[Call, Object, Object | None], None] = lambda _call, _new, _old: None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._authorize = authorize

    def row(self, call: Call) -> Row:
        """Return the stored object; raise ApiError (404)."""
        found = self._store.get(call.resource.qualified, call.namespace, call.name)
        if found is None:
            raise errors.not_found(call.resource, call.name)
        return found

    def create(self, call: Call, body: Object) -> Object:
        """Store a new object and return it."""
        obj = self._read(call, body)
        managed = apply.updated(None, obj, apply.decode(None), call.writer("Update"), call.scope, now())
        return self._create(call, obj, managed)

    def _create(self, call: Call, obj: Object, managed: Managed) -> Object:
        resource, metadata = call.resource, obj["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + "".join(
                secrets.choice(_NAME_ALPHABET) for _ in range(5)
            )
        if not metadata.get("name"):
            text = "Required value: name or generateName is required"
            raise errors.invalid(
                resource.kind, resource.group, "", [Cause("metadata.name", text, errors.REQUIRED)]
            )
        self._admit(call, metadata["name"])
        for key in (*_SERVER_OWNED, "resourceVersion", "selfLink", "managedFields"):
            metadata.pop(key, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        if resource.generation:
            metadata["generation"] = 1
        strategies.prepare(resource, obj)
        if managed:
            metadata["managedFields"] = apply.encode(managed)
        self._validate(call, obj, None)
        self._authorize(call, obj, None)
        name = metadata["name"]
        if self._store.get(resource.qualified, call.namespace, name) is not None:
            raise errors.already_exists(resource, name)
        return obj if call.dry_run else self._store.write("ADDED", resource.qualified, obj)

    def replace(self, call: Call, body: Object) -> Object:
        """Store an object in place of the present one and return it."""
        row = self.row(call)
        if call.resource.custom and not (body.get("metadata") or {}).get("resourceVersion"):
            text = "Invalid value: 0x0: must be specified for an update"
            cause = Cause("metadata.resourceVersion", text)
            raise errors.invalid(call.resource.kind, call.resource.group, call.name, [cause])
        return self._update(call, row, self._read(call, body))

    def patch(self, call: Call, change: Callable[[Object], Object]) -> Object:
        """Store what a change makes of the present object and return it."""
        row = self.row(call)
        return self._update(call, row, self._read(call, change(loaded(call.resource, row))))

    def apply(self, call: Call, config: Object, *, force: bool) -> tuple[Object, bool]:
        """Server-side apply; return the object and whether it is new."""
        self._check_applied(call, config)
        row = self._store.get(call.resource.qualified, call.namespace, call.name)
        live = loaded(call.resource, row) if row else None
        managed = apply.decode((live or {}).get("metadata", {}).get("managedFields"))
        if call.resource.custom is None:
            strategies.check_types(config, call.resource.shape, call.resource.kind)
        base = _without_system(live)
        writer = call.writer("Apply")
        merged, managed = apply.applied(base, config, managed, writer, call.scope, now(), force=force)
        merged.setdefault("metadata", {})
        merged = self._read(call, merged)
        if row is None:
            if call.subresource:
                raise errors.not_found(call.resource, call.name)
            return self._create(call, merged, managed), True
        sent = (config.get("metadata") or {}).get("resourceVersion")
        merged["metadata"]["resourceVersion"] = sent or str(row.version)
        return self._update(call, row, merged, managed), False

    def _check_applied(self, call: Call, config: Object) -> None:
        strategies.check_types(config.get("metadata"), METADATA, call.resource.kind, ".metadata")
        metadata = config.get("metadata") or {}
        if metadata.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        if config.get("apiVersion") != call.resource.api_version or config.get("kind") != call.resource.kind:
            raise errors.bad_request(
                "the object provided is unrecognized (must be of type "
                f"{call.resource.kind}): {config.get('apiVersion')}, Kind={config.get('kind')}"
            )
        checks.name(call.name, metadata)
        config["metadata"] = dict(metadata)
        checks.namespace(call.resource, call.namespace, config["metadata"])
        config["metadata"]["name"] = call.name

    def _update(self, call: Call, row: Row, obj: Object, managed: Managed | None = None) -> Object:
        resource, live = call.resource, loaded(call.resource, row)
        self._settle(call, obj, live)
        if managed is None:
            sent = obj["metadata"].get("managedFields")
            before = apply.decode(live["metadata"].get("managedFields") if call.subresource else sent)
            if not before and sent != [{}]:
                before = apply.decode(live["metadata"].get("managedFields"))
            managed = apply.updated(live, obj, before, call.writer("Update"), call.scope, now())
        obj["metadata"].pop("managedFields", None)
        if managed:
            obj["metadata"]["managedFields"] = apply.encode(managed)
        obj["metadata"]["resourceVersion"] = str(row.version)
        if _same(obj, live):
            return live
        if resource.generation and not call.subresource and _differs(resource, obj, live):
            obj["metadata"]["generation"] = int(live["metadata"].get("generation") or 0) + 1
        self._validate(call, obj, live)
        self._authorize(call, obj, live)
        if call.dry_run:
            return obj
        if obj["metadata"].get("deletionTimestamp") and not is_held(resource, obj):
            # The answer shows the object as it was last stored, apart from what released it.
            self._store.write("DELETED", resource.qualified, obj, row.body)
            return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(row.version)}}
        return self._store.write("MODIFIED", resource.qualified, obj, row.body)

    def _settle(self, call: Call, obj: Object, live: Object) -> None:
        """Give an object what a write cannot change, in place; raise ApiError (409) for a stale one."""
        metadata, present = obj["metadata"], live["metadata"]
        sent_version, sent_uid = metadata.get("resourceVersion"), metadata.get("uid")
        if sent_version and sent_version != present["resourceVersion"]:
            raise errors.modified(call.resource, call.name)
        if sent_uid and sent_uid != present["uid"]:
            why = (
                f"Precondition failed: UID in precondition: {sent_uid}, UID in object meta: {present['uid']}"
            )
            raise errors.conflict(call.resource, call.name, why)
        if call.subresource == "status":
            _only_status(obj, live)
            return
        for key in (*_SERVER_OWNED, "generateName", "selfLink"):
            metadata.pop(key, None)
            if key in present:
                metadata[key] = present[key]
        metadata["name"] = call.name
        if call.resource.has_status:
            obj.pop("status", None)
            if "status" in live:
                obj["status"] = live["status"]
        if call.resource is NAMESPACES:
            obj["spec"] = live["spec"]

    def _read(self, call: Call, body: Object) -> Object:
        """Return what the body means for this resource: known fields only, defaults filled in."""
        resource, obj = call.resource, body
        if not isinstance(obj.get("metadata"), dict):
            obj["metadata"] = {}
        given = (obj.get("apiVersion") or resource.api_version, obj.get("kind") or resource.kind)
        if given != (resource.api_version, resource.kind):
            raise errors.bad_request(checks.wrong_kind(resource, *given))
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        if resource.custom is None:
            strategies.check_types(obj, resource.shape, resource.kind)
            unknown = strategies.prune(obj, resource.shape)
        else:
            strategies.check_types(obj["metadata"], METADATA, resource.kind, ".metadata")
            unknown = schema.prune(obj, resource.custom.schema)
            unknown += strategies.prune(obj["metadata"], METADATA, "metadata")
            schema.drop_nulls(obj, resource.custom.schema)
            schema.default(obj, resource.custom.schema)
        self._judge_unknown(call, unknown)
        checks.name(call.name, obj["metadata"])
        checks.namespace(call.resource, call.namespace, obj["metadata"])
        strategies.tidy(resource, obj)
        strategies.fill(resource, obj)
        return obj

    def _judge_unknown(self, call: Call, unknown: list[str]) -> None:
        if not unknown or call.validation == "Ignore":
            return
        texts = [f'unknown field "{one}"' for one in unknown]
        if call.validation != "Strict":
            call.warnings.extend(texts)
            return
        kind, version = call.resource.kind, call.resource.version
        raise errors.bad_request(
            f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {", ".join(texts)}'
        )

    def _admit(self, call: Call, name: str) -> None:
        """Raise ApiError unless the namespace takes new objects."""
        if not call.resource.namespaced:
            return
        row = self._store.get("namespaces", "", call.namespace)
        if row is None:
            raise errors.not_found(NAMESPACES, call.namespace)
        if "deletionTimestamp" in row.load()["metadata"]:
            why = f"namespace {call.namespace} is being terminated"
            cause = Cause("metadata.namespace", why, "NamespaceTerminating")
            text = (
                f"unable to create new content in namespace {call.namespace} because it is being terminated"
            )
            raise errors.forbidden(call.resource, name, text, [cause])

    def _validate(self, call: Call, obj: Object, live: Object | None) -> None:
        resource = call.resource
        causes = strategies.violations(resource, obj, live)
        if resource.custom is not None:
            causes += schema.violations(obj, self._registry.validator(resource))
        if causes:
            raise errors.invalid(resource.kind, resource.group, obj["metadata"]["name"], causes)

    def delete(self, call: Call, options: Mapping[str, Any]) -> Object:
        """Delete one object, or mark it while something holds it; return the answer's body."""
        row = self.row(call)
        resource = call.resource
        if refusal := strategies.refused_deletion(resource, call.name):
            raise refusal
        live = loaded(resource, row)
        checks.preconditions(resource, live, options.get("preconditions") or {})
        marked = self._mark(live, options)
        if is_held(resource, marked):
            if call.dry_run or _same(marked, live):
                return marked
            return self._store.write("MODIFIED", resource.qualified, marked, row.body)
        if not call.dry_run:
            self._store.write("DELETED", resource.qualified, live, row.body)
        if resource.qualified in _RETURNS_OBJECT:
            return loaded(resource, row)
        about = errors.details(resource, call.name) | {"uid": row.uid}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about}

    def _mark(self, live: Object, options: Mapping[str, Any]) -> Object:
        """Return the object on its way out: with a time, and finalizers for what must happen before."""
        metadata = dict(live["metadata"])
        policy = options.get("propagationPolicy")
        if options.get("orphanDependents"):
            policy = "Orphan"
        finalizers = [one for one in metadata.get("finalizers") or () if one not in (FOREGROUND, ORPHAN)]
        if policy in ("Foreground", "Orphan"):
            finalizers.append(FOREGROUND if policy == "Foreground" else ORPHAN)
        elif metadata.get("deletionTimestamp"):
            finalizers = list(metadata.get("finalizers") or ())
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        marked = {**live, "metadata": metadata}
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = now()
            if live["kind"] == "Namespace":
                marked["status"] = {**(live.get("status") or {}), "phase": "Terminating"}
            else:
                metadata["deletionGracePeriodSeconds"] = 0
            if metadata.get("generation"):
                metadata["generation"] += 1
        return marked


def is_held(resource: Resource, obj: Object) -> bool:
    """Say whether an object that is being deleted stays until somebody lets go of it."""
    held = bool(obj["metadata"].get("finalizers"))
    return held or (resource is NAMESPACES and bool((obj.get("spec") or {}).get("finalizers")))


def _only_status(obj: Object, live: Object) -> None:
    """Make an object the present one but for its status, in place."""
    sent, status = obj["metadata"].get("managedFields"), obj.get("status")
    obj.clear()
    obj.update(copy.deepcopy(live))
    obj["metadata"]["managedFields"] = sent
    obj.pop("status", None)
    if status is not None:
        obj["status"] = status


def _without_system(live: Object | None) -> Object | None:
    if live is None:
        return None
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return {**live, "metadata": metadata}


def _same(new: Object, live: Object) -> bool:
    """Say whether a write would change nothing."""
    return new == live or json.dumps(new, sort_keys=True) == json.dumps(live, sort_keys=True)


def _differs(resource: Resource, new: Object, live: Object) -> bool:
    """Say whether anything but metadata (and a status of its own) changed."""
    apart = ("metadata", "status") if resource.has_status else ("metadata",)

    def rest(obj: Object) -> Object:
        return {key: value for key, value in obj.items() if key not in apart}

    return rest(new) != rest(live)
