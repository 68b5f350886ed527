"""docs/guide.md, executed: every command as it stands in the document, every line that it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.guide import execute, missing, steps

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


@pytest.mark.timeout(400)
def test_the_guide_does_what_it_says(tmp_path):
    found = steps(GUIDE.read_text())
    home = tmp_path / "home"
    home.mkdir()
    person = {"NAME": "Dev", "EMAIL": "dev@acme.example"}
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()},
    }
    try:
        written = execute(found, tmp_path, environment, timeout=380)
    finally:
        nautes = Path(sys.executable).with_name("nautes")
        subprocess.run([nautes, "local", "reset", "--yes"], env=environment, capture_output=True, check=False)
    for step, output in zip(found, written, strict=True):
        assert output is not None, f"{step.heading}: not reached"
        assert not output.endswith("(it ended here)"), f"{step.heading}:\n{step.commands}\n{output}"
        line = missing(step.expected, output)
        assert line is None, f"{step.heading}: expected {line!r} in\n{output}"
    secrets = [path.read_text().strip() for path in home.rglob("*.token")]
    assert not any(secret in output for secret in secrets for output in written if secret and output)
