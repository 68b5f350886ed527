"""What a service is told by its environment. Secrets come from files, never from variables."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from nautes_domain.failures import Rejected
from nautes_domain.names import Label

LARGEST_SECRET: Final = 65_536
"""Bytes. A file that is larger is not a secret but a mistake in a path."""


class Part(BaseModel):
    """A group of settings; an unknown name in it is a mistake worth stopping for."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NatsSettings(Part):
    """Where the bus is and who we are there. Without `user` the connection is anonymous."""

    url: str = "nats://127.0.0.1:4222"
    user: str = ""
    password_file: Path | None = None


class VaultSettings(Part):
    """Where the secret store is, and our AppRole."""

    address: str
    role_id: str
    secret_id_file: Path


class GitLabSettings(Part):
    """Where the code host is, and our token."""

    url: str
    token_file: Path


class HealthSettings(Part):
    """Where `/livez` and `/readyz` are answered; port 0 takes a free one and logs it."""

    host: str = "127.0.0.1"
    port: int = 0


class LogSettings(Part):
    """What is worth a line."""

    level: str = "INFO"


class ServiceSettings(BaseSettings):
    """What every service needs: `NAUTES_TENANT`, `NAUTES_NATS__URL`, `NAUTES_HEALTH__PORT` and so on."""

    model_config = SettingsConfigDict(
        env_prefix="NAUTES_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    tenant: Label
    nats: NatsSettings = NatsSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()


def read_secret(path: Path) -> SecretStr:
    """Return the text of a file without the newlines around it; Rejected if it is missing, empty or too large."""
    what = f"secret file {path}"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_SECRET + 1)
        text = content.decode().strip("\r\n")
    except OSError as error:
        raise _unusable(error.strerror or "unreadable", what) from None
    except UnicodeDecodeError:
        raise _unusable("it is not UTF-8 text", what) from None
    if not text.strip():
        raise _unusable("it is empty", what)
    if len(content) > LARGEST_SECRET:
        raise _unusable(f"it is larger than {LARGEST_SECRET} bytes", what)
    return SecretStr(text)


def _unusable(why: str, what: str) -> Rejected:
    return Rejected(
        why,
        what=what,
        who="platform team",
        next_step="write the secret into that file, or correct the path in the settings",
        code="secret-file",
    )
