"""What people write beneath a merge request, as far as it is meant for us: commands at the beginning of a line. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nautes_domain import names

MOST_COMMANDS: Final = 5
MOST_TARGETS: Final = 10
"""Commands of one comment, and names behind one of them, that are read."""

_LINE: Final = re.compile(r"/(test|retest|cancel)(?:[ \t]+(.*))?\Z")
_HINT: Final = re.compile(r"(?:\A|\s)/(?:test|retest|cancel)(?!\S)")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")


class CommandVerb(StrEnum):
    """What may be asked for."""

    TEST = "test"
    """Start what answers the merge request, or only what is named."""
    RETEST = "retest"
    """Start again what did not succeed for its newest commit."""
    CANCEL = "cancel"
    """Stop what is not finished."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `targets` are names of runtimes and pipelines; empty for all."""

    verb: CommandVerb
    targets: tuple[str, ...] = ()

    def means(self, *named: str) -> bool:
        """Say whether something with these names is meant."""
        return not self.targets or bool(set(self.targets) & set(named))

    def __str__(self) -> str:
        return " ".join((f"/{self.verb}", *self.targets))


def may_command(text: str) -> bool:
    """Say whether a comment of which only the words are known, and not the lines, may hold a command."""
    return _HINT.search(text) is not None


def commands(text: str) -> tuple[Command, ...]:
    """Return the commands of a comment, each once, in their order.

    A command has a line for itself and nothing before it. Quotations and code are left alone, and so is a line
    with a word that cannot be a name: what is not certainly a command is none.
    """
    found: dict[Command, None] = {}
    fence = ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if opened and not fence:
            fence = opened[1]
        elif opened and opened[1].startswith(fence) and not line[opened.end() :].strip():
            fence = ""
        elif not fence:
            command = _command(line.rstrip())
            if command is not None:
                found[command] = None
    return tuple(found)[:MOST_COMMANDS]


def _command(line: str) -> Command | None:
    match = _LINE.match(line)
    if match is None:
        return None
    targets = tuple(dict.fromkeys((match[2] or "").split()))
    if len(targets) > MOST_TARGETS or not all(names.is_label(one) for one in targets):
        return None
    return Command(CommandVerb(match[1]), targets)
