"""From requests to answers: what each path and method does. Knows no sockets."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from nautes_localstack.kubernetes import (
    bodies,
    discovery,
    errors,
    logs,
    openapi,
    patches,
    reading,
    requests,
    reviews,
    strategies,
    tables,
    watch,
)
from nautes_localstack.kubernetes.access import Guard
from nautes_localstack.kubernetes.definitions import Registry
from nautes_localstack.kubernetes.errors import ApiError, Cause, PageNotFound
from nautes_localstack.kubernetes.kinds import PODS, SERVICE_ACCOUNTS, Resource
from nautes_localstack.kubernetes.objects import Call, Objects, loaded
from nautes_localstack.kubernetes.rbac import Access, User
from nautes_localstack.kubernetes.reading import is_true
from nautes_localstack.kubernetes.requests import Place, Request
from nautes_localstack.kubernetes.shapes import ANY, Object
from nautes_localstack.kubernetes.storage import Store
from nautes_localstack.kubernetes.tokens import Signer

_HEALTH: Final = ("/healthz", "/livez", "/readyz")
_PATCHES: Final = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `stream` instead of a body for a watch."""

    status: int
    body: str = ""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[str] | None = None


@dataclass(frozen=True)
class Context:
    """One authenticated request on a resource."""

    request: Request
    where: Place
    resource: Resource
    user: User
    verb: str
    warnings: list[str] = field(default_factory=list)

    @property
    def call(self) -> Call:
        """The write that is asked for."""
        query = self.request.query
        agent = self.request.headers.get("user-agent", "").partition("/")[0]
        return Call(
            self.resource,
            self.where.namespace,
            self.where.name,
            self.user,
            self.where.subresource,
            (query.get("fieldManager") or agent or "unknown")[:128],
            query.get("dryRun") == "All",
            query.get("fieldValidation") or "Warn",
            self.warnings,
        )


class Api:
    """All paths of one server. `address` is host and port."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        objects: Objects,
        guard: Guard,
        signer: Signer,
        hub: watch.Hub,
        address: str,
    ) -> None:
        self._store = store
        self._registry = registry
        self._objects = objects
        self._guard = guard
        self._signer = signer
        self._hub = hub
        self._address = address
        self._acts: Mapping[str, Callable[[Context], Answer]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request, refusals included."""
        try:
            user = self._guard.user(request.headers)
            if request.path.startswith(("/api/", "/apis/")):
                return self._resource(request, user)
            return self._other(request, user)
        except ApiError as error:
            return _refusal(error)
        except PageNotFound:
            return Answer(404, "404 page not found\n", "text/plain; charset=utf-8")

    def _other(self, request: Request, user: User) -> Answer:
        """Answer what is no resource: health, version, discovery's roots, OpenAPI and the keys of tokens."""
        path = request.path.rstrip("/") or "/"
        self._guard.check_path(user, request.method.lower(), path)
        wants_aggregate = "as=APIGroupDiscoveryList" in request.headers.get("accept", "")
        if path in _HEALTH or path.rsplit("/", 1)[0] in _HEALTH:
            return Answer(200, "ok", "text/plain; charset=utf-8")
        if wants_aggregate and path in ("/api", "/apis"):
            names = [""] if path == "/api" else self._registry.groups()
            return _json(discovery.aggregated(self._registry, names), content_type=discovery.AGGREGATED)
        if path.startswith("/openapi/v3/"):
            return self._openapi(path)
        pages: dict[str, Callable[[], Any]] = {
            "/version": discovery.version,
            "/api": lambda: discovery.core_versions(self._address),
            "/apis": lambda: discovery.groups(self._registry),
            "/openapi/v3": lambda: openapi.index(self._registry),
            "/openid/v1/jwks": self._signer.key_set,
            "/.well-known/openid-configuration": self._issuer,
            "/": lambda: {"paths": [*pages, *_HEALTH]},
        }
        if path not in pages:
            raise PageNotFound
        return _json(pages[path]())

    def _openapi(self, path: str) -> Answer:
        parts = path.removeprefix("/openapi/v3/").split("/")
        group, version = (parts[1], parts[2]) if len(parts) == 3 else ("", parts[-1])
        document = openapi.document(self._registry, group, version)
        if document is None:
            raise PageNotFound
        return _json(document)

    def _issuer(self) -> Object:
        return {
            "issuer": self._signer.issuer,
            "jwks_uri": f"https://{self._address}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _resource(self, request: Request, user: User) -> Answer:
        parts = request.path.strip("/").split("/")
        if len(parts) == (2 if parts[0] == "api" else 3) or (parts[0] == "apis" and len(parts) == 2):
            return self._group(request, user, parts)
        where = requests.place(request.path)
        watching = is_true(request.query.get("watch")) and request.method == "GET"
        verb = requests.verb(request.method, where, watching=watching)
        what = f"{where.plural}/{where.subresource}" if where.subresource else where.plural
        if not verb:
            raise errors.method_not_allowed()
        access = Access(verb, where.group, what, _namespace_of(where), where.name)
        resource = self._registry.get(where.group, where.version, where.plural)
        self._authorize(user, access, where, resource)
        if resource is None or resource.namespaced != bool(
            where.namespace or not (where.name or verb == "create")
        ):
            if resource is not None and verb == "create" and resource.namespaced:
                raise errors.method_not_allowed()
            if resource is None or where.namespace or resource.namespaced:
                raise PageNotFound
        return self._act(Context(request, where, resource, user, verb))

    def _authorize(self, user: User, access: Access, where: Place, resource: Resource | None) -> None:
        if not self._guard.allows(user, access):
            named = resource or Resource(where.group, where.version, where.plural, where.plural, ANY)
            self._guard.check(user, access.verb, named, access.namespace, where.name, where.subresource)

    def _group(self, request: Request, user: User, parts: list[str]) -> Answer:
        """Answer `/api/v1`, `/apis/GROUP` and `/apis/GROUP/VERSION`."""
        self._guard.check_path(user, request.method.lower(), request.path)
        group = "" if parts[0] == "api" else parts[1]
        if parts[0] == "apis" and len(parts) == 2:
            if group not in self._registry.groups():
                raise PageNotFound
            found = discovery.group(self._registry, group)
            return _json({"kind": "APIGroup", "apiVersion": "v1", **found})
        listed = discovery.resources(self._registry, group, parts[-1])
        if listed is None:
            raise PageNotFound
        return _json(listed)

    def _act(self, context: Context) -> Answer:
        where = context.where
        if where.subresource and not self._has(context.resource, where.subresource):
            raise PageNotFound
        if where.subresource == "token":
            return self._token(context)
        if where.subresource == "log":
            return self._log(context)
        if context.verb not in context.resource.verbs:
            raise errors.method_not_allowed()
        return self._acts[context.verb](context)

    def _has(self, resource: Resource, subresource: str) -> bool:
        return any(one["name"] == subresource for one in discovery.subresources(resource))

    def _get(self, context: Context) -> Answer:
        row = self._objects.row(context.call)
        if tables.is_wanted(context.request.headers.get("accept", "")):
            return _json(tables.table(context.resource, [loaded(context.resource, row)], row.version))
        return Answer(200, reading.render(context.resource, row.body))

    def _list(self, context: Context) -> Answer:
        found = reading.page(self._store, context.resource, context.where.namespace, context.request.query)
        if tables.is_wanted(context.request.headers.get("accept", "")):
            objects = [loaded(context.resource, row) for row in found.rows]
            return _json(
                tables.table(context.resource, objects, found.version, found.continuation, found.remaining)
            )
        return Answer(200, "".join(reading.render_list(context.resource, found)))

    def _watch(self, context: Context) -> Answer:
        query = dict(context.request.query)
        if context.where.name:
            query["fieldSelector"] = f"metadata.name={context.where.name}"
        asked = watch.asked(context.resource, context.where.namespace, query)
        if tables.is_wanted(context.request.headers.get("accept", "")):
            lines = tables.watched(context.resource, watch.stream(self._store, self._hub, asked))
            return Answer(200, stream=lines)
        return Answer(200, stream=watch.stream(self._store, self._hub, asked))

    def _create(self, context: Context) -> Answer:
        body = bodies.body(context.request)
        if not context.resource.stored:
            return _json(reviews.answer(self._guard, self._signer, context.call, body), 201)
        if context.where.name:
            raise errors.method_not_allowed()
        obj = self._objects.create(context.call, body)
        return _json(obj, 201, warnings=context.warnings)

    def _update(self, context: Context) -> Answer:
        obj = self._objects.replace(context.call, bodies.body(context.request))
        return _json(obj, warnings=context.warnings)

    def _token(self, context: Context) -> Answer:
        if context.verb != "create" or context.resource is not SERVICE_ACCOUNTS:
            raise errors.method_not_allowed()
        row = self._objects.row(context.call)
        return _json(reviews.token(self._signer, context.call, row, bodies.body(context.request)), 201)

    def _log(self, context: Context) -> Answer:
        if context.verb != "get" or context.resource is not PODS:
            raise errors.method_not_allowed()
        pod = self._objects.row(context.call).load()
        options = logs.asked(pod, context.request.query)
        text = logs.stream(self._store, self._hub, pod, options)
        return Answer(200, content_type="text/plain", stream=text)

    def _patch(self, context: Context) -> Answer:
        call, request = context.call, context.request
        how = _PATCHES.get(request.headers.get("content-type", "").partition(";")[0].strip())
        if how is None or (how == "strategic" and context.resource.custom is not None):
            raise _unknown_patch(context.resource, how)
        if how == "apply":
            if not request.query.get("fieldManager"):
                text = "Required value: is required for apply patch"
                cause = Cause("fieldManager", text, errors.REQUIRED)
                raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
            force = is_true(request.query.get("force"))
            obj, is_new = self._objects.apply(call, bodies.body(request), force=force)
            return _json(obj, 201 if is_new else 200, warnings=context.warnings)
        patch = bodies.parsed(request)
        if how != "json" and not isinstance(patch, dict):
            raise errors.bad_request("error decoding patch: the patch is no JSON object")

        if how == "strategic":
            strategies.check_types(patch, context.resource.shape, context.resource.kind)

        def change(live: Object) -> Object:
            if how == "json":
                return patches.json_patch(live, patch)
            if how == "merge":
                merged: Object = patches.merge_patch(live, patch)
                return merged
            changed: Object = patches.strategic_patch(live, patch, context.resource.shape)
            return changed

        return _json(self._objects.patch(call, change), warnings=context.warnings)

    def _delete(self, context: Context) -> Answer:
        options = bodies.options(context.request)
        call = replace(context.call, dry_run=_is_dry(options))
        return _json(self._objects.delete(call, options))

    def _delete_collection(self, context: Context) -> Answer:
        options = bodies.options(context.request)
        found = reading.page(self._store, context.resource, context.where.namespace, context.request.query)
        for row in found.rows:
            call = replace(context.call, namespace=row.namespace, name=row.name, dry_run=_is_dry(options))
            self._objects.delete(call, options)
        return Answer(200, "".join(reading.render_list(context.resource, found)))


def _namespace_of(where: Place) -> str:
    """Return the namespace that roles are asked about: a Namespace object is in itself."""
    if where.plural == "namespaces" and not where.group:
        return where.name
    return where.namespace


def _is_dry(options: Mapping[str, Any]) -> bool:
    return options.get("dryRun") in ("All", ["All"])


def _unknown_patch(resource: Resource, how: str | None) -> ApiError:
    if how is None:
        return errors.unsupported_media_type()
    accepted = ", ".join(kind for kind, name in _PATCHES.items() if name != "strategic")
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(
        415, "UnsupportedMediaType", message, {"kind": resource.plural} if resource.custom else {}
    )


def _json(
    body: Any, status: int = 200, *, content_type: str = "application/json", warnings: list[str] | None = None
) -> Answer:
    headers = tuple(("warning", f'299 - "{_escaped(one)}"') for one in warnings or ())
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Answer(status, text, content_type, headers)


def _escaped(text: str) -> str:
    return quote(text, safe=" !#$%&'()*+,-./:;<=>?@[]^_`{|}~").replace('"', '\\"')


def _refusal(error: ApiError) -> Answer:
    answer = _json(error.body(), error.code)
    if error.code == 504:
        return replace(answer, headers=(("retry-after", "1"),))
    return answer
