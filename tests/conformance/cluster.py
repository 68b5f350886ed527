"""An API server as the conformance tests use it: plain HTTP, one administrator, some waiting."""

import json
import ssl
import threading
import time
from contextlib import contextmanager

import httpx

AGENT = "python-requests/2.32"
"""The recordings were made with it; it becomes the manager in managedFields."""

PATIENCE = 20.0
"""Seconds until something that the server does by itself must have happened."""


class Cluster:
    def __init__(self, url: str, token: str, ca: str, *, is_local: bool) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.ca = ca
        self.is_local = is_local
        self.http = self.client(token)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def client(self, token: str, **headers: str) -> httpx.Client:
        """Return a client with another token or more headers."""
        sent = {"User-Agent": AGENT, **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        trust = ssl.create_default_context(cadata=self.ca)
        return httpx.Client(base_url=self.url, headers=sent, verify=trust, trust_env=False, timeout=30)

    def create(self, path: str, body, **params) -> dict:
        return created(self.http.post(path, json=body, params=params))

    def get(self, path: str, **params) -> dict:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def patch(self, path: str, body, kind: str = "merge-patch+json", http=None, **params) -> httpx.Response:
        headers = {"Content-Type": f"application/{kind}"}
        return (http or self.http).patch(path, content=json.dumps(body), headers=headers, params=params)

    def apply(self, path: str, body, manager: str = "one", **params) -> httpx.Response:
        return self.patch(path, body, "apply-patch+yaml", fieldManager=manager, **params)

    def eventually(self, path: str, holds, http=None) -> httpx.Response:
        """Return the first answer for which `holds`."""
        deadline = time.monotonic() + PATIENCE
        while not holds(answer := (http or self.http).get(path)):
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)
        return answer

    def token_of(self, namespace: str, account: str, **spec) -> str:
        """Return a token of a ServiceAccount."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return self.create(path, body)["status"]["token"]

    def version(self, path: str) -> str:
        """Return the present resourceVersion of a collection."""
        return self.get(path, limit=1)["metadata"]["resourceVersion"]

    def events(self, path: str, **params) -> list[dict]:
        """Return all events of a watch until its window ends."""
        sent = {"watch": "true", "timeoutSeconds": 1, **params}
        with self.http.stream("GET", path, params=sent) as answer:
            assert answer.status_code == 200, answer.read()
            return [json.loads(line) for line in answer.iter_lines() if line]

    @contextmanager
    def watching(self, path: str, **params):
        """Yield a list that fills with events while the block runs; complete afterwards."""
        found: list[dict] = []
        opened = threading.Event()

        def follow() -> None:
            sent = {"watch": "true", "timeoutSeconds": 2, **params}
            with self.client(self.token) as http, http.stream("GET", path, params=sent) as answer:
                opened.set()
                found.extend(json.loads(line) for line in answer.iter_lines() if line)

        thread = threading.Thread(target=follow)
        thread.start()
        assert opened.wait(PATIENCE)
        try:
            yield found
        finally:
            thread.join(PATIENCE)


def created(answer: httpx.Response) -> dict:
    assert answer.status_code == 201, answer.text
    return answer.json()


def names(events, *kinds: str) -> list[tuple[str, str]]:
    """Return (type, name) of events, bookmarks apart."""
    found = [one for one in events if one["type"] in (kinds or ("ADDED", "MODIFIED", "DELETED"))]
    return [(one["type"], one["object"]["metadata"]["name"]) for one in found]


def configmap(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"a": "1"}}
