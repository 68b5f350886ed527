"""A pipeline engine in memory: it remembers what was started."""

import json
from collections.abc import Mapping
from typing import Any

from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Rejected, Violation


class MemoryPipelineEngine:
    """Implements `capabilities.PipelineEngine`. Its pipeline files are JSON objects with `kind: Run`."""

    name = "memory"

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], Mapping[str, Any]] = {}
        """Runs by namespace and name."""

    def build(self, request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
        """Return the run; what the file says about name, namespace, account and labels is replaced."""
        try:
            document = json.loads(source)
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("kind") != "Run":
            broken = Violation(file, 1, "Run", "", "kind", "one-run", "the file is not exactly one run")
            raise Rejected("the pipeline file cannot be run", [broken], code="bad-pipeline")
        return {
            **document,
            "name": request.name,
            "namespace": request.namespace,
            "account": request.account,
            "labels": dict(request.labels),
            "annotations": dict(request.annotations),
            "params": {**document.get("params", {}), **request.params},
        }

    async def start(self, request: RunRequest, run: Mapping[str, Any]) -> bool:
        """Remember a run; False if it was there."""
        key = (request.namespace, request.name)
        if key in self.runs:
            return False
        self.runs[key] = run
        return True
