"""What the API server must be told: environment variables with prefix `NAUTES_`."""

from pydantic import BaseModel, ConfigDict

from nautes_runtime.settings import ServiceSettings, VaultSettings


class ApiSettings(BaseModel):
    """Where the API listens; port 0 takes a free one and logs it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = 0


class CodeHostSettings(BaseModel):
    """Where callers' tokens are checked. The server has no token of its own: it reads as the caller."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str
    ssh_url: str = ""
    """`ssh://git@host[:port]`: where repositories are cloned from; not told if it is empty."""


class ApiServerSettings(ServiceSettings):
    """Settings of one API server process."""

    gitlab: CodeHostSettings
    vault: VaultSettings
    """Where kubeconfigs that people send are wrapped; nothing is read there."""
    api: ApiSettings = ApiSettings()
