"""Everything that stands in the systems of a laptop stack, whoever made it: for comparing before and after."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import nats
from nats.js.errors import NoKeysError

from nautes_cli.demo.systems import Systems
from nautes_localstack.description import StackDescription

SYSTEMS_OWN = frozenset({"events", "leases", "endpointslices", "endpoints", "apiservices"})
"""Resources that a Kubernetes API writes by itself."""


def inventory(described: StackDescription) -> dict[str, Any]:
    """Return what there is, by address: in the forge, OpenBao, every Kubernetes API, and the buckets of NATS."""
    systems = Systems(described)
    try:
        return {
            **dict(_forge(systems)),
            **dict(_secret_store(systems)),
            **{
                f"kubernetes/{cluster}/{place}": uid
                for cluster in described.clusters
                for place, uid in _kubernetes(systems, cluster)
            },
            **asyncio.run(_buckets(described)),
        }
    finally:
        systems.close()


def _forge(systems: Systems) -> Iterator[tuple[str, Any]]:
    for group in systems.gitlab("/groups?per_page=100"):
        yield f"forge/group/{group['full_path']}", "there"
    for project in systems.gitlab("/projects?per_page=100"):
        path, key = f"forge/project/{project['path_with_namespace']}", f"/projects/{project['id']}"
        yield path, "archived" if project["archived"] else "there"
        for hook in systems.gitlab(f"{key}/hooks"):
            yield f"{path}/hook/{hook['url']}", hook["id"]
        for deploy_key in systems.gitlab(f"{key}/deploy_keys"):
            yield f"{path}/deploy-key/{deploy_key['title']}", deploy_key["id"]


def _secret_store(systems: Systems) -> Iterator[tuple[str, Any]]:
    for policy in systems.vault("sys/policies/acl?list=true")["keys"]:
        yield (
            f"vault/policy/{policy}",
            json.dumps(systems.vault(f"sys/policies/acl/{policy}"), sort_keys=True),
        )
    for mount in systems.vault("sys/auth"):
        yield f"vault/auth/{mount}", "there"
        for role in (systems.vault(f"auth/{mount}role?list=true") or {"keys": ()})["keys"]:
            yield f"vault/auth/{mount}{role}", "there"
    for mount, settings in systems.vault("sys/mounts").items():
        yield f"vault/mount/{mount}", "there"
        if settings["type"] == "kv":
            yield from ((f"vault/secret/{mount}{path}", "there") for path in _paths(systems, mount, ""))


def _paths(systems: Systems, mount: str, folder: str) -> Iterator[str]:
    found: Mapping[str, Any] = systems.vault(f"{mount}metadata/{folder}?list=true") or {"keys": ()}
    for key in found["keys"]:
        if key.endswith("/"):
            yield from _paths(systems, mount, folder + key)
        else:
            yield folder + key


def _kubernetes(systems: Systems, cluster: str) -> Iterator[tuple[str, Any]]:
    groups = [
        one["preferredVersion"]["groupVersion"] for one in systems.kubernetes(cluster, "/apis")["groups"]
    ]
    for root in ("/api/v1", *(f"/apis/{group}" for group in groups)):
        for resource in systems.kubernetes(cluster, root)["resources"]:
            name = resource["name"]
            if "/" in name or "list" not in resource["verbs"] or name in SYSTEMS_OWN:
                continue
            for one in systems.kubernetes(cluster, f"{root}/{name}")["items"]:
                metadata = one["metadata"]
                yield f"{root}/{name}/{metadata.get('namespace', '')}/{metadata['name']}", metadata["uid"]


async def _buckets(described: StackDescription) -> dict[str, Any]:
    password = described.nats_passwords["operator"].read_text().strip()
    client = await nats.connect(described.nats_url, user="operator", password=password)
    try:
        js, found = client.jetstream(), {}
        for stream in await js.streams_info():
            bucket = stream.config.name.removeprefix("KV_")
            if bucket == stream.config.name:
                continue
            try:
                keys = await (await js.key_value(bucket)).keys()
            except NoKeysError:
                keys = []
            found.update({f"bucket/{bucket}/{key}": "there" for key in keys})
        return found
    finally:
        await client.close()
