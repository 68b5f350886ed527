"""Installing release manifests on a cluster by server-side apply, and waiting until what they start is ready."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx
import yaml

from nautes_localstack.bootstrap import SetupError
from nautes_localstack.kubeconfigs import ClusterAccess

MANAGER: Final = "nautes-compose"
WORKLOADS: Final = ("Deployment", "StatefulSet")
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of one release's manifests."""

Object = Mapping[str, Any]


async def until(ask: Callable[[], Awaitable[bool]], patience: float, what: str) -> None:
    """Ask until the answer is yes; raise SetupError after `patience` seconds. Not being reached is a no."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            if await ask():
                return
        except httpx.HTTPError:
            pass
        if loop.time() > deadline:
            raise SetupError(f"{what} is not there after {patience:.0f} s")
        await asyncio.sleep(1)


@dataclass(frozen=True, slots=True)
class Installer:
    """One cluster as its operator. `patience`: seconds for workloads to become ready."""

    cluster: httpx.AsyncClient
    patience: float
    kinds: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    """API version and kind → plural and whether it is namespaced, as the cluster said."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, access: ClusterAccess, patience: float) -> AsyncIterator[Self]:
        """Connect for the time of a `with`."""
        async with httpx.AsyncClient(
            base_url=access.server,
            verify=access.trust(),
            headers={"Authorization": f"Bearer {access.token}"},
            timeout=30,
            trust_env=False,
        ) as client:
            yield cls(client, patience)

    async def answers(self) -> bool:
        """Say whether the API server is ready for us."""
        return (await self.cluster.get("/readyz")).status_code == httpx.codes.OK

    async def install(self, namespace: str, address: str) -> None:
        """Apply the manifests at an address, those without a namespace in the one given, and wait for them.

        Raises SetupError with the address or the object and the answer.
        """
        wanted = await manifests(address)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await self.apply([space, *wanted], namespace)
        for obj in wanted:
            if obj["kind"] in WORKLOADS:
                path = await self._path(obj, namespace)
                await until(lambda path=path: self._runs(path), self.patience, path)  # type: ignore[misc]

    async def apply(self, wanted: Iterable[Object], namespace: str = "default") -> None:
        """Apply objects in their order. Raises SetupError at the first that is refused."""
        for obj in wanted:
            answer = await self.cluster.patch(
                await self._path(obj, namespace),
                params={"fieldManager": MANAGER, "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                json=obj,
            )
            if answer.is_error:
                raise SetupError(f"apply of {named(obj)} was answered with {answer.status_code}")

    async def _runs(self, path: str) -> bool:
        found = (await self.cluster.get(path)).raise_for_status().json()
        return ready(found)

    async def _path(self, obj: Object, namespace: str) -> str:
        version, kind, metadata = obj["apiVersion"], obj["kind"], obj["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self.kinds:
            # A definition that was applied just now is served a moment later.
            await until(lambda: self._discover(root, version, kind), self.patience, f"{kind} in {version}")
        plural, namespaced = self.kinds[version, kind]
        place = f"/namespaces/{metadata.get('namespace', namespace)}" if namespaced else ""
        return f"{root}{place}/{plural}/{metadata['name']}"

    async def _discover(self, root: str, version: str, kind: str) -> bool:
        answer = await self.cluster.get(root)
        for one in answer.json()["resources"] if answer.is_success else ():
            if "/" not in one["name"]:
                self.kinds[version, one["kind"]] = one["name"], one["namespaced"]
        return (version, kind) in self.kinds


async def manifests(address: str) -> list[Object]:
    """Return the objects of a release; raise SetupError if they cannot be had."""
    async with httpx.AsyncClient(timeout=60, follow_redirects=True) as client:
        try:
            answer = await client.get(address)
        except httpx.HTTPError as error:
            raise SetupError(f"{address}: {error or type(error).__name__}") from error
    if not answer.is_success or len(answer.content) > LARGEST:
        raise SetupError(f"{address} was answered with {answer.status_code}, {len(answer.content)} bytes")
    try:
        return [one for one in yaml.safe_load_all(answer.content) if one]
    except yaml.YAMLError as error:
        raise SetupError(f"{address} holds no manifests: {error}") from error


def ready(workload: Object) -> bool:
    """Say whether every replica that is wanted runs, of the state that was asked for last."""
    status = workload.get("status", {})
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    return bool(seen and status.get("readyReplicas", 0) >= workload["spec"].get("replicas", 1))


def named(obj: Object) -> str:
    """Return how messages call an object."""
    space = obj["metadata"].get("namespace", "")
    return f"{obj['kind']} {space}{'/' if space else ''}{obj['metadata']['name']}"
