"""Folders with kustomization files in memory, built by us and by the real kustomize."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nautes_domain.kustomize import Listing, build
from nautes_domain.source import parse
from support.k8s import kubectl


def ours(files: Mapping[str, str], folder: str) -> dict[str, Any]:
    """Return what we build of a folder; raise Rejected as the platform does."""
    steps = build(folder)
    answer: Any = None
    try:
        while True:
            need = steps.send(answer)
            if isinstance(need, Listing):
                start = f"{need.folder}/" if need.folder else ""
                answer = sorted(path for path in files if path.startswith(start))
            else:
                answer = files[need.path].encode()
    except StopIteration as done:
        (document,) = parse(done.value, folder)
        return dict(document.value)


def theirs(files: Mapping[str, str], folder: str, place: Path) -> list[dict[str, Any]] | None:
    """Return what `kubectl kustomize` builds of it, None if it refuses."""
    for path, text in files.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [str(kubectl()), "kustomize", str(place / folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return None if done.returncode else [one for one in yaml.safe_load_all(done.stdout) if one]
