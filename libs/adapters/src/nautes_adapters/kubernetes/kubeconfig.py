"""A kubeconfig as a closed model: what could run a program, read a file or skip TLS is refused. Pure.

A kubeconfig is uploaded by people and read by us with our rights, so it may only hold data: one server
over https, its CA, and a token or a client certificate (client-go `api/v1.Config` has much more).
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final
from urllib.parse import urlsplit

from nautes_domain.failures import Rejected, Violation
from nautes_domain.source import Document, Path, parse

FILE: Final = "kubeconfig"

_TOP = frozenset({"apiVersion", "kind", "preferences", "extensions", "current-context", "clusters", "contexts", "users"})  # fmt: skip
_ENTRY: Final[Mapping[str, frozenset[str]]] = {
    "cluster": frozenset(
        {"server", "certificate-authority-data", "tls-server-name", "insecure-skip-tls-verify", "extensions"}
    ),
    "context": frozenset({"cluster", "user", "namespace", "extensions"}),
    "user": frozenset({"token", "client-certificate-data", "client-key-data", "extensions"}),
}
_REASONS: Final[Mapping[str, str]] = {
    "exec": "it would run a program here",
    "auth-provider": "it would run a plug-in here",
    "certificate-authority": "it names a file; give certificate-authority-data",
    "client-certificate": "it names a file; give client-certificate-data",
    "client-key": "it names a file; give client-key-data",
    "tokenFile": "it names a file; give token",
    "proxy-url": "requests go to the cluster itself",
    "username": "passwords are not accepted; give a token",
    "password": "passwords are not accepted; give a token",
    "as": "give the account's own token",
    "as-groups": "give the account's own token",
    "as-uid": "give the account's own token",
    "as-user-extra": "give the account's own token",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a cluster is and how to prove who we are. The repr shows no secret."""

    server: str
    ca_pem: str = field(default="", repr=False)
    """Empty: the system's own authorities are trusted."""
    token: str = field(default="", repr=False)
    token_file: FilePath | None = None
    """Read for each request, instead of `token`: kubelet renews the token of a pod's account."""
    certificate_pem: str = field(default="", repr=False)
    key_pem: str = field(default="", repr=False)
    tls_server_name: str = ""


def parse_kubeconfig(text: str) -> Credentials:
    """Return the credentials of the current context.

    Raises Rejected (code `kubeconfig`) with all violations. No message holds a value of the file.
    """
    documents = parse(text.encode(), FILE)
    if len(documents) != 1:
        raise _rejected([Violation(FILE, 1, "Config", "", "", "kubeconfig", "expected exactly one document")])
    document = documents[0]
    violations = list(_closed(document))
    if violations:
        raise _rejected(violations)
    return _current(document)


def checked_server(server: Any) -> str:
    """Return an API server's address without a trailing slash; raise ValueError unless it is plain https."""
    parts = urlsplit(server if isinstance(server, str) else "")
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("the server's address must start with https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the server's address must hold no user, query or fragment")
    return str(server).rstrip("/")


def _rejected(violations: list[Violation]) -> Rejected:
    return Rejected(
        f"the kubeconfig is refused: {violations[0].field} {violations[0].message}",
        violations,
        who="whoever uploaded it",
        next_step="upload a kubeconfig with inline certificate-authority-data and a token",
        code="kubeconfig",
    )


def _violation(document: Document, path: Path, message: str, fix: str = "") -> Violation:
    where = ".".join(str(part) for part in path)
    return Violation(FILE, document.line_of(path), "Config", "", where, "kubeconfig", message, fix)


def _closed(document: Document) -> Iterator[Violation]:
    """Yield what does not belong to the closed model, in every entry and not only in the current one."""
    for key in document.value.keys() - _TOP:
        yield _violation(document, (key,), "is not accepted", f"remove {key}")
    for plural, single in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        entries = document.value.get(plural)
        if not isinstance(entries, list):
            yield _violation(document, (plural,), "must be a list")
            continue
        for index, entry in enumerate(entries):
            yield from _entry(document, (plural, index), entry, single)


def _entry(document: Document, path: Path, entry: Any, single: str) -> Iterator[Violation]:
    body = entry.get(single) if isinstance(entry, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(entry.get("name"), str):
        yield _violation(document, path, f"must have a name and a {single}")
        return
    for key in entry.keys() - {"name", single}:
        yield _violation(document, (*path, key), "is not accepted", f"remove {key}")
    for key in body.keys() - _ENTRY[single]:
        reason = _REASONS.get(key, "is not known")
        yield _violation(document, (*path, single, key), f"is not accepted: {reason}", f"remove {key}")
    if body.get("insecure-skip-tls-verify", False) is not False:
        where = (*path, single, "insecure-skip-tls-verify")
        yield _violation(document, where, "is not accepted: TLS is always verified", "give the CA")
    for key in body.keys() & (_ENTRY[single] - {"extensions", "insecure-skip-tls-verify"}):
        if not isinstance(body[key], str):
            yield _violation(document, (*path, single, key), "must be text")
    if single == "cluster":
        try:
            checked_server(body.get("server"))
        except ValueError as error:
            yield _violation(document, (*path, single, "server"), str(error))


def _current(document: Document) -> Credentials:
    config = document.value
    context = _named(document, "contexts", config.get("current-context"), "context")
    cluster = _named(document, "clusters", context.get("cluster"), "cluster")
    user = _named(document, "users", context.get("user"), "user")
    token = str(user.get("token") or "")
    certificate = _pem(document, user, "client-certificate-data", "CERTIFICATE")
    key = _pem(document, user, "client-key-data", "PRIVATE KEY")
    if not token and not (certificate and key):
        raise _rejected(
            [_violation(document, ("users",), "the user has neither token nor client certificate")]
        )
    return Credentials(
        server=checked_server(cluster.get("server")),
        ca_pem=_pem(document, cluster, "certificate-authority-data", "CERTIFICATE"),
        token=token,
        certificate_pem=certificate,
        key_pem=key,
        tls_server_name=str(cluster.get("tls-server-name") or ""),
    )


def _named(document: Document, plural: str, name: Any, single: str) -> Mapping[str, Any]:
    for entry in document.value[plural]:
        if name and entry["name"] == name:
            found: Mapping[str, Any] = entry[single]
            return found
    raise _rejected([_violation(document, (plural,), f"has no entry for the current {single}")])


def _pem(document: Document, body: Mapping[str, Any], key: str, label: str) -> str:
    data = body.get(key)
    if not data:
        return ""
    try:
        text = base64.b64decode(data, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise _rejected([_violation(document, (), f"{key} is not base64 of a PEM")]) from None
    if f"{label}-----" not in text:
        raise _rejected([_violation(document, (), f"{key} holds no PEM of a {label.lower()}")])
    return text
