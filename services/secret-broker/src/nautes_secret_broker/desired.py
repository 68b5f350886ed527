"""Declarations to the secrets, keys and logins that should exist. Pure; specs hold no value of a secret."""

from collections.abc import Iterable
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import StoredSecret
from nautes_domain.plan import Ref, State, Wanted
from nautes_secret_broker.repositories import Repository

HOOK_SYSTEM: Final = "vault-secrets"
HOOK_KIND: Final = "HookSecret"
KEY_SYSTEM: Final = "gitlab-keys"
KEY_KIND: Final = "DeployKey"
READONLY: Final = "readonly"
CURRENT: Final = "current"
"""State of a hook's secrets that are neither too old nor half-way through a rotation."""


def hook_ref(hook: str) -> Ref:
    """Return the address of a hook's secrets."""
    return Ref(HOOK_SYSTEM, HOOK_KIND, hook)


def key_ref(project_id: int) -> Ref:
    """Return the address of a repository's read key."""
    return Ref(KEY_SYSTEM, KEY_KIND, READONLY, f"repo-{project_id:d}")


def hook_state(repositories: Iterable[Repository]) -> State:
    """Return the secrets that the hooks of repositories need."""
    return {
        hook_ref(one.hook): Wanted(
            {"project_id": one.project_id, "state": CURRENT},
            f"hook calls of {one.group}/{one.name} must be proven genuine",
            f"CodeRepo/{one.name}",
        )
        for one in repositories
    }


def key_state(repositories: Iterable[Repository]) -> State:
    """Return the read keys of repositories: one each, known to both the secret store and the code host."""
    return {
        key_ref(one.project_id): Wanted(
            {"project_id": one.project_id, "stored": True, "on_code_host": True, "alone": True},
            f"runtimes read {one.group}/{one.name} with a key of its own",
            f"CodeRepo/{one.name}",
        )
        for one in repositories
    }


def mount_state(cluster: str, reviewer: StoredSecret) -> State:
    """Return the login of a cluster's accounts, made with the stored access of the token reviewer."""
    spec = {
        "host": reviewer.values["server"],
        "ca_digest": names.digest(reviewer.values["ca"]),
        "reviewer_version": reviewer.version,
    }
    because = f"accounts on {cluster} log in to the secret store"
    return {Ref("vault", "AuthMount", names.label(cluster)): Wanted(spec, because, f"Cluster/{cluster}")}
