"""What git is told when it serves others, over HTTP or SSH: its settings, and hooks through which it speaks to the forge.

Sources: githooks(5), git-config(1), git(1) for `GIT_CONFIG_COUNT`.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Self

from nautes_localstack.forge.git.commands import ENVIRONMENT

_POST_RECEIVE: Final = """#!/bin/sh
# Writes down what a push did, for the forge that started it.
{
  while read -r before after ref; do printf 'ref %s %s %s\\n' "$before" "$after" "$ref"; done
  index=0
  while [ "$index" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
    eval "printf 'option %s\\\\n' \\"\\$GIT_PUSH_OPTION_$index\\""
    index=$((index + 1))
  done
} > "$NAUTES_PUSH_REPORT"
"""

_PRE_RECEIVE: Final = """#!/bin/sh
# The pack has arrived; no ref moves before the forge says so.
[ -n "$NAUTES_GATE_ASK" ] || exit 0
echo > "/dev/fd/$NAUTES_GATE_ASK"
read -r _ < "/dev/fd/$NAUTES_GATE_ANSWER"
"""

_SETTINGS: Final = {
    "http.receivepack": "true",
    "receive.advertisePushOptions": "true",
    "receive.autogc": "false",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
}


def environment(scratch: Path) -> dict[str, str]:
    """Return git's environment for serving; the hooks are written below `scratch`."""
    hooks = scratch / "hooks"
    hooks.mkdir()
    for name, text in (("pre-receive", _PRE_RECEIVE), ("post-receive", _POST_RECEIVE)):
        (hooks / name).write_text(text)
        (hooks / name).chmod(0o700)
    settings = {"core.hooksPath": str(hooks), **_SETTINGS}
    return {
        **ENVIRONMENT,
        "GIT_CONFIG_COUNT": str(len(settings)),
        **{f"GIT_CONFIG_KEY_{index}": key for index, key in enumerate(settings)},
        **{f"GIT_CONFIG_VALUE_{index}": value for index, value in enumerate(settings.values())},
    }


class Gate:
    """Stands between a pack that has arrived and the refs that it moves, where both happen in one process of git.

    So a repository is locked only while its refs move, however slowly the pack comes. Two pipes, whose ends
    close with their processes: neither side can wait for one that is gone.
    """

    def __init__(self) -> None:
        self._asked, self._ask = _pipe()
        self._answer, self._given = _pipe()

    @property
    def inherited(self) -> tuple[int, int]:
        """Descriptors that the process of git must get."""
        return self._ask.fileno(), self._answer.fileno()

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells the hook of the pipes."""
        return {"NAUTES_GATE_ASK": str(self._ask.fileno()), "NAUTES_GATE_ANSWER": str(self._answer.fileno())}

    async def asked(self) -> None:
        """Wait until git wants to move refs, or has ended without. Call it once git was started."""
        self._ask.close()
        self._answer.close()
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._asked, heard.set)
        try:
            await heard.wait()
        finally:
            loop.remove_reader(self._asked)

    def open(self) -> None:
        """Let the refs move; nothing happens when git is gone."""
        with contextlib.suppress(BrokenPipeError):
            self._given.write(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for end in (self._asked, self._ask, self._answer, self._given):
            end.close()


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    """Return both ends of a pipe as files, which can be closed twice: a descriptor's number may be another's by then."""
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)
