"""Tekton: runs from pipeline files, started under the runtime's own account."""

from nautes_adapters.tekton.engine import TektonEngine
from nautes_adapters.tekton.run import build

__all__ = ["TektonEngine", "build"]
