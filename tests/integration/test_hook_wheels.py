"""Hooks that another wheel brings: found by its entry points, as those of the platform are."""

import os
import subprocess
import sys

PLUGIN = """\
from dataclasses import replace
from nautes_hooks.offered import wait_for
HOOKS = [replace(wait_for, name="wait-longer")]
"""
ENTRIES = """\
[nautes.pipeline_hooks]
team = team_hooks:HOOKS
lost = nowhere:HOOKS
odd = team_hooks:PLAIN
"""
LOOK = "from nautes_hooks import installed; i = installed(); print(sorted(i.kinds['tekton'])); print(*i.problems, sep='\\n')"


def test_a_wheel_brings_hooks_and_a_broken_one_stops_nothing(tmp_path):
    (tmp_path / "team_hooks.py").write_text(PLUGIN + "PLAIN = [1]\n")
    about = tmp_path / "team_hooks-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: team-hooks\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}  # noqa: TID251 - a process of its own
    shown = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True
    )
    names, *problems = shown.stdout.splitlines()
    assert "'wait-longer'" in names
    assert "'call-webhook'" in names
    assert [one.partition(" ")[0] for one in problems] == ["team-hooks:lost", "team-hooks:odd"]
    assert "HookKind is expected" in problems[1]
