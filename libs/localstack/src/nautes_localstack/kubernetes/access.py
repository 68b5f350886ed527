"""Who asks, and whether he may: tokens, impersonation, roles, and the guard against granting too much.

A refused impersonation is worded as up to Kubernetes 1.35; from 1.36 on the server names a verb of constrained
impersonation instead (`impersonate-on:serviceaccount:list`), which is not part of this one.
"""

import secrets
from collections.abc import Mapping
from typing import Final

from nautes_localstack.kubernetes import errors, rbac
from nautes_localstack.kubernetes.errors import ApiError
from nautes_localstack.kubernetes.kinds import (
    AUTHENTICATION,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    RBAC,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from nautes_localstack.kubernetes.objects import Call
from nautes_localstack.kubernetes.rbac import ACCOUNT_PREFIX, Access, Grants, Rule, User
from nautes_localstack.kubernetes.shapes import ANY, Object
from nautes_localstack.kubernetes.storage import Event, Store
from nautes_localstack.kubernetes.tokens import Account, Signer

AUTHENTICATED: Final = "system:authenticated"
ANONYMOUS: Final = User("system:anonymous", groups=("system:unauthenticated",))
ADMIN: Final = User("admin", "admin", (rbac.MASTERS, AUTHENTICATED))
CREDENTIAL_ID: Final = "authentication.kubernetes.io/credential-id"
_CACHED: Final = 1000

_USERS: Final = Resource("", "v1", "users", "User", ANY, namespaced=False)
_GROUPS: Final = Resource("", "v1", "groups", "Group", ANY, namespaced=False)
_UIDS: Final = Resource(AUTHENTICATION, "v1", "uids", "UID", ANY, namespaced=False)
_EXTRAS: Final = Resource(AUTHENTICATION, "v1", "userextras", "UserExtra", ANY, namespaced=False)
_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", ANY)


class Guard:
    """Answers who a token is and what a user may do."""

    def __init__(self, store: Store, signer: Signer, admin_token: str) -> None:
        self._store = store
        self._signer = signer
        self._admin_token = admin_token.encode()
        self._known: dict[str, Account] = {}
        self._grants: Grants | None = None
        store.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        if event.resource.endswith(f".{RBAC}"):
            self._grants = None

    def user(self, headers: Mapping[str, str]) -> User:
        """Return who sent these headers (names in lower case); raise ApiError (401, 403)."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not token:
            return ANONYMOUS
        found = self.of_token(token.strip(), (self._signer.issuer,)) if scheme.lower() == "bearer" else None
        if found is None:
            raise errors.unauthorized()
        return self._impersonated(found, headers)

    def of_token(self, token: str, audiences: tuple[str, ...]) -> User | None:
        """Return whose token this is, if it is for one of these audiences; None if it is not valid."""
        if secrets.compare_digest(token.encode(), self._admin_token):
            return ADMIN
        # A signature costs more than all else that a small request needs; expiry is checked each time.
        account = self._signer.account(token)
        if account is None or not set(account.audiences) & set(audiences):
            return None
        row = self._store.get("serviceaccounts", account.namespace, account.name)
        if row is None or row.uid != account.uid:
            return None
        return account_user(account.namespace, account.name, row.uid, account.token_id)

    def _impersonated(self, user: User, headers: Mapping[str, str]) -> User:
        name = headers.get("impersonate-user", "")
        groups = tuple(filter(None, headers.get("impersonate-group", "").split("\n")))
        if not name:
            if groups or headers.get("impersonate-uid"):
                raise errors.bad_request("requested groups, uid or extra without impersonating a user")
            return user
        uid = headers.get("impersonate-uid", "")
        self._check_impersonation(user, name, groups, uid)
        if name.startswith(ACCOUNT_PREFIX) and not groups:
            namespace = name.removeprefix(ACCOUNT_PREFIX).partition(":")[0]
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        if AUTHENTICATED not in groups and name != ANONYMOUS.name:
            groups = (*groups, AUTHENTICATED)
        return User(name, uid, groups)

    def _check_impersonation(self, user: User, name: str, groups: tuple[str, ...], uid: str) -> None:
        if name.startswith(ACCOUNT_PREFIX):
            namespace, _, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
            self.check(user, "impersonate", _ACCOUNTS, namespace, account)
        else:
            self.check(user, "impersonate", _USERS, "", name)
        for group in groups:
            self.check(user, "impersonate", _GROUPS, "", group)
        if uid:
            self.check(user, "impersonate", _UIDS, "", uid)

    @property
    def grants(self) -> Grants:
        """All roles and bindings as they are now."""
        if self._grants is None:
            self._grants = self._read_grants()
        return self._grants

    def _read_grants(self) -> Grants:
        roles = {
            (row.namespace, row.name): row.load()
            for kind in (ROLES, CLUSTER_ROLES)
            for row in self._store.collection(kind.qualified)
        }
        bindings = [
            (row.namespace, row.load())
            for kind in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)
            for row in self._store.collection(kind.qualified)
        ]
        return rbac.grants(roles, bindings)

    def allows(self, user: User, access: Access) -> bool:
        """Say whether a user may do something."""
        return self.grants.allows(user, access)

    def check(
        self,
        user: User,
        verb: str,
        resource: Resource,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> None:
        """Raise ApiError (403) unless a user may do something to a resource."""
        what = f"{resource.plural}/{subresource}" if subresource else resource.plural
        access = Access(verb, resource.group, what, namespace, name)
        if not self.allows(user, access):
            raise errors.forbidden(resource, name, rbac.denial(user, access))

    def check_path(self, user: User, verb: str, path: str) -> None:
        """Raise ApiError (403) unless a user may read a path that is no resource."""
        access = Access(verb, path=path)
        if not self.allows(user, access):
            raise ApiError(403, "Forbidden", f"forbidden: {rbac.denial(user, access)}", {})

    def check_grants(self, call: Call, new: Object, old: Object | None) -> None:
        """Raise ApiError (403) if a write would grant rights that its writer does not hold.

        Kubernetes, "Using RBAC Authorization", "Privilege escalation prevention and bootstrapping".
        """
        if call.resource.group != RBAC or rbac.MASTERS in call.user.groups:
            return
        if call.resource.plural in (ROLES.plural, CLUSTER_ROLES.plural):
            if old is None or old.get("rules") != new.get("rules"):
                self._check_held(
                    call, "escalate", call.resource, call.name, rbac.parse_rules(new.get("rules"))
                )
        elif old is None or old.get("subjects") != new.get("subjects"):
            self._check_binding(call, new)

    def _check_binding(self, call: Call, new: Object) -> None:
        reference = new.get("roleRef") or {}
        kind = ROLES if reference.get("kind") == "Role" else CLUSTER_ROLES
        name = str(reference.get("name") or "")
        row = self._store.get(kind.qualified, call.namespace if kind.namespaced else "", name)
        if row is None:
            if not self._may(call, "bind", kind, name):
                raise errors.not_found(kind, name)
            return
        self._check_held(call, "bind", kind, name, rbac.parse_rules(row.load().get("rules")))

    def _check_held(self, call: Call, verb: str, kind: Resource, name: str, rules: tuple[Rule, ...]) -> None:
        if self._may(call, verb, kind, name):
            return
        missing = self.grants.missing(call.user, call.namespace, rules)
        if missing:
            raise errors.forbidden(call.resource, call.name or name, rbac.escalation(call.user, missing))

    def _may(self, call: Call, verb: str, kind: Resource, name: str) -> bool:
        return self.allows(call.user, Access(verb, RBAC, kind.plural, call.namespace, name))


def account_user(namespace: str, name: str, uid: str, token_id: str) -> User:
    """Return the user that a ServiceAccount is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"{ACCOUNT_PREFIX}{namespace}:{name}", uid, groups, {CREDENTIAL_ID: (f"JTI={token_id}",)})
