"""docker-compose.yml as data, with its defaults filled in as Compose does without any variable set."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "docker-compose.yml"
ENV_FILES: Final = ROOT / "deploy" / "compose"
_VARIABLE: Final = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")


def load(**variables: str) -> dict[str, Any]:
    """Return the file; `variables` stand for the environment. KeyError for one without value and default."""

    def value(found: re.Match[str]) -> str:
        given = variables.get(found[1]) or found[2]
        if given is None:
            raise KeyError(found[1])
        return given

    return dict(yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()).replace("$$", "$")))


def env_file(name: str) -> dict[str, str]:
    """Return the variables of one of the files in deploy/compose."""
    lines = (ENV_FILES / f"{name}.env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: text for key, _, text in pairs}


def environment(service: dict[str, Any]) -> dict[str, str]:
    """Return the variables of one service as text."""
    return {key: str(text) for key, text in service.get("environment", {}).items()}
