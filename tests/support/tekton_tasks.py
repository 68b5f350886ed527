"""Tekton's part in the tasks of one run, played: their order, their variables, and the scripts of hooks, which are run here.

After Tekton's documentation: `runAfter` and failures (docs/pipelines.md), `finally` and `$(tasks.status)`, variables
(docs/variables.md); `$$` in a container's environment (Kubernetes, "Dependent environment variables").
"""

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INTERPRETERS = {"#!/usr/bin/env python3": [sys.executable, "-I"], "#!/bin/sh": ["/bin/sh"]}

Data = Callable[[str, str], Mapping[str, str]]
"""Kind and name of an object in the run's namespace to its values, as text."""


@dataclass(frozen=True)
class Played:
    """A task that was run."""

    name: str
    succeeded: bool
    output: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


class TaskPlayer:
    """Plays one run. Tasks of the pipeline file do nothing and end as they are told to; those of hooks run their script."""

    def __init__(self, run: Mapping[str, Any], data: Data, work: Path) -> None:
        self._spec = run["spec"]
        self._pipeline = self._spec["pipelineSpec"]
        self._data = data
        self._work = work
        self.played: list[Played] = []

    def play(self, fails: Collection[str] = ()) -> list[Played]:
        """Run all tasks that Tekton would run, and return them in their order."""
        waiting = list(self._pipeline["tasks"])
        while ready := [task for task in waiting if self._is_ready(task)]:
            for task in ready:
                waiting.remove(task)
                self._run(task, fails)
        status = "Failed" if self._failed else "Completed" if waiting else "Succeeded"
        for task in self._pipeline.get("finally", ()):
            self._run(task, fails, {"$(tasks.status)": status})
        return self.played

    @property
    def _failed(self) -> bool:
        return any(not one.succeeded for one in self.played)

    def _is_ready(self, task: Mapping[str, Any]) -> bool:
        done = {one.name for one in self.played}
        return not self._failed and done >= set(task.get("runAfter", ()))

    def _run(
        self, task: Mapping[str, Any], fails: Collection[str], known: Mapping[str, str] | None = None
    ) -> None:
        name = task["name"]
        if not name.startswith("nautes-"):
            self.played.append(Played(name, name not in fails))
            return
        variables = self._variables(task, known or {})
        for number, step in enumerate(task["taskSpec"]["steps"]):
            environment = {
                one["name"]: _replaced(one["value"], variables).replace("$$", "$") for one in step["env"]
            }
            done = self._script(f"{name}-{number}", step["script"], environment)
            self.played.append(Played(name, done.returncode == 0, done.stdout + done.stderr, environment))

    def _variables(self, task: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
        given = {one["name"]: one["value"] for one in task.get("params", ())}
        bound = {one["name"]: one["workspace"] for one in task.get("workspaces", ())}
        found = {
            f"$(params.{one['name']})": _replaced(given.get(one["name"], one["default"]), known)
            for one in task["taskSpec"].get("params", ())
        }
        for one in task["taskSpec"].get("workspaces", ()):
            folder = self._folder(bound[one["name"]]) if one["name"] in bound else ""
            assert folder or one.get("optional"), f"{one['name']} is not bound"
            found[f"$(workspaces.{one['name']}.path)"] = str(folder)
        return found

    def _folder(self, workspace: str) -> Path:
        assert workspace in {one["name"] for one in self._pipeline["workspaces"]}
        (volume,) = (one for one in self._spec["workspaces"] if one["name"] == workspace)
        folder = self._work / workspace
        folder.mkdir(parents=True, exist_ok=True)
        for kind, key, name in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            if key in volume:
                values = self._data(kind, volume[key][name])
                for item in volume[key]["items"]:
                    (folder / item["path"]).write_text(values[item["key"]])
        return folder

    def _script(
        self, name: str, text: str, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        self._work.mkdir(parents=True, exist_ok=True)
        file = self._work / f"{name}.script"
        file.write_text(text)
        command = [*INTERPRETERS[text.partition("\n")[0]], str(file)]
        around = {"PATH": os.environ["PATH"], "HOME": str(self._work)}  # noqa: TID251 - programs are found there
        return subprocess.run(
            command, env={**around, **environment}, capture_output=True, text=True, check=False, timeout=60
        )


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a Secret or ConfigMap as text."""
    if secret["kind"] == "ConfigMap":
        return dict(secret["data"])
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def _replaced(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(name, value)
    return text
