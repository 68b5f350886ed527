"""Every name that we own: one grammar, and injective ways to build names from names. Nothing else.

A label is lower-case ASCII letters, digits and inner hyphens, 1 to 63 characters (RFC 1123, as in
Kubernetes' "DNS label"). Labels hold no dot and no underscore, so joining labels with one of these is
injective: different parts give different names.
"""

import base64
import hashlib
import re
from typing import Annotated, Final

from pydantic import StringConstraints

LABEL_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z"
_LABEL = re.compile(LABEL_PATTERN)

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", max_length=63)]
"""A name that we own, checked when parsed."""

RESERVED_NAMESPACES: Final = frozenset({"default", "nautes", "argocd", "tekton-pipelines", "vault"})
RESERVED_NAMESPACE_PREFIXES: Final = ("kube-", "openshift-", "nautes-system")

CONFIG_PROJECT: Final = "default.project"
"""The project in each product's group that holds the product's manifests (section 2.8 of the original)."""

TENANT_PROJECT: Final = "management"
"""The project in the tenant's group that holds clusters and products."""


def is_label(text: str) -> bool:
    """Say whether `text` is a name of our grammar."""
    return _LABEL.match(text) is not None


def label(text: str) -> str:
    """Return `text` if it is a name of our grammar; raise ValueError with the rule otherwise."""
    if not is_label(text):
        raise ValueError(
            f"{text[:80]!r} is not a name: use 1 to 63 lower-case letters, digits and inner hyphens"
        )
    return text


def is_reserved_namespace(namespace: str) -> bool:
    """Say whether a namespace belongs to the cluster or the platform, never to a product."""
    return namespace in RESERVED_NAMESPACES or namespace.startswith(RESERVED_NAMESPACE_PREFIXES)


def dotted(*parts: str) -> str:
    """Join labels with dots: valid as a Kubernetes object name, a Vault policy name and a label value."""
    return ".".join(label(part) for part in parts)


def scope(kind: str, name: str = "") -> str:
    """Return the key of a unit of reconciliation: `tenant`, `product_orchard`, `cluster_build-east`."""
    return f"{label(kind)}_{label(name)}" if name else label(kind)


def split_scope(key: str) -> tuple[str, str]:
    """Return (kind, name) of a scope key; the name is empty for `tenant`."""
    kind, _, name = key.partition("_")
    return kind, name


def subject_token(text: str) -> str:
    """Return free text as one NATS subject token: base32, lower case, no padding; `-` for the empty text."""
    return base64.b32encode(text.encode()).decode().rstrip("=").lower() or "-"


def digest(*parts: str, length: int = 20) -> str:
    """Return a hex digest of the parts; parts are length-prefixed, so ("ab","c") differs from ("a","bc")."""
    state = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        state.update(f"{len(encoded)}:".encode())
        state.update(encoded)
    return state.hexdigest()[:length]


def run_name(runtime: str, *identity: str) -> str:
    """Return the deterministic name of a run: at most 63 characters, the runtime first, then a digest."""
    return f"{label(runtime)[:42].rstrip('-')}-{digest(runtime, *identity)}"


def hook_id(group: str, project: str) -> str:
    """Return the id of the hook of one project in its URL: `orchard.apple-api-src`, `orchard.default.project`."""
    return f"{label(group)}.{project if project == CONFIG_PROJECT else label(project)}"


def project_path(group: str, project: str) -> str:
    """Return the path of a project on the code host: `orchard/apple-api-src`."""
    return f"{label(group)}/{project if project == CONFIG_PROJECT else label(project)}"


# Vault layout: section 5.1 of the original, with the code host's numeric project id.


def deploy_key_path(project_id: int, permission: str) -> str:
    """Return the path in mount `git` of a deploy key; permission is `readonly` or `readwrite`."""
    return f"gitlab/repo-{project_id:d}/default/{label(permission)}"


def hook_secret_path(hook: str) -> str:
    """Return the path in mount `hook` of a hook's secrets."""
    return f"gitlab/{hook}"


def cluster_admin_path(cluster: str) -> str:
    """Return the path in mount `cluster` of the uploaded kubeconfig."""
    return f"kubernetes/{label(cluster)}/default/admin"


def cluster_account_path(cluster: str, account: str) -> str:
    """Return the path in mount `cluster` of a token of our own on that cluster."""
    return f"kubernetes/{label(cluster)}/{label(account)}"


def runtime_policy(product: str, kind: str, runtime: str) -> str:
    """Return the name of the Vault policy of one runtime; kind is `pipeline` or `deployment`.

    A name is given once per kind, so the kind is part of it.
    """
    return f"nautes.{dotted(product, kind, runtime)}"
