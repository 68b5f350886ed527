"""Answers that are not what was asked for: RFC 9457 bodies that also carry the original's `code`, `reason`, `message`. Pure.

Sources: RFC 9457; section 2.6 of the original (Kratos' JSON: code, reason, message, metadata).
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from nautes_domain.effects import ViolationRecord, records_of
from nautes_domain.failures import Blocked, Failure, Rejected, Violation

MEDIA_TYPE: Final = "application/problem+json"
LONGEST_DETAIL: Final = 1_000


class ViolationView(ViolationRecord):
    """One broken rule, with the place in the request's body where there is one."""

    pointer: str = ""
    """JSON pointer (RFC 6901) into the body that was sent; empty if it stands elsewhere."""


class ProblemView(BaseModel):
    """What went wrong, who can mend it, and what to do next (RFC 9457, with the original's fields)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank", "title": "Not Found", "status": 404, "detail": "there is no product 'pears' that you may see",
                "code": 404, "reason": "PRODUCT_NOT_FOUND", "message": "there is no product 'pears' that you may see",
                "metadata": {}, "who": "", "next_step": "", "violations": [],
            }
        }
    )  # fmt: skip

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: int
    """The original's: the HTTP status."""
    reason: str
    """The original's: a word for machines."""
    message: str
    """The original's: `detail`."""
    metadata: dict[str, str] = Field(default_factory=dict)
    who: str = ""
    """Who can mend it."""
    next_step: str = ""
    """One act that mends it."""
    violations: tuple[ViolationView, ...] = ()
    """Every broken rule, not only the first."""


class Problem(Exception):
    """An answer that is not what was asked for."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        violations: Iterable[ViolationView] = (),
        *,
        who: str = "",
        next_step: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail[:LONGEST_DETAIL]
        self.violations = tuple(violations)
        self.who, self.next_step = who, next_step
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the JSON of the answer."""
        view = ProblemView(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            code=self.status,
            reason=self.reason,
            message=self.detail,
            who=self.who,
            next_step=self.next_step,
            violations=self.violations,
        )
        return view.model_dump(mode="json")


_REASONS: Final[Mapping[str, tuple[int, str]]] = {
    **dict.fromkeys(("R4", "B2", "B5", "D2", "L4", "T6", "E2", "C5", "R5"), (422, "RESOURCE_NOT_EXIST")),
    **dict.fromkeys(("B3", "L14", "D8", "E5", "C12"), (422, "NOT_ALLOWED_MODIFY")),
    **dict.fromkeys(("R7", "J3", "E4", "C13", "C14", "P3", "P5"), (409, "RESOURCE_IN_USE")),
    "B6": (403, "REFRESH_PERMISSIONS_ACCESS_DENIED"),
}
"""Status and the original's reason by rule; others do not match what is there."""

_OTHERS: Final = (422, "RESOURCE_NOT_MATCH")
_WEIGHTIEST: Final = (403, 409, 422)
"""Which status stands for several violations."""

FIELD_RULES: Final = frozenset({"schema", "C1", "C2", "P2", "B1", "E1", "D1", "L1", "L2"})
"""Rules that look at one field alone (layer A of section 3): 400, as in the original."""


def not_found(kind: str, name: str) -> Problem:
    """Return the answer for what does not exist and for what is hidden: both look alike (threat T27)."""
    word = re.sub(r"[^A-Z]+", "_", kind.upper())
    return Problem(404, f"{word}_NOT_FOUND", f"there is no {kind} {name[:100]!r} that you may see")


def unauthenticated() -> Problem:
    """Return the answer for a caller whom the code host does not know."""
    words = "send a token of the code host as `Authorization: Bearer …`"
    return Problem(401, "UNAUTHENTICATED", words, headers={"WWW-Authenticate": "Bearer"})


def refused(violations: Iterable[Violation]) -> Problem:
    """Return the answer for declarations that break rules."""
    found = tuple(violations)
    views = tuple(
        ViolationView(**record.model_dump(), pointer=pointer(record.field)) for record in records_of(found)
    )
    if all(one.rule in FIELD_RULES for one in found):
        status, reason = 400, "VALIDATOR"
    else:
        status, reason = min(
            (_REASONS.get(one.rule, _OTHERS) for one in found), key=lambda one: _WEIGHTIEST.index(one[0])
        )
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Problem(status, reason, f"{found[0]}{more}", views, next_step=found[0].fix)


def pointer(field: str) -> str:
    """Return where a field of a manifest stands in the body: `spec.manifestSource.path` is `/manifest_source/path`."""
    start, _, rest = field.partition(".")
    if start != "spec" or not rest:
        return ""
    return "".join(f"/{re.sub(r'(?<!^)(?=[A-Z])', '_', part).lower()}" for part in rest.split("."))


def failed(failure: Failure) -> Problem:
    """Return the answer for a failure: what may be tried again says when."""
    reason = failure.code.upper().replace("-", "_")
    status, headers = 422, {}
    if not isinstance(failure, Rejected):
        after = getattr(failure, "after", None)
        status = 409 if isinstance(failure, Blocked) else 503
        headers["Retry-After"] = str(max(1, round(after.total_seconds())) if after else 1)
    return Problem(
        status, reason, str(failure), who=failure.who, next_step=failure.next_step, headers=headers
    )
