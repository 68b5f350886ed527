"""What the secret broker must be told: environment variables with prefix `NAUTES_`."""

from datetime import timedelta

from nautes_runtime.settings import GitLabSettings, ServiceSettings, VaultSettings


class BrokerSettings(ServiceSettings):
    """Settings of one broker process."""

    vault: VaultSettings
    gitlab: GitLabSettings
    resync: timedelta = timedelta(minutes=5)
    """How often every scope is looked at without being asked: drift repair and rotation."""
    hook_secret_age: timedelta = timedelta(days=90)
    """Age at which a hook's secrets are replaced."""
    hook_secret_overlap: timedelta = timedelta(days=1)
    """How long the secrets before stay valid; longer than the gateway serves what it remembers (an hour)."""
