"""Pipelines in a checkout: what a path of a runtime means there. Reads plain files; follows no links."""

import json
from pathlib import Path
from typing import Any


def said(checkout: Path, path: str) -> str:
    """Return in words what a pipeline's path means in a checkout, a refusal of the platform included."""
    from nautes_domain import patterns  # noqa: PLC0415 - only one command pays for it
    from nautes_domain.failures import Rejected  # noqa: PLC0415

    if path.endswith("/"):
        try:
            return f"{path} builds the run {built(checkout, path)['metadata']['name']}"
        except Rejected as refused:
            return str(refused)
    if patterns.means_files(path):
        found = patterns.files_meant(path, _files(checkout, patterns.fixed_folder(path)))
        return f"{path} means {', '.join(found) or 'no file'}"
    return path if _is_file(checkout, checkout / path) else f"there is no file {path}"


def built(checkout: Path, folder: str) -> dict[str, Any]:
    """Return the run that a folder builds. Raises Rejected as the platform does."""
    from nautes_domain import kustomize  # noqa: PLC0415

    steps = kustomize.build(folder)
    answer: Any = None
    try:
        while True:
            need = steps.send(answer)
            if isinstance(need, kustomize.Listing):
                answer = _files(checkout, need.folder)
            else:
                answer = (checkout / need.path).read_bytes()
    except StopIteration as done:
        return dict(json.loads(done.value))


def _files(checkout: Path, folder: str) -> list[str]:
    found = (path for path in (checkout / folder).rglob("*") if _is_file(checkout, path))
    return sorted(path.relative_to(checkout).as_posix() for path in found)


def _is_file(checkout: Path, path: Path) -> bool:
    """Say whether a path is a plain file, and no link leads to it."""
    return path.is_file() and path.resolve() == checkout.resolve() / path.relative_to(checkout)
