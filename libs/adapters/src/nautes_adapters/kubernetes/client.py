"""The Kubernetes API as we use it: get, list, create, apply, patch, delete, watch, and tokens.

Objects are JSON mappings. All methods raise Retry, Blocked or Rejected and nothing else; see `errors`.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from nautes_adapters.kubernetes.errors import EXPIRED, Answer, NotFound, busy_for_a_moment, failure_of
from nautes_adapters.kubernetes.kinds import kind_of
from nautes_adapters.kubernetes.marks import FIELD_MANAGER, plain
from nautes_adapters.kubernetes.transport import TIMEOUT, Query, Transport, no_account, read_token
from nautes_domain.failures import Rejected, Retry
from nautes_domain.kubeconfig import Credentials, checked_server, parse_kubeconfig

Object = dict[str, Any]
Objects = list[Object]

ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER: Final = "https://kubernetes.default.svc"
"""Kubernetes, "Accessing the Kubernetes API from a Pod"."""

_PAGE = 500
_ATTEMPTS = 4
"""How often a server is asked that is busy for a moment."""
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class AccountToken:
    """A token of a ServiceAccount and the time at which it ends. The repr does not show it."""

    value: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects, and the resourceVersion of the whole list."""

    items: Objects
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch: `kind` is ADDED, MODIFIED, DELETED or BOOKMARK; `version` is where to go on."""

    kind: str
    object: Object
    version: str


def account_user(namespace: str, account: str) -> str:
    """Return the user name of a ServiceAccount (Kubernetes, "Authenticating", service account tokens)."""
    return f"system:serviceaccount:{namespace}:{account}"


class KubernetesClient:
    """One cluster's API, as one user."""

    def __init__(self, credentials: Credentials, *, timeout: float = TIMEOUT) -> None:
        self._transport = Transport(credentials, timeout=timeout)
        self.server = credentials.server
        """Address of the API server, without a trailing slash."""
        self.ca_pem = credentials.ca_pem
        """The authorities that its certificate is checked against; public."""

    @classmethod
    def from_kubeconfig(cls, path: Path, *, timeout: float = TIMEOUT) -> Self:
        """Read a kubeconfig file, which may hold inline data only. Raises Rejected (code `kubeconfig`)."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = type(error).__name__
            raise Rejected(f"the kubeconfig cannot be read: {reason}", code="kubeconfig") from None
        return cls.from_kubeconfig_text(text, timeout=timeout)

    @classmethod
    def from_kubeconfig_text(cls, text: str, *, timeout: float = TIMEOUT) -> Self:
        """Make a client from an uploaded kubeconfig; see `kubeconfig` for what is refused."""
        return cls(parse_kubeconfig(text), timeout=timeout)

    @classmethod
    def in_cluster(
        cls, folder: Path = ACCOUNT_FOLDER, server: str = IN_CLUSTER, *, timeout: float = TIMEOUT
    ) -> Self:
        """Make a client of the cluster that this process runs on, as its pod's account.

        `folder` holds `token` and `ca.crt` as kubelet writes them. Raises Rejected (code `kubernetes-account`).
        """
        try:
            authorities = (folder / "ca.crt").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise no_account(folder, error) from None
        token_file = folder / "token"
        read_token(token_file)
        return cls(
            Credentials(checked_server(server), authorities, token_file=str(token_file)), timeout=timeout
        )

    @classmethod
    def from_token(cls, server: str, ca_pem: str, token: str, *, timeout: float = TIMEOUT) -> Self:
        """Make a client from a bearer token. Raises Rejected unless the server is given as https."""
        try:
            address = checked_server(server)
        except ValueError as error:
            raise Rejected(str(error), code="kubernetes-server") from None
        return cls(Credentials(address, ca_pem, token), timeout=timeout)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return one object, None if there is none."""
        try:
            answer = await self._call("GET", kind_of(kind).path(namespace, name), f"{kind}/{name}")
        except NotFound:
            return None
        return _object(answer)

    async def list(self, kind: str, namespace: str = "", *, labels: str = "") -> Objects:
        """Return all objects of a kind, of one namespace or of all, that match a label selector."""
        return (await self.listing(kind, namespace, labels=labels)).items

    async def listing(self, kind: str, namespace: str = "", *, labels: str = "") -> Listing:
        """Return the objects, and the version from which a watch goes on."""
        entry = kind_of(kind)
        items: Objects = []
        query = [("limit", str(_PAGE))] + ([("labelSelector", labels)] if labels else [])
        more = ""
        while True:
            page = query + ([("continue", more)] if more else [])
            answer = await self._call("GET", entry.path(namespace), kind, query=page)
            # Items of a list carry neither kind nor apiVersion for built-in kinds.
            items += [
                {"apiVersion": entry.api_version, "kind": kind, **item}
                for item in answer.body.get("items") or ()
            ]
            metadata = answer.body.get("metadata") or {}
            more = str(metadata.get("continue") or "")
            if not more:
                return Listing(items, str(metadata.get("resourceVersion") or ""))

    async def create(self, obj: Mapping[str, Any], impersonate: str | None = None) -> Object:
        """Create an object; `impersonate` is a user name, see `account_user`.

        Unknown fields are refused. Raises `AlreadyExists` if the name is taken.
        """
        kind, name, namespace = address_of(obj)
        headers = {"Impersonate-User": impersonate} if impersonate else {}
        query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")]
        path = kind_of(kind).path(namespace)
        return _object(
            await self._call("POST", path, f"{kind}/{name}", query=query, body=plain(obj), headers=headers)
        )

    async def apply(self, obj: Mapping[str, Any], *, force: bool = True) -> Object:
        """Server-side apply as field manager `nautes`: creates, or changes only the fields that are given."""
        kind, name, namespace = address_of(obj)
        query = [
            ("fieldManager", FIELD_MANAGER),
            ("force", "true" if force else "false"),
            ("fieldValidation", "Strict"),
        ]
        path = kind_of(kind).path(namespace, name)
        what = f"{kind}/{name}"
        answer = await self._call("PATCH", path, what, query=query, body=plain(obj), content_type=_APPLY)
        return _object(answer)

    async def patch_merge(
        self, kind: str, name: str, namespace: str, patch: Mapping[str, Any]
    ) -> Object | None:
        """Merge-patch one object (RFC 7386); None if there is none."""
        path = kind_of(kind).path(namespace, name)
        query = [("fieldManager", FIELD_MANAGER)]
        try:
            answer = await self._call(
                "PATCH", path, f"{kind}/{name}", query=query, body=plain(patch), content_type=_MERGE
            )
        except NotFound:
            return None
        return _object(answer)

    async def delete(self, kind: str, name: str, namespace: str = "", *, uid: str = "") -> bool:
        """Delete one object without waiting for its end; False if there is none.

        With `uid`, only that very object: a successor of the same name raises Retry (code `kubernetes-conflict`).
        """
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", kind_of(kind).path(namespace, name), f"{kind}/{name}", body=body)
        except NotFound:
            return False
        return True

    async def watch(
        self, kind: str, namespace: str = "", *, labels: str = "", since: str = "", seconds: int = 300
    ) -> AsyncGenerator[Change, None]:
        """Yield changes for one window of at most `seconds`, then end; go on with the last `version`.

        Raises Retry (code `kubernetes-expired`) when `since` is too old: list again and compare.
        """
        query: list[tuple[str, str]] = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
        ]
        query += [("labelSelector", labels)] if labels else []
        query += [("resourceVersion", since)] if since else []
        path = kind_of(kind).path(namespace)
        async with self._transport.lines(path, query=query, seconds=seconds + TIMEOUT) as lines:
            async for line in lines:
                yield _change(line, kind)

    async def pod_log(
        self, pod: str, namespace: str, container: str, *, silence: float, **options: str
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a container wrote, each line after its time (Kubernetes API reference, "read log of the pod").

        `options` are those of the API: `follow`, `tailLines`, `sinceTime`. Raises NotFound if the pod is gone, Retry
        after `silence` seconds without a byte.
        """
        query = [("container", container), ("timestamps", "true"), *options.items()]
        path = kind_of("Pod").path(namespace, pod, "log")
        async with self._transport.text(path, query=query, silence=silence) as (answer, chunks):
            if answer.status >= 400:
                raise failure_of(answer, f"Pod/{pod}")
            async for chunk in chunks:
                yield chunk

    async def token_request(
        self, namespace: str, account: str, audiences: tuple[str, ...] = (), seconds: int = 3600
    ) -> AccountToken:
        """Mint a token for a ServiceAccount; no audience means the API server's own. At least 600 seconds."""
        spec: dict[str, Any] = {"expirationSeconds": seconds}
        if audiences:
            spec["audiences"] = list(audiences)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = kind_of("ServiceAccount").path(namespace, account, "token")
        answer = await self._call("POST", path, f"ServiceAccount/{account}", body=body)
        status = answer.body.get("status") or {}
        try:
            return AccountToken(str(status["token"]), datetime.fromisoformat(status["expirationTimestamp"]))
        except (KeyError, ValueError, TypeError):
            raise Retry("the API server sent no token", what=f"ServiceAccount/{account}") from None

    async def _call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Query = (),
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await self._transport.call(
                method, path, query=query, body=body, content_type=content_type, headers=headers
            )
            if attempt == _ATTEMPTS or not busy_for_a_moment(answer):
                break
            await asyncio.sleep(int(answer.retry_after))
        if answer.status >= 400:
            raise failure_of(answer, what)
        return answer


def address_of(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return (kind, name, namespace) of an object."""
    metadata = obj.get("metadata") or {}
    return str(obj["kind"]), str(metadata["name"]), str(metadata.get("namespace") or "")


def _object(answer: Answer) -> Object:
    return dict(answer.body)


def _change(line: Answer, kind: str) -> Change:
    if line.status >= 400:
        raise failure_of(line, kind)
    found: Object = dict(line.body.get("object") or {})
    if line.body.get("type") == "ERROR":
        # A watch that is too old is told so with HTTP 200 and one line of type ERROR.
        raise failure_of(Answer(int(found.get("code") or 500), found), kind)
    version = str((found.get("metadata") or {}).get("resourceVersion") or "")
    if not version:
        raise Retry("a watch sent an object without a version", what=kind, code=EXPIRED)
    return Change(str(line.body.get("type")), found, version)
