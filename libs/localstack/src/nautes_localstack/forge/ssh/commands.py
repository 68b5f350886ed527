"""What a client asks to be run, as a value. Nothing of it ever reaches a shell or names a file. Pure."""

import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 1024
"""Characters of a command; paths of projects are far shorter."""

# git quotes the path as a shell would (git, `connect.c`); of what quoting is for, a project's path has nothing.
_COMMAND: Final = re.compile(
    r"git[- ](?P<service>upload-pack|receive-pack) '/?(?P<path>[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)/?'"
)
_PROTOCOL: Final = re.compile(r"version=[0-2]")


@dataclass(frozen=True, slots=True)
class Command:
    """One of git's two services on one project."""

    project: str
    """Path with namespace, without `.git`."""
    write: bool

    @property
    def service(self) -> str:
        """The subcommand of git."""
        return "receive-pack" if self.write else "upload-pack"


def parse(text: str | None) -> Command | None:
    """Return the command in an exec request; None for a shell, another program, or a path that is none."""
    if text is None or len(text) > LONGEST:
        return None
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    return Command(found["path"].removesuffix(".git"), found["service"] == "receive-pack")


def protocol(value: str | None) -> dict[str, str]:
    """Return git's variable for the protocol version that a client asks for, empty for anything else (git(1))."""
    return {"GIT_PROTOCOL": value} if value and _PROTOCOL.fullmatch(value) else {}
