"""A kubeconfig as a closed model: what could run a program, read a file or skip TLS is refused. Pure.

A kubeconfig is uploaded by people and read by us with our rights, so it may only hold data: one server
over https, its CA, and a token or a client certificate (client-go `api/v1.Config` has much more).
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
_PEMS: Final[Mapping[str, str]] = {
    "certificate-authority-data": "CERTIFICATE",
    "client-certificate-data": "CERTIFICATE",
    "client-key-data": "PRIVATE KEY",
}
_WORDS: Final = frozenset({"name", "context", *_TOP, *_ENTRY, *_REASONS}.union(*_ENTRY.values()))
"""Keys that may be repeated in a message: where YAML is broken, a secret may stand where a key is expected."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a cluster is and how to prove who we are. The repr shows no secret."""

    server: str
    ca_pem: str = field(default="", repr=False)
    """Empty: the system's own authorities are trusted."""
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Path of a file that is read for each request, instead of `token`: kubelet renews the token of a pod's account."""
    certificate_pem: str = field(default="", repr=False)
    key_pem: str = field(default="", repr=False)
    tls_server_name: str = ""


def parse_kubeconfig(text: str) -> Credentials:
    """Return the credentials of the current context.

    Raises Rejected (code `kubeconfig`) with all violations. No message holds a value of the file.
    """
    try:
        documents = parse(text.encode("utf-8", "surrogatepass"), FILE)
    except Rejected as broken:
        # Its words may repeat what stands where a key or an alias is expected.
        line = broken.violations[0].line if broken.violations else 1
        message = (
            "is not YAML that is read: it is broken, or has repeated keys, tags, merge keys or many aliases"
        )
        fix = "write it as kubectl does"
        raise _rejected([Violation(FILE, line, "Config", "", "", "kubeconfig", message, fix)]) from None
    if len(documents) != 1:
        fix = "send one kubeconfig"
        raise _rejected(
            [Violation(FILE, 1, "Config", "", "", "kubeconfig", "expected exactly one document", fix)]
        )
    document = documents[0]
    violations = [*_closed(document), *_incomplete(document)]
    if violations:
        raise _rejected(violations)
    return _current(document)


def closed_kubeconfig(text: str, server: str) -> str:
    """Return a kubeconfig (as JSON) that holds the current context of `text` alone, for `server`.

    The declared address takes the place of the file's, as in the original (section 2.9), since an administrator's
    kubeconfig often names the machine that it was made on. `text` may be in base64 (rule C7). Raises as `parse_kubeconfig`.
    """
    found = parse_kubeconfig(_plain(text))
    cluster = {"server": server, "tls-server-name": found.tls_server_name}
    cluster["certificate-authority-data"] = _base64(found.ca_pem)
    user = {
        "token": found.token,
        "client-certificate-data": _base64(found.certificate_pem),
        "client-key-data": _base64(found.key_pem),
    }
    name = "cluster"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": _filled(cluster)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": _filled(user)}],
    }
    return json.dumps(config)


def _plain(text: str) -> str:
    """Return what base64 stands for, or the text itself if it is none: YAML of a kubeconfig holds colons."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return text


def _base64(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()


def _filled(body: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in body.items() if value}


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
        f"the kubeconfig is refused: {violations[0].field} {violations[0].message}".replace(":  ", ": "),
        violations,
        who="whoever uploaded it",
        next_step="upload a kubeconfig with inline certificate-authority-data and a token",
        code="kubeconfig",
    )


def _violation(document: Document, path: Path, message: str, fix: str) -> Violation:
    known = [str(part) if isinstance(part, int) or part in _WORDS else "…" for part in path]
    return Violation(FILE, document.line_of(path), "Config", "", ".".join(known), "kubeconfig", message, fix)


def _closed(document: Document) -> Iterator[Violation]:
    """Yield what does not belong to the closed model, in every entry and not only in the current one."""
    for key in document.value.keys() - _TOP:
        yield _violation(document, (key,), "is not accepted", "remove it")
    for plural, single in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        entries = document.value.get(plural)
        if not isinstance(entries, list):
            yield _violation(document, (plural,), "must be a list", f"list at least one {single}")
            continue
        for index, entry in enumerate(entries):
            yield from _entry(document, (plural, index), entry, single)


def _entry(document: Document, path: Path, entry: Any, single: str) -> Iterator[Violation]:
    body = entry.get(single) if isinstance(entry, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(entry.get("name"), str):
        yield _violation(document, path, f"must have a name and a {single}", "complete or remove it")
        return
    for key in entry.keys() - {"name", single}:
        yield _violation(document, (*path, key), "is not accepted", "remove it")
    for key in body.keys() - _ENTRY[single]:
        reason = _REASONS.get(key, "it is not known")
        yield _violation(document, (*path, single, key), f"is not accepted: {reason}", "remove it")
    if body.get("insecure-skip-tls-verify", False) is not False:
        where = (*path, single, "insecure-skip-tls-verify")
        fix = "remove it, and give certificate-authority-data"
        yield _violation(document, where, "is not accepted: TLS is always verified", fix)
    for key in body.keys() & (_ENTRY[single] - {"extensions", "insecure-skip-tls-verify"}):
        if not isinstance(body[key], str):
            yield _violation(document, (*path, single, key), "must be text", "put it between quotes")
    if single == "cluster":
        try:
            checked_server(body.get("server"))
        except ValueError as error:
            fix = "write https://, a host and a port"
            yield _violation(document, (*path, single, "server"), str(error), fix)


def _incomplete(document: Document) -> Iterator[Violation]:
    """Yield what the current context lacks; what is said of its entries already is not said again."""
    config = document.value
    at = _index(config, "contexts", config.get("current-context"))
    if at is None:
        message, fix = "names no context of this file", "write the name of one"
        yield _violation(document, ("current-context",), message, fix)
        return
    context = _body(config, "contexts", at, "context")
    for plural, single in (("clusters", "cluster"), ("users", "user")):
        index = _index(config, plural, context.get(single))
        if index is None:
            where = ("contexts", at, "context", single)
            yield _violation(document, where, f"names no {single} of this file", "write the name of one")
        else:
            yield from _credentials(document, (plural, index, single), _body(config, plural, index, single))


def _credentials(document: Document, path: Path, body: Mapping[str, Any]) -> Iterator[Violation]:
    for key, label in _PEMS.items():
        if isinstance(body.get(key), str) and body[key] and not _pem(body[key], label):
            message = f"is not base64 of a PEM of a {label.lower()}"
            yield _violation(document, (*path, key), message, "write it as kubectl does")
    proven = body.get("token") or (body.get("client-certificate-data") and body.get("client-key-data"))
    if path[-1] == "user" and not proven and body.keys() <= _ENTRY["user"]:
        message = "has neither a token nor a client certificate with its key"
        yield _violation(
            document, path, message, "give token, or client-certificate-data and client-key-data"
        )


def _current(document: Document) -> Credentials:
    """Return what a complete file of the closed model says."""
    config = document.value
    context = _of(config, "contexts", config["current-context"], "context")
    cluster = _of(config, "clusters", context["cluster"], "cluster")
    user = _of(config, "users", context["user"], "user")
    return Credentials(
        server=checked_server(cluster.get("server")),
        ca_pem=_pem(cluster.get("certificate-authority-data"), "CERTIFICATE"),
        token=str(user.get("token") or ""),
        certificate_pem=_pem(user.get("client-certificate-data"), "CERTIFICATE"),
        key_pem=_pem(user.get("client-key-data"), "PRIVATE KEY"),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
    )


def _of(config: Mapping[str, Any], plural: str, name: Any, single: str) -> Mapping[str, Any]:
    index = _index(config, plural, name)
    return {} if index is None else _body(config, plural, index, single)


def _index(config: Mapping[str, Any], plural: str, name: Any) -> int | None:
    """Return where an entry of a name stands; the first counts."""
    entries = config.get(plural)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if name and isinstance(entry, Mapping) and entry.get("name") == name:
            return index
    return None


def _body(config: Mapping[str, Any], plural: str, index: int, single: str) -> Mapping[str, Any]:
    body = config[plural][index].get(single)
    return body if isinstance(body, Mapping) else {}


def _pem(data: Any, label: str) -> str:
    """Return the PEM that base64 stands for, the empty text if it is none."""
    try:
        text = base64.b64decode(data or "", validate=True).decode("ascii")
    except ValueError:
        return ""
    return text if f"{label}-----" in text else ""
