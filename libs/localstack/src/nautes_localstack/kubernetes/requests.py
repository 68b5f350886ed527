"""What a request asks for: its path and method in words of the API. Pure (Kubernetes API concepts, "Resource URIs")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from nautes_localstack.kubernetes.errors import PageNotFound

_NAMESPACE_PARTS: Final = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body read."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; what comes more than once is joined by line feeds."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def of_scope(scope: Mapping[str, Any], body: bytes) -> Request:
    """Return the request of an ASGI scope."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}\n{value}" if name in headers else value
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").split("?")[0]
    return Request(scope["method"], path, query, headers, body)


def place(path: str) -> Place:
    """Return what a path below `/api` or `/apis` names; raise PageNotFound."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise PageNotFound
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and not (len(rest) == 3 and rest[2] in _NAMESPACE_PARTS):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or not all(rest):
        raise PageNotFound
    plural, name, subresource = (*rest, "", "")[:3]
    return Place(group, version, plural, namespace, name, subresource)


def verb(method: str, where: Place, *, watching: bool) -> str:
    """Return the verb that roles are asked about; nothing for a method that there is not."""
    one = bool(where.name)
    match method:
        case "GET":
            return "watch" if watching else "get" if one else "list"
        case "POST":
            return "create"
        case "PUT":
            return "update" if one else ""
        case "PATCH":
            return "patch" if one else ""
        case "DELETE":
            return "delete" if one else "deletecollection"
        case _:
            return ""
