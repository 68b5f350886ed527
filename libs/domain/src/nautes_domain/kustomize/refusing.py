"""How a folder is refused: by file, line and field, with what to do. Pure."""

from nautes_domain.failures import Rejected, Violation, pipeline_file_rejected
from nautes_domain.source import Document, Path


def refusal(file: str, message: str, fix: str, *, line: int = 1, field: str = "") -> Rejected:
    """Return the refusal (code `pipeline-file`) of a file of a folder."""
    violation = Violation(file, line, "Kustomization", "", field, "kustomization", message, fix)
    return pipeline_file_rejected(file, (violation,))


def refusal_at(document: Document, path: Path, message: str, fix: str) -> Rejected:
    """Return the refusal of a field of a document."""
    field = ".".join(str(part) for part in path)
    return refusal(document.file, message, fix, line=document.line_of(path), field=field)
