"""Hooks that another wheel brings: found by its entry points, as those of the platform are."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
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


def looked(folder, module, text, entries):
    """Return what a process finds where a wheel is installed: the names of hooks, and problems."""
    (folder / f"{module}.py").write_text(text)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    name = module.replace("_", "-")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entries)
    environment = {**os.environ, "PYTHONPATH": str(folder)}  # noqa: TID251 - a process of its own
    shown = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True
    )
    names, *problems = shown.stdout.splitlines()
    return names, [one for one in problems if one]


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_hook_of_the_page_about_hooks_is_one(tmp_path):
    ((group, points),) = tomllib.loads(block("toml"))["project"]["entry-points"].items()
    entries = f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
    names, problems = looked(tmp_path, "acme_hooks", block("python"), entries)
    assert "'sign-off'" in names
    assert problems == []


def test_a_wheel_brings_hooks_and_a_broken_one_stops_nothing(tmp_path):
    names, problems = looked(tmp_path, "team_hooks", PLUGIN + "PLAIN = [1]\n", ENTRIES)
    assert "'wait-longer'" in names
    assert "'call-webhook'" in names
    assert [one.partition(" ")[0] for one in problems] == ["team-hooks:lost", "team-hooks:odd"]
    assert "HookKind is expected" in problems[1]
