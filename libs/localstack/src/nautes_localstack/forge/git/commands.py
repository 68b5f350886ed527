"""Running git: one short-lived process per question, in a thread, with none of the user's configuration."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final


class GitError(Exception):
    """Git said no. `code` is its exit code; the text is git's own and holds no secrets."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _find() -> str:
    found = shutil.which("git")
    if found is None:
        raise FileNotFoundError("git is not installed")
    return found


GIT: Final = _find()

ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": f"{Path(GIT).parent}{os.pathsep}{os.defpath}",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ATTR_NOSYSTEM": "1",
}
"""Complete: nothing of our own environment reaches git."""


async def git(
    directory: Path, *arguments: str, data: bytes = b"", environment: Mapping[str, str] | None = None
) -> bytes:
    """Run git in a bare repository and return what it printed; GitError if it failed."""
    return await asyncio.to_thread(_run, directory, arguments, data, environment or {})


def _run(directory: Path, arguments: Sequence[str], data: bytes, environment: Mapping[str, str]) -> bytes:
    command = [GIT, f"--git-dir={directory}", *arguments]
    done = subprocess.run(  # noqa: S603 - a fixed program; arguments never reach a shell
        command, input=data, capture_output=True, env={**ENVIRONMENT, **environment}, check=False
    )
    if done.returncode != 0:
        raise GitError(done.returncode, done.stderr.decode(errors="replace").strip()[:2000])
    return done.stdout
