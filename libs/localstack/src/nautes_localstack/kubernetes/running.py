"""Putting a server together: state, identity, what is there from the beginning, the application."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from nautes_localstack.kubernetes import bootstrap, definitions
from nautes_localstack.kubernetes.access import Guard
from nautes_localstack.kubernetes.api import Api
from nautes_localstack.kubernetes.definitions import Registry
from nautes_localstack.kubernetes.identity import Identity
from nautes_localstack.kubernetes.kinds import DEFINITIONS, NAMESPACES, Resource
from nautes_localstack.kubernetes.lifecycle import Lifecycle
from nautes_localstack.kubernetes.objects import Call, Objects
from nautes_localstack.kubernetes.rbac import MASTERS, User
from nautes_localstack.kubernetes.server import Server
from nautes_localstack.kubernetes.shapes import Object
from nautes_localstack.kubernetes.storage import HISTORY, Store
from nautes_localstack.kubernetes.tokens import Signer
from nautes_localstack.kubernetes.watch import Hub

SHIPPED: Final = Path(__file__).parent / "crds"
"""Small definitions of the kinds of Tekton and Argo CD that the platform writes."""

SERVER: Final = "kube-apiserver"
_USER: Final = User(f"system:{SERVER}", groups=(MASTERS,))
_ISSUER: Final = "issuer"


@dataclass(frozen=True)
class Built:
    """A server, ready to serve."""

    application: Server
    hub: Hub
    store: Store


def build(
    identity: Identity,
    *,
    host: str,
    port: int,
    admin_token: str,
    crds: Path = SHIPPED,
    history: int = HISTORY,
    absent_finalizers: Iterable[str] = (),
) -> Built:
    """Return a server over the state in its directory; `absent_finalizers` as in `Lifecycle`."""
    store = Store(identity.directory / "state.sqlite", history=history)
    address = f"{host}:{port}"
    # Tokens outlive a change of the port.
    if not store.fact(_ISSUER):
        store.note(_ISSUER, f"https://{address}")
    signer = Signer(identity.key.read_bytes(), store.fact(_ISSUER))
    registry = Registry()
    guard = Guard(store, signer, admin_token)
    objects = Objects(store, registry, guard.check_grants)
    hub = Hub(store)
    lifecycle = Lifecycle(
        store, registry, objects, identity.authority.read_text(), frozenset(absent_finalizers)
    )
    _begin(store, objects, lifecycle, crds)
    api = Api(
        store=store, registry=registry, objects=objects, guard=guard, signer=signer, hub=hub, address=address
    )
    return Built(Server(api, lifecycle), hub, store)


def _begin(store: Store, objects: Objects, lifecycle: Lifecycle, crds: Path) -> None:
    """Create what every cluster has and what is missing of it; definitions follow their files."""
    for name in bootstrap.NAMESPACES:
        _ensure(store, objects, NAMESPACES, {"metadata": {"name": name}})
    for resource, body in bootstrap.roles():
        _ensure(store, objects, resource, body)
    for definition in _read(crds):
        _ensure(store, objects, DEFINITIONS, definition, replace=True)
    lifecycle.drain()


def _read(directory: Path) -> Iterable[Object]:
    for path in sorted([*directory.rglob("*.yaml"), *directory.rglob("*.yml")]):
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for document in yaml.load_all(path.read_bytes(), Loader=loader):
            if isinstance(document, dict) and document.get("kind") == DEFINITIONS.kind:
                yield document


def _ensure(
    store: Store, objects: Objects, resource: Resource, body: Object, *, replace: bool = False
) -> None:
    name = body["metadata"]["name"]
    call = Call(resource, "", name, _USER, "", SERVER, validation="Ignore")
    row = store.get(resource.qualified, "", name)
    if row is None:
        objects.create(call, body)
        return
    definitions.default_definition(body)
    if replace and row.load().get("spec") != body.get("spec"):
        objects.patch(call, lambda live: {**live, "spec": body["spec"]})
