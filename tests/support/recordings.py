"""Recorded requests and answers of a real Kubernetes API server, replayed against another one and compared.

What differs from run to run (uids, versions, times, generated names, tokens) is learned from the answers and put
into the requests that follow. Waiting for controllers was recorded as repeated reads: an answer may come earlier
or later than it did there. States on the way may differ, as controllers write them in steps that a reader sees or
misses by chance (the conditions of a namespace that goes); what comes of it in the end may not.
"""

import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

RECORDED_RUN = "214a6c"
"""The recordings name their namespace and group by this; a replay takes a name of its own."""
RECORDED_HOST = "127.0.0.1:16443"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
GENERATED = re.compile(r"gen-[a-z0-9]{5}\Z")
AGE = re.compile(r"\d+[smhd]\Z")
"""In a cell of a table."""
TIMES = {"creationTimestamp", "deletionTimestamp", "time", "expirationTimestamp", "lastTransitionTime"}
FREE = {
    "token",
    "kid",
    "n",
    "issuer",
    "jwks_uri",
    "audiences",
    "serverAddressByClientCIDRs",
    "ca.crt",
    "storageVersionHash",
}
"""Values that are each server's own; that they are there, and of the same type, is compared."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Row:
    """One recorded exchange."""

    number: int
    check: str
    method: str
    path: str
    params: dict[str, Any]
    content_type: str | None
    accept: str | None
    auth: str
    body: Any
    status: int
    response: Any

    @property
    def request(self) -> tuple[str, str, str, str]:
        """What makes two rows the same question."""
        return self.method, self.path, json.dumps(self.params, sort_keys=True), json.dumps(self.body)


@dataclass
class Replay:
    """One replay against one server."""

    url: str
    token: str
    ca: str
    rows: list[Row]
    learned: dict[str, str] = field(default_factory=dict)
    outcomes: dict[int, list[str]] = field(default_factory=dict)
    """Differences by number of the row; none when it agrees."""
    account_token: str = ""

    def run(self) -> None:
        """Replay all rows in order."""
        context = ssl.create_default_context(cadata=self.ca)
        with httpx.Client(base_url=self.url, verify=context, timeout=30, trust_env=False) as client:
            for row in self.rows:
                self.outcomes[row.number] = self._replay(client, row)

    def _replay(self, client: httpx.Client, row: Row) -> list[str]:
        alike = [one for one in self.rows if one.check == row.check and one.request == row.request]
        deadline = time.monotonic() + PATIENCE
        while True:
            status, answer = self._ask(client, row)
            found = self._compare(row, status, answer)
            if not found or row.method != "GET" or len(alike) == 1:
                return found
            if any(not self._compare(later, status, answer) for later in alike if later.number > row.number):
                return []
            on_the_way = any(one.status == status for one in alike if one.number < row.number)
            if not on_the_way or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _ask(self, client: httpx.Client, row: Row) -> tuple[int, Any]:
        tokens = {"default": self.token, "sa": self.account_token, "wrong-token": "wrong"}
        headers = {"Authorization": f"Bearer {tokens[row.auth]}", "User-Agent": "python-requests/2.32.5"}
        if row.content_type:
            headers["Content-Type"] = row.content_type
        headers["Accept"] = row.accept or "*/*"
        params = {key: self._translated(str(value)) for key, value in row.params.items()}
        content = None if row.body is None else json.dumps(self._put_in(row.body)).encode()
        answer = client.request(row.method, row.path, params=params, headers=headers, content=content)
        try:
            body = answer.json()
        except ValueError:
            body = answer.text
        if row.path.endswith("/serviceaccounts/rb/token") and answer.status_code == 201:
            self.account_token = body["status"]["token"]
        return answer.status_code, body

    def _put_in(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._put_in(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._put_in(one) for one in value]
        return self._translated(value) if isinstance(value, str) else value

    def _translated(self, text: str) -> str:
        if text == "ADMIN_TOKEN":
            return self.token
        if text in self.learned:
            return self.learned[text]
        for old, new in self.learned.items():
            if len(old) >= 8 and old in text:
                text = text.replace(old, new)
        return text

    def _compare(self, row: Row, status: int, answer: Any) -> list[str]:
        if status != row.status:
            return [f"status {status} instead of {row.status}: {json.dumps(answer)[:300]}"]
        if row.response == "(large)":
            return []
        if row.path in DISCOVERY:
            return list(DISCOVERY[row.path](row.response, answer))
        if isinstance(row.response, dict) and "_raw" in row.response:
            answer = {"_raw": answer}
        return list(self._differences(row.response, answer, ()))

    def _differences(self, recorded: Any, answer: Any, where: tuple[str, ...]) -> Iterator[str]:
        key, path = where[-1] if where else "", ".".join(where)
        if isinstance(recorded, str) and isinstance(answer, str):
            if not (_is_age(recorded, answer, where) or self._same_text(recorded, answer, key)):
                yield f"{path}: {answer[:200]!r} instead of {self._translated(recorded)[:200]!r}"
        elif type(recorded) is not type(answer):
            yield f"{path}: {json.dumps(answer)[:200]} instead of {json.dumps(recorded)[:200]}"
        elif key in FREE:
            return
        elif isinstance(recorded, dict):
            yield from self._of_objects(recorded, answer, where)
        elif isinstance(recorded, list):
            yield from self._of_lists(recorded, answer, where)
        elif recorded != answer:
            yield f"{path}: {answer!r} instead of {recorded!r}"

    def _of_objects(
        self, recorded: dict[str, Any], answer: dict[str, Any], where: tuple[str, ...]
    ) -> Iterator[str]:
        path = ".".join(where)
        theirs = {self._translated(name): one for name, one in recorded.items()}
        for name in sorted(theirs.keys() | answer.keys()):
            if name not in answer:
                yield f"{path}.{name} is missing"
            elif name not in theirs:
                yield f"{path}.{name} should not be there: {json.dumps(answer[name])[:120]}"
            else:
                yield from self._differences(theirs[name], answer[name], (*where, name))

    def _of_lists(self, recorded: list[Any], answer: list[Any], where: tuple[str, ...]) -> Iterator[str]:
        path = ".".join(where)
        if len(recorded) != len(answer):
            yield f"{path}: {len(answer)} items instead of {len(recorded)}"
            return
        if where == ("items",):  # generated names sort by chance
            recorded = sorted(recorded, key=lambda one: self._translated(one["metadata"]["name"]))
            answer = sorted(answer, key=lambda one: str(one["metadata"]["name"]))
        elif where == ("rows",):
            recorded = sorted(recorded, key=lambda one: self._translated(one["cells"][0]))
            answer = sorted(answer, key=lambda one: str(one["cells"][0]))
        elif (
            where and where[-1] == "managedFields"
        ):  # by time, and what happened in one second is in any order
            recorded, answer = sorted(recorded, key=_manager), sorted(answer, key=_manager)
        for index, (mine, theirs) in enumerate(zip(recorded, answer, strict=True)):
            yield from self._differences(mine, theirs, (*where, str(index)))

    def _same_text(self, recorded: str, answer: str, key: str) -> bool:
        """Compare two texts; what each server chooses for itself must have its form, and uids must stay the same."""
        if key == "uid" and UID.match(recorded):
            same = bool(UID.match(answer)) and self.learned.setdefault(recorded, answer) == answer
        elif key == "name" and GENERATED.match(recorded):
            same = bool(GENERATED.match(answer)) and self.learned.setdefault(recorded, answer) == answer
        elif key == "resourceVersion" and recorded.isdecimal():
            self.learned[recorded] = answer
            same = answer.isdecimal()
        elif key == "continue":
            self.learned[recorded] = answer
            same = bool(answer) == bool(recorded)
        elif key in TIMES:
            same = bool(TIME.match(answer))
        else:
            same = bool(answer) if key in FREE else self._translated(recorded) == answer
        return same


def _is_age(recorded: str, answer: str, where: tuple[str, ...]) -> bool:
    return "cells" in where and bool(AGE.match(recorded)) and bool(AGE.match(answer))


def _manager(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["manager"], entry["operation"], entry.get("subresource", "")


def _version(recorded: Any, answer: Any) -> Iterator[str]:
    for name in ("major", "minor", "gitVersion", "platform"):
        if type(answer.get(name)) is not type(recorded[name]):
            yield f"{name} is missing"


def _groups(recorded: Any, answer: Any) -> Iterator[str]:
    theirs = {group["name"]: group for group in recorded["groups"]}
    for group in answer["groups"]:
        if group["name"] in theirs and group["preferredVersion"] != theirs[group["name"]]["preferredVersion"]:
            yield f"group {group['name']} prefers {group['preferredVersion']}"
    for name in ("rbac.authorization.k8s.io", "apiextensions.k8s.io", "authentication.k8s.io"):
        if name not in {group["name"] for group in answer["groups"]}:
            yield f"group {name} is missing"


def _resources(recorded: Any, answer: Any) -> Iterator[str]:
    theirs = {one["name"]: one for one in recorded["resources"]}
    mine = {one["name"]: one for one in answer["resources"]}
    for name in ("namespaces", "configmaps", "secrets", "serviceaccounts", "serviceaccounts/token", "pods"):
        if name not in mine:
            yield f"{name} is missing"
    for name in mine.keys() & theirs.keys():
        for part in ("kind", "namespaced", "singularName", "shortNames"):
            if mine[name].get(part) != theirs[name].get(part):
                yield f"{name}.{part}: {mine[name].get(part)} instead of {theirs[name].get(part)}"
        if extra := set(mine[name]["verbs"]) - set(theirs[name]["verbs"]):
            yield f"{name} has verbs of its own: {extra}"


def _aggregated(recorded: Any, answer: Any) -> Iterator[str]:
    theirs = {one["metadata"]["name"]: one for one in recorded["items"]}
    for group in answer["items"]:
        known = theirs.get(group["metadata"]["name"])
        if known is None:
            continue
        resources = {
            (version["version"], one["resource"]): one
            for version in known["versions"]
            for one in version["resources"]
        }
        for version in group["versions"]:
            for one in version["resources"]:
                same = resources.get((version["version"], one["resource"]))
                if same and (same["scope"], same["responseKind"]) != (one["scope"], one["responseKind"]):
                    yield f"{one['resource']}: {one['scope']} {one['responseKind']}"


def _openapi(recorded: Any, answer: Any) -> Iterator[str]:
    if not answer["paths"].keys() & recorded["paths"].keys():
        yield "no path in common"


DISCOVERY = {"/version": _version, "/apis": lambda mine, theirs: _aggregated(mine, theirs) if "items" in mine else _groups(mine, theirs), "/api/v1": _resources, "/openapi/v3": _openapi}  # fmt: skip


def rows_of(file: Path, url: str) -> list[Row]:
    """Return the recordings, renamed for one replay against the server at `url`."""
    own = secrets.token_hex(3)
    host = url.removeprefix("https://").rstrip("/")
    rows = []
    for number, line in enumerate(file.read_text().splitlines()):
        found = json.loads(line.replace(RECORDED_RUN, own).replace(RECORDED_HOST, host))
        rows.append(
            Row(
                number, found["check"], found["method"], found["path"], found["params"], found["contentType"],
                found["accept"], found["auth"], found["body"], found["status"], found["response"],
            )
        )  # fmt: skip
    return rows
