"""Git as a developer uses it: clone, change, commit, push. The token is in a private file, never in arguments."""

import base64
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class GitError(Exception):
    """Git refused; the message is git's own."""


@dataclass(frozen=True, slots=True)
class Clone:
    """One working copy."""

    folder: Path
    config: Path

    def pull(self) -> None:
        """Take what others pushed to the main branch meanwhile; raise GitError if this copy went another way."""
        self._git("pull", "--quiet", "--ff-only", "origin", "main")

    def push(self, message: str, *, branch: str = "main") -> str:
        """Commit everything and push it; return the commit."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        self._git("push", "--quiet", "origin", f"HEAD:{branch}")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        return run_git(self.config, *arguments, folder=self.folder)


def credentials(folder: Path, user: str, token: str) -> Path:
    """Write git settings with a token for HTTP and an author's name; return the file."""
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    file = folder / "gitconfig"
    file.touch(mode=0o600)
    file.write_text(
        f'[http]\n\textraHeader = "Authorization: Basic {basic}"\n'
        f"[user]\n\tname = {user}\n\temail = {user}@example.com\n[core]\n\taskPass = true\n"
    )
    return file


def clone(url: str, folder: Path, config: Path) -> Clone:
    """Clone a repository."""
    run_git(config, "clone", "--quiet", url, str(folder))
    return Clone(folder, config)


def copy_tree(source: Path, target: Path, replace: Mapping[str, str]) -> int:
    """Copy files into a working copy, with replacements in their text; return their number."""
    files = [path for path in sorted(source.rglob("*")) if path.is_file()]
    for path in files:
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text()
        for old, new in replace.items():
            text = text.replace(old, new)
        copied.write_text(text)
    return len(files)


def run_git(config: Path, *arguments: str, folder: Path | None = None) -> str:
    """Run git with the settings of a file; raise GitError with what it said."""
    git = shutil.which("git")
    if git is None:
        raise GitError("git is not installed")
    command = [git, "-c", f"include.path={config}", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
