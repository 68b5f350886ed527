"""What a service is told by its environment. Secrets come from files, never from variables."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nautes_domain.failures import Rejected
from nautes_domain.names import Label

LARGEST_SECRET: Final = 65_536
"""Bytes. A file that is larger is not a secret but a mistake in a path."""

_SSH_URL: Final = re.compile(
    r"ssh://[a-z][a-z0-9_-]*@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?"
)

Login = Callable[[], tuple[str, Mapping[str, str]]]
"""Gives the path of a login call and its body, anew for each: what is in the file may have been replaced."""


class Part(BaseModel):
    """A group of settings; an unknown name in it is a mistake worth stopping for."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NatsSettings(Part):
    """Where the bus is and who we are there. Without `user` the connection is anonymous."""

    url: str = "nats://127.0.0.1:4222"
    """With the scheme `tls`, or with `ca_file`, nothing is said before the connection is encrypted."""
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Authorities that the server's certificate is checked against, instead of the system's."""
    replicas: int = Field(default=1, ge=1, le=5)
    """Copies of every stream and bucket, on as many servers; the same for all services of a tenant."""

    @property
    def encrypted(self) -> bool:
        """Whether the server must speak TLS from the first byte."""
        return self.ca_file is not None or self.url.startswith("tls://")


class KubernetesLogin(Part):
    """Our pod's account as our identity in the secret store (Vault, "Kubernetes auth method")."""

    role: str
    mount: str = "nautes.services"
    """Path of the auth method. It holds a dot, so it is never the mount of a cluster, which is a label."""
    token_file: Path = Path("/var/run/secrets/nautes/vault/token")
    """A projected token for the secret store's audience; kubelet renews it."""


class VaultSettings(Part):
    """Where the secret store is, and who we are there: an AppRole or our pod's account, never both."""

    address: str
    ca_file: Path | None = None
    """Authorities that the server's certificate is checked against, instead of the system's."""
    role_id: str = ""
    secret_id_file: Path | None = None
    kubernetes: KubernetesLogin | None = None

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if bool(self.role_id and self.secret_id_file) == (self.kubernetes is not None):
            raise ValueError("give role_id and secret_id_file, or kubernetes, and not both")
        return self

    @property
    def verify(self) -> str | bool:
        """What certificates are checked against: a file, or True for the system's authorities."""
        return True if self.ca_file is None else str(self.ca_file)

    def login(self) -> Login:
        """Return what gives path and body of a login. Rejected at once if the secret cannot be read."""
        self._login_call()
        return self._login_call

    def _login_call(self) -> tuple[str, Mapping[str, str]]:
        if self.kubernetes is not None:
            token = read_secret(self.kubernetes.token_file).get_secret_value()
            body = {"role": self.kubernetes.role, "jwt": token}
            return f"auth/{self.kubernetes.mount}/login", body
        if self.secret_id_file is None:
            raise AssertionError("validated: there is one identity")
        secret_id = read_secret(self.secret_id_file).get_secret_value()
        return "auth/approle/login", {"role_id": self.role_id, "secret_id": secret_id}


class ManagementSettings(Part):
    """The cluster on which Argo CD lives."""

    kubeconfig: Path | None = None
    """Without one it is the cluster that the service runs on, and the pod's account is used."""


class GitLabSettings(Part):
    """Where the code host is, and our token."""

    url: str
    token_file: Path
    pipelines_token_file: Path | None = None
    """Token of the account under which GitLab CI pipelines run, for clusters whose pipelines GitLab CI serves.

    Jobs hold the rights of that account (GitLab, "CI/CD job token"): it is a Developer of the projects with pipeline
    files, and nothing else.
    """
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


class HealthSettings(Part):
    """Where `/livez` and `/readyz` are answered; port 0 takes a free one and logs it."""

    host: str = "127.0.0.1"
    port: int = 0


class LogSettings(Part):
    """What is worth a line."""

    level: str = "INFO"


class TelemetrySettings(Part):
    """Where traces go; nowhere by default, and then nothing is recorded."""

    endpoint: str = ""
    """Address of a collector that takes OTLP over HTTP, as `http://collector:4318`."""
    folder: Path | None = None
    """A folder for OTLP JSON lines, `<service>.jsonl`: for laptops and tests, since nothing ever removes them."""
    sample_ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of the pushes that is traced; what is traced is traced over all services."""


class ServiceSettings(BaseSettings):
    """What every service needs: `NAUTES_TENANT`, `NAUTES_NATS__URL`, `NAUTES_HEALTH__PORT` and so on."""

    model_config = SettingsConfigDict(
        env_prefix="NAUTES_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    tenant: Label
    nats: NatsSettings = NatsSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()


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
