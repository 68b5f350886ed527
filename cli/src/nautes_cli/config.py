"""Contexts: the platforms that a person works with. One readable file; tokens lie beside it, one file each.

The file is `config.yaml` in the user's configuration folder for `nautes`:

    current: acme
    contexts:
      acme: {server: https://nautes.acme.example, caFile: /etc/ssl/acme.pem, product: orchard}
"""

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from nautes_cli.problems import ConfigError
from nautes_domain import source
from nautes_domain.failures import Rejected
from nautes_domain.names import Label

PRIVATE: Final = 0o600
LARGEST_TOKEN: Final = 10_000
"""Bytes; JSON Web Tokens of OAuth are the longest that there are."""


def checked_server(url: str) -> str:
    """Return an address without its last slash; raise ConfigError for what is none, or holds a password."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{_without_password(url)!r} is not an address: write https:// and a host")
    if parts.username or parts.password:
        raise ConfigError("an address holds no user and no password: sign in with `nautes login`")
    if parts.query or parts.fragment:
        raise ConfigError("an address of the API has no query and no fragment")
    return url.rstrip("/")


def _without_password(url: str) -> str:
    return url.rpartition("@")[2][:200]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Context(_Model):
    """One platform as one person sees it."""

    server: Annotated[str, AfterValidator(checked_server)]
    ca_file: Path | None = None
    """Certificates that are trusted besides the system's."""
    product: str = ""
    """The product that is meant where none is named."""


class Config(_Model):
    """All contexts and the name of the one in use."""

    current: str = ""
    contexts: Mapping[Label, Context] = Field(default_factory=dict)


class ConfigFile:
    """The file with the contexts, and the folder with their tokens beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Config:
        """Return the configuration; an empty one if there is no file. Raises ConfigError."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return Config()
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from None
        try:
            documents = source.parse(text, str(self.path))
            return Config.model_validate(documents[0].value if documents else {})
        except Rejected as refused:
            raise ConfigError(str(refused)) from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            words = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{self.path}: {where}: {words}; correct it, or delete the file") from None

    def save(self, config: Config) -> None:
        """Write the configuration in one step: who reads meanwhile sees the old or the new one."""
        import yaml  # noqa: PLC0415 - only commands that change contexts pay for it

        value = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        self._write(self.path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))

    def token(self, context: str) -> str | None:
        """Return the stored token of a context. Raises ConfigError if others can read it."""
        path = self._token_path(context)
        try:
            with path.open("rb") as file:
                if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise ConfigError(
                        f"{path} can be read by others; revoke that token, then `nautes login` again"
                    )
                return file.read(LARGEST_TOKEN).decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None

    def store_token(self, context: str, token: str) -> Path:
        """Store a token so that only its owner can read it; return where."""
        path = self._token_path(context)
        self._write(path, token + "\n")
        return path

    def forget_token(self, context: str) -> bool:
        """Delete the stored token; say whether there was one."""
        path = self._token_path(context)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed

    def _token_path(self, context: str) -> Path:
        return self.path.parent / "tokens" / f"{context}.token"

    def _write(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A new file of mode 0600 from the start: there is no moment at which others could open it.
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
