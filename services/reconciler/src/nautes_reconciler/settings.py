"""What the reconciler must be told: environment variables with prefix `NAUTES_`."""

from datetime import timedelta

from nautes_runtime.settings import GitLabSettings, ManagementSettings, ServiceSettings, VaultSettings


class ReconcilerSettings(ServiceSettings):
    """Settings of one reconciler process."""

    vault: VaultSettings
    gitlab: GitLabSettings
    management: ManagementSettings = ManagementSettings()
    gateway_url: str
    """Address of the webhook gateway as the code host reaches it, without a trailing slash."""
    catch_up: timedelta = timedelta(minutes=2)
    """How often the code host is asked for hook calls that it made in vain, and for pushes that it told nobody of.

    The latter are acted upon at the second look, so that a call which is asked for again comes first.
    """
    takeover: timedelta = timedelta(seconds=20)
    """Until what a replica that died held goes to another; its project waits that long."""
    resync: timedelta = timedelta(minutes=5)
    """How often every scope is looked at without being asked: drift repair and catch-up."""
