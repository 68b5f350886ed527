"""What the cluster registrar must be told: environment variables with prefix `NAUTES_`."""

from datetime import timedelta

from nautes_runtime.settings import ManagementSettings, ServiceSettings, VaultSettings


class RegistrarSettings(ServiceSettings):
    """Settings of one registrar process."""

    vault: VaultSettings
    management: ManagementSettings = ManagementSettings()
    resync: timedelta = timedelta(minutes=5)
    """How often every cluster is looked at without being asked: drift repair and renewal of tokens."""
    token_lifetime: timedelta = timedelta(hours=24)
    """How long tokens are asked for; they are renewed when less than half of it is left."""
