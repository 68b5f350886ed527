"""Places in a real Vault for the contract suites."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nautes_adapters.vault import REVIEWER, VaultAccess, VaultSecretStore, VaultSession, reading
from nautes_domain import names
from nautes_domain.plan import Action, Ref, Verb, Wanted
from support.openbao import OpenBao
from support.target_contract import TargetCase

_NUMBERS = itertools.count(1)
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@asynccontextmanager
async def vault_session(openbao: OpenBao) -> AsyncIterator[VaultSession]:
    """Give a session that may do everything."""
    session = VaultSession.with_token(openbao.address, openbao.root_token)
    try:
        yield session
    finally:
        await session.close()


async def store_reviewer(session: VaultSession, cluster: str, token: str = "reviewer-token") -> int:
    """Store what a registered cluster has stored."""
    path = names.cluster_account_path(cluster, REVIEWER)
    values = {"server": f"https://{cluster}.example:6443", "ca": CA, "token": token}
    return await VaultSecretStore(session).write("cluster", path, values)


def mount_wanted(cluster: str, version: int = 1) -> dict[Ref, Wanted]:
    spec = {"host": f"https://{cluster}.example:6443", "ca_digest": "c0ffee", "reviewer_version": version}
    return {Ref("vault", "AuthMount", cluster): Wanted(spec, "the cluster is registered")}


async def add_mount(session: VaultSession, tenant: str, cluster: str) -> None:
    """Make an auth mount of ours."""
    await store_reviewer(session, cluster)
    ((ref, wanted),) = mount_wanted(cluster).items()
    await VaultAccess(session, tenant).apply(Action(Verb.CREATE, ref, None, wanted.spec, wanted.because))


def role_wanted(product: str, account: str, cluster: str, policy: str, *namespaces: str) -> dict[Ref, Wanted]:
    spec = {
        "account": account,
        "namespaces": list(namespaces),
        "audience": "vault",
        "policies": [policy],
        "ttl": 900,
    }
    return {Ref("vault", "Role", f"{product}.{account}", cluster): Wanted(spec, "a runtime works there")}


@asynccontextmanager
async def product_access(openbao: OpenBao) -> AsyncIterator[TargetCase]:
    """Policies and roles of one product."""
    number = next(_NUMBERS)
    tenant, product, cluster, theirs = (f"{word}{number}" for word in ("acme", "orchard", "east", "west"))
    policy = names.runtime_policy(product, "pipeline", "build")
    role = role_wanted(product, "builder", cluster, policy, "orchard-build")
    desired = {
        Ref("vault", "Policy", policy): Wanted(
            reading("git", ["gitlab/repo-7/default/readonly", "gitlab/repo-8/default/readonly"]), "it pulls"
        ),
        **role,
    }
    fewer = {
        Ref("vault", "Policy", policy): Wanted(reading("git", ["gitlab/repo-7/default/readonly"]), "it pulls")
    }
    moved = role_wanted(product, "builder", cluster, policy, "orchard-build", "orchard-build-2")
    async with vault_session(openbao) as session:
        await add_mount(session, tenant, cluster)
        foreign = [
            f"sys/policies/acl/nautes.{product}x.build",
            f"sys/policies/acl/{product}",
            f"auth/{theirs}/role/{product}.builder",
            f"auth/{cluster}/role/{product}x.builder",
        ]
        await session.write(f"sys/auth/{theirs}", {"type": "kubernetes", "description": "somebody's"})
        for path in foreign:
            role_or_policy = {
                "bound_service_account_names": ["x"],
                "bound_service_account_namespaces": ["y"],
                "audience": "vault",
            }
            await session.write(
                path, role_or_policy if path.startswith("auth/") else {"policy": '{"path": {}}'}
            )

        async def remains() -> bool:
            return all([await session.read(path) is not None for path in foreign])

        target = VaultAccess(session, tenant)
        yield TargetCase(target, names.scope("product", product), desired, {**fewer, **moved}, remains)


@asynccontextmanager
async def cluster_access(openbao: OpenBao) -> AsyncIterator[TargetCase]:
    """The login of one cluster."""
    number = next(_NUMBERS)
    tenant, cluster, theirs = (f"{word}{number}" for word in ("acme", "east", "west"))
    async with vault_session(openbao) as session:
        await store_reviewer(session, cluster)
        await session.write(f"sys/auth/{theirs}", {"type": "kubernetes", "description": "nautes:another {}"})

        async def rotate() -> None:
            await store_reviewer(session, cluster, "second-token")

        async def remains() -> bool:
            return f"{theirs}/" in (await session.read("sys/auth") or {})

        target = VaultAccess(session, tenant)
        scope = names.scope("cluster", cluster)
        yield TargetCase(target, scope, mount_wanted(cluster), mount_wanted(cluster, 2), remains, rotate)
