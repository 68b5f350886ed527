"""Who may read what: auth mounts, policies and roles of a tenant as a reconcile target."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from nautes_adapters.vault.errors import Refused
from nautes_adapters.vault.mounts import AuthMounts
from nautes_adapters.vault.rules import parsed, rendered, role_body, role_spec
from nautes_adapters.vault.session import VaultSession
from nautes_domain import names
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Action, Observed, Ref, Spec

SYSTEM: Final = "vault"
_POLICIES: Final = "sys/policies/acl"
_POLICY_NAME = re.compile(r"nautes\.[\w-]+(\.[\w-]+)+\Z", re.ASCII)
_ROLE_NAME = re.compile(r"[\w-]+(\.[\w-]+)+\Z", re.ASCII)
"""Wider than what we make, since what somebody else made under our prefix must be removable."""


class VaultAccess:
    """Implements `reconcile.Target` for system `vault`.

    Refs: AuthMount `<cluster>`; Policy `nautes.<product>.<kind>.<runtime>`; Role `<product>.<account>` in scope
    `<cluster>`. Specs: AuthMount `{"host", "ca_digest", "reviewer_version"}`; Policy from
    `rules.policy_spec`; Role `{"account", "namespaces", "audience", "policies", "ttl" in seconds}`, lists sorted.

    Ours are the auth mounts with our mark, the roles in them, and the policies named `nautes.*`.
    """

    system: str = SYSTEM
    kinds: Sequence[str] = ("AuthMount", "Policy", "Role")

    def __init__(self, session: VaultSession, tenant: str) -> None:
        self._session = session
        self._mounts = AuthMounts(session, tenant)

    async def observe(self, scope: str) -> Observed:
        """Return what is ours in `product_<name>` (policies, roles) or `cluster_<name>` (its auth mount)."""
        kind, name = names.split_scope(scope)
        if kind == "product" and name:
            product = names.label(name)
            policies, roles = await asyncio.gather(self._policies(product), self._roles(product))
            return {**policies, **roles}
        if kind == "cluster" and name:
            mount = (await self._mounts.ours()).get(names.label(name))
            return (
                {}
                if mount is None
                else {Ref(SYSTEM, "AuthMount", name): await self._mounts.spec(name, mount)}
            )
        return {}

    async def apply(self, action: Action) -> None:
        """Make one change. Raises Blocked while a mount or a stored token is missing."""
        ref, spec = action.ref, action.after
        match ref.kind:
            case "AuthMount":
                await (self._mounts.remove(ref) if spec is None else self._mounts.put(ref, spec))
            case "Policy":
                await self._put_policy(ref, spec)
            case "Role":
                await self._put_role(ref, spec)
            case _:
                raise Rejected(f"Vault has no kind {ref.kind}", what=str(ref), code="no-such-kind")

    async def _policies(self, product: str) -> Observed:
        prefix = f"nautes.{product}."
        ours = [name for name in await self._session.names(_POLICIES) if name.startswith(prefix)]
        found = await asyncio.gather(*(self._session.read(f"{_POLICIES}/{name}") for name in ours))
        return {
            Ref(SYSTEM, "Policy", name): parsed(str(policy["policy"]))
            for name, policy in zip(ours, found, strict=True)
            if policy is not None
        }

    async def _roles(self, product: str) -> Observed:
        mounts = sorted(await self._mounts.ours())
        listed = await asyncio.gather(*(self._session.names(f"auth/{mount}/role") for mount in mounts))
        refs = [
            Ref(SYSTEM, "Role", name, mount)
            for mount, roles in zip(mounts, listed, strict=True)
            for name in roles
            if name.startswith(f"{product}.")
        ]
        found = await asyncio.gather(*(self._session.read(_role_path(ref)) for ref in refs))
        return {ref: role_spec(role) for ref, role in zip(refs, found, strict=True) if role is not None}

    async def _put_policy(self, ref: Ref, spec: Spec | None) -> None:
        if not _POLICY_NAME.match(ref.name):
            raise Rejected("this is not a policy of ours", what=str(ref), code="bad-policy")
        path = f"{_POLICIES}/{ref.name}"
        if spec is None:
            await self._session.delete(path)
        else:
            await self._session.write(path, {"policy": rendered(spec)})

    async def _put_role(self, ref: Ref, spec: Spec | None) -> None:
        path = _role_path(ref)
        ours = ref.scope in await self._mounts.ours()
        if spec is None:
            if ours:
                await self._session.delete(path)
            return
        blocked = Blocked(
            "its cluster's login does not exist yet", by=f"cluster/{ref.scope}", code="no-auth-mount"
        )
        if not ours:
            raise blocked
        try:
            await self._session.write(path, role_body(spec))
        except Refused as refused:
            raise (blocked if refused.missing else refused) from None


def _role_path(ref: Ref) -> str:
    if not _ROLE_NAME.match(ref.name):
        raise Rejected("this is not a role of ours", what=str(ref), code="bad-role")
    return f"auth/{names.label(ref.scope)}/role/{ref.name}"
