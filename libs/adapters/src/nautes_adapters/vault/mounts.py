"""Kubernetes logins: one auth mount per cluster, marked and described in the mount's own description."""

import json
from typing import Any, Final

from nautes_adapters.vault.errors import Refused
from nautes_adapters.vault.secrets import VaultSecretStore
from nautes_adapters.vault.session import Json, VaultSession
from nautes_domain import names
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Ref, Spec

REVIEWER: Final = "nautes-token-reviewer"
"""Our ServiceAccount on each cluster that may ask whether a token is genuine."""

_FIELDS: Final = ("host", "ca_digest", "reviewer_version")


class AuthMounts:
    """Auth mounts `auth/<cluster>` of type `kubernetes`.

    The mark is the description's beginning, `nautes:<tenant>`; after it stands, as JSON, what was
    declared and a digest of the configuration that was written. Vault never shows the reviewer's token
    again, so its version can only be remembered there; host and CA are read back and compared.
    """

    def __init__(self, session: VaultSession, tenant: str) -> None:
        self._session = session
        self._secrets = VaultSecretStore(session)
        self._mark: Final = f"nautes:{names.label(tenant)}"

    async def ours(self) -> dict[str, Json]:
        """Return our mounts by cluster name."""
        found = await self._session.read("sys/auth") or {}
        return {
            path.rstrip("/"): mount
            for path, mount in found.items()
            if names.is_label(path.rstrip("/")) and self._is_ours(mount)
        }

    async def spec(self, cluster: str, mount: Json) -> Spec:
        """Return one of our mounts as a spec; what was changed by hand differs from every spec."""
        remembered = self._remembered(mount)
        config = await self._session.read(f"auth/{cluster}/config")
        if config is None or remembered.get("written") != _digest(config):
            return {"host": "", "ca_digest": "", "reviewer_version": 0}
        return {field: remembered.get(field) for field in _FIELDS}

    async def put(self, ref: Ref, spec: Spec) -> None:
        """Make the mount and write its configuration; Blocked until the reviewer's token is stored."""
        cluster = names.label(ref.name)
        config = await self._config(cluster, spec)
        if cluster not in await self.ours():
            await self._enable(cluster)
        # The description is written last: a crash before leaves a mount that differs from its declaration.
        await self._session.write(f"auth/{cluster}/config", config, secret=True)
        about = {**{field: spec[field] for field in _FIELDS}, "written": _digest(config)}
        description = f"{self._mark} {json.dumps(about, sort_keys=True)}"
        await self._session.write(f"sys/auth/{cluster}/tune", {"description": description})

    async def remove(self, ref: Ref) -> None:
        """Disable one of our mounts: its roles go, and every token that it ever issued."""
        if ref.name in await self.ours():
            await self._session.delete(f"sys/auth/{names.label(ref.name)}")

    async def _enable(self, cluster: str) -> None:
        body = {"type": "kubernetes", "description": self._mark}
        try:
            await self._session.write(f"sys/auth/{cluster}", body)
        except Refused as refused:
            if "already in use" not in refused.answer:
                raise
            if cluster not in await self.ours():
                raise Rejected(
                    "a login of this name exists in Vault and is not ours",
                    what=f"auth/{cluster}",
                    who="platform team",
                    next_step="choose another cluster name",
                    code="auth-mount-not-ours",
                ) from None

    async def _config(self, cluster: str, spec: Spec) -> dict[str, Any]:
        secret = await self._secrets.read("cluster", names.cluster_account_path(cluster, REVIEWER))
        if secret is None:
            by = f"secret/{cluster}.{REVIEWER}"
            raise Blocked("the token reviewer's token is not stored yet", by=by, code="no-such-secret")
        if secret.version < int(spec["reviewer_version"]):
            raise Retry("the reviewer's newest token cannot be read yet", code="secret-stale")
        return {
            "kubernetes_host": secret.values["server"],
            "kubernetes_ca_cert": secret.values["ca"],
            "token_reviewer_jwt": secret.values["token"],
            "disable_local_ca_jwt": True,
        }

    def _is_ours(self, mount: Json) -> bool:
        mark = str(mount.get("description", "")).split(" ")[0]
        return mount.get("type") == "kubernetes" and mark == self._mark

    def _remembered(self, mount: Json) -> dict[str, Any]:
        try:
            about = json.loads(str(mount["description"]).removeprefix(self._mark))
        except ValueError:
            return {}
        return about if isinstance(about, dict) else {}


def _digest(config: Json) -> str:
    """Return a digest of what Vault shows of a configuration."""
    shown = ("kubernetes_host", "kubernetes_ca_cert", "disable_local_ca_jwt")
    return names.digest(*(str(config.get(key)) for key in shown))
