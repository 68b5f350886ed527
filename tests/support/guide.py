"""A document whose code blocks are executed: `sh` blocks are steps, a `text` block after one is what it must say."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """Commands, and lines that they must write, in this order; `…` stands for anything."""

    heading: str
    commands: str
    expected: tuple[str, ...] = ()


def steps(text: str) -> list[Step]:
    """Return the steps of a document."""
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        language, content = block.groups()
        heading = re.findall(r"^## (.*)$", text[: block.start()], re.MULTILINE)[-1]
        if language == "sh":
            found.append(Step(heading, content))
        else:
            found[-1] = Step(found[-1].heading, found[-1].commands, tuple(content.splitlines()))
    return found


def execute(found: list[Step], folder: Path, environment: dict[str, str], timeout: float) -> list[str | None]:
    """Run the steps in one shell, as a reader does; return what each wrote, None for those that were not reached."""
    script = "set -eu -o pipefail\n"
    for number, step in enumerate(found):
        script += f"{{\n{step.commands}}} > {folder}/step-{number} 2>&1\ntouch {folder}/done-{number}\n"
    work = folder / "work"
    work.mkdir()
    subprocess.run(["bash", "-c", script], cwd=work, env=environment, timeout=timeout, check=False)
    written: list[str | None] = []
    for number in range(len(found)):
        output = folder / f"step-{number}"
        text = output.read_text() if output.exists() else None
        finished = (folder / f"done-{number}").exists()
        written.append(text if finished or text is None else f"{text}\n(it ended here)")
    return written


def missing(expected: tuple[str, ...], output: str) -> str | None:
    """Return the first expected line that the output does not have after the one before it, None if all are there."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    at = 0
    for line in expected:
        pattern = ".*".join(re.escape(part.strip()) for part in " ".join(line.split()).split("…"))
        at = next((one + 1 for one in range(at, len(lines)) if re.search(pattern, lines[one])), -1)
        if at < 0:
            return line
    return None
