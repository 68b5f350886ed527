"""What the reconciler must be told: environment variables with prefix `NAUTES_`."""

import re
from datetime import timedelta
from typing import Final

from pydantic import field_validator

from nautes_runtime.settings import GitLabSettings, ManagementSettings, ServiceSettings, VaultSettings

_SSH_URL: Final = re.compile(
    r"ssh://[a-z][a-z0-9_-]*@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?"
)


class CodeHostSettings(GitLabSettings):
    """The code host as the reconciler and the deployer see it."""

    ssh_url: str = ""
    """Where repositories are read over SSH: `ssh://git@gitlab.example` or `ssh://git@gitlab.example:2222`.

    With it, what is deployed is read with each repository's own key; without, over https and without credentials.
    """

    @field_validator("ssh_url")
    @classmethod
    def _only_a_place(cls, url: str) -> str:
        """Refuse what is more than user, host and port, and what Argo CD would read as a pattern."""
        if url and not _SSH_URL.fullmatch(url):
            raise ValueError("write it as ssh://git@host or ssh://git@host:port")
        return url


class ReconcilerSettings(ServiceSettings):
    """Settings of one reconciler process."""

    vault: VaultSettings
    gitlab: CodeHostSettings
    management: ManagementSettings = ManagementSettings()
    gateway_url: str
    """Address of the webhook gateway as the code host reaches it, without a trailing slash."""
    catch_up: timedelta = timedelta(minutes=2)
    """How often the code host is asked for hook calls that it made in vain."""
    resync: timedelta = timedelta(minutes=5)
    """How often every scope is looked at without being asked: drift repair and catch-up."""
