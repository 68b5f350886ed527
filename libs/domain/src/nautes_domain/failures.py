"""Failures named by what to do next, in words for the people who must act. Not logging, not HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One broken rule in what people declared: where it stands, what is wrong and what to do."""

    file: str
    line: int
    kind: str
    name: str
    field: str
    rule: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """One line for people: `file:line kind/name field: message [rule]; fix`."""
        subject = f"{self.kind}/{self.name}" if self.name else self.kind
        words = [f"{self.file}:{self.line}", subject, f"{self.field}:" if self.field else "", self.message]
        text = " ".join(word for word in words if word)
        return f"{text} [{self.rule}]" + (f"; {self.fix}" if self.fix else "")


class Failure(Exception):
    """Something did not happen. The subclass says what to do next; the text is safe to show anyone."""

    def __init__(
        self,
        why: str,
        *,
        what: str = "",
        who: str = "",
        next_step: str = "",
        code: str = "",
    ) -> None:
        super().__init__(why)
        self.why = why
        self.what = what
        """The object concerned, as `kind/name` or a reference."""
        self.who = who
        """Who can mend it: `platform team`, `owners of orchard`, …"""
        self.next_step = next_step
        """One command or one act that mends it."""
        self.code = code or type(self).__name__.lower()
        """A stable word for machines: `gitlab-unavailable`, `no-such-cluster`, …"""

    def __str__(self) -> str:
        """What, why, who and what next, in one line."""
        text = f"{self.what}: {self.why}" if self.what else self.why
        if self.who:
            text += f" ({self.who} can mend this)"
        return f"{text}. Next: {self.next_step}" if self.next_step else text


class Retry(Failure):
    """It may work later without anyone acting: a time-out, a refused connection, a conflict."""

    def __init__(self, why: str, *, after: timedelta | None = None, what: str = "", code: str = "") -> None:
        super().__init__(why, what=what, code=code)
        self.after = after
        """When to try again; None leaves it to the back-off of the caller."""


class Blocked(Failure):
    """Something else must exist first. It comes from another scope and will wake this one."""

    def __init__(
        self, why: str, *, by: str, after: timedelta = timedelta(seconds=5), what: str = "", code: str = ""
    ) -> None:
        super().__init__(why, what=what, code=code)
        self.by = by
        """What is waited for, as `kind/name`."""
        self.after = after
        """How long to wait when no fact wakes this scope earlier."""


class Rejected(Failure):
    """It will never work as it is: somebody must change what they declared or sent."""

    def __init__(
        self,
        why: str,
        violations: Iterable[Violation] = (),
        *,
        what: str = "",
        who: str = "",
        next_step: str = "",
        code: str = "",
    ) -> None:
        super().__init__(why, what=what, who=who, next_step=next_step, code=code)
        self.violations = tuple(sorted(violations))


def pipeline_file_rejected(file: str, found: Iterable[Violation]) -> Rejected:
    """Return the refusal (code `pipeline-file`) of a file that no run can be made of; the first violation is in its words."""
    violations = sorted(found)
    first = violations[0]
    more = f" and {len(violations) - 1} more" if len(violations) > 1 else ""
    return Rejected(
        f"{first.file}:{first.line} {first.message}{more}",
        violations,
        what=f"pipeline file {file}",
        who="owners of the pipeline file",
        next_step=first.fix,
        code="pipeline-file",
    )


def most_urgent(failures: Iterable[Failure]) -> Failure | None:
    """Return the failure that decides what happens to the whole: Retry before Blocked before Rejected."""
    order = (Retry, Blocked, Rejected, Failure)
    ranked = sorted(
        failures, key=lambda failure: next(i for i, kind in enumerate(order) if isinstance(failure, kind))
    )
    return ranked[0] if ranked else None
