"""Vault and OpenBao: the session, the secret store, and who may read what."""

from nautes_adapters.vault.access import VaultAccess
from nautes_adapters.vault.mounts import REVIEWER
from nautes_adapters.vault.rules import policy_spec, reading
from nautes_adapters.vault.secrets import VaultSecretStore, data_path
from nautes_adapters.vault.session import VaultSession

__all__ = [
    "REVIEWER",
    "VaultAccess",
    "VaultSecretStore",
    "VaultSession",
    "data_path",
    "policy_spec",
    "reading",
]
