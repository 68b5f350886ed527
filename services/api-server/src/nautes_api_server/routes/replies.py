"""How answers are built that are not models: entities and pages with ETags, and what was saved."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from nautes_api_server.problems import ViolationView
from nautes_api_server.views import ScopeView
from nautes_api_server.wishes import etags
from nautes_api_server.writing import Written
from nautes_domain.effects import records_of

JSON = "application/json"


class PlannedFile(BaseModel):
    """One file that would change. `before` and `after` are its content, empty where it is not there."""

    verb: str
    object: str
    because: str
    entity: str
    before: str = ""
    after: str = ""


class Saved(BaseModel):
    """What became of a POST or DELETE. The original's reply has `message` alone."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"message": "Environment/test of orchard is saved", "commit": "6104942438c14ec7bd21c6cd5bd995272b3faff6", "result": "committed", "plan": [], "warnings": [], "skipped": [], "state": None}}
    )  # fmt: skip

    message: str
    commit: str = ""
    """The commit that declares it; empty if nothing had to change."""
    result: str
    """`committed`, `unchanged`, `planned`; after waiting also `reconciled`, `waiting` or `refused`."""
    plan: tuple[PlannedFile, ...] = ()
    """What a dry run would do: the plan that is applied without one."""
    warnings: tuple[ViolationView, ...] = ()
    skipped: tuple[ViolationView, ...] = ()
    """Broken rules that were not held against it, since the caller asked to skip them."""
    state: ScopeView | None = None
    """How the services stand; after waiting only."""


def saved(words: str, written: Written, *, dry_run: bool) -> Saved:
    """Return what became of a wish."""
    plan = written.draft.plan
    result = "unchanged" if not len(plan) else "planned" if dry_run else "committed"
    shown = [
        PlannedFile(
            verb=action.verb.value,
            object=str(action.ref),
            because=action.because,
            entity=action.entity,
            before=_text(action.before),
            after=_text(action.after),
        )
        for action in plan
    ]
    return Saved(
        message=words,
        commit=written.commit,
        result=result,
        plan=shown if dry_run else [],
        warnings=[ViolationView(**one.model_dump()) for one in records_of(written.finding.warnings)],
        skipped=[ViolationView(**one.model_dump()) for one in records_of(written.finding.skipped)],
    )


def conditional(content: bytes, etag: str, if_none_match: str, headers: Mapping[str, str]) -> Response:
    """Return a body with its ETag, or 304 if the caller has it."""
    known = etags(if_none_match)
    all_headers = {"ETag": etag, "Cache-Control": "private, no-cache", **headers}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=all_headers)
    return Response(content, media_type=JSON, headers=all_headers)


def _text(spec: Mapping[str, Any] | None) -> str:
    return "" if spec is None else spec["content"].decode(errors="replace")
