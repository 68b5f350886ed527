"""What the API answers when it does not do what was asked, in words for people. Pure.

Bodies: RFC 9457 problem details, with `code`, `reason` and `message` of the original (its section 2.6), and a
list of violations, each with kind, name, field, file, line, rule, message and what to do.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from nautes_cli.console import ExitCode

_NEXT: Final[Mapping[int, str]] = {
    401: "sign in with `nautes login`",
    403: "ask a maintainer of the product's group on the code host for the right",
    409: "somebody else changed it meanwhile; look with `nautes get`, then try again",
    412: "it changed since it was read; look with `nautes get`, then try again",
    429: "wait a moment, then try again",
    503: "the platform waits for a system that it needs; try again in a moment",
}


class ConfigError(ValueError):
    """Something about contexts, addresses or tokens cannot be used as it is; the message says what to do."""


class ApiError(Exception):
    """The API refused, or could not be reached; the message is for people."""

    def __init__(
        self,
        message: str,
        status: int = 0,
        problem: Mapping[str, Any] | None = None,
        *,
        timed_out: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; 0 if there was no answer."""
        self.problem: Mapping[str, Any] = problem or {}
        self.timed_out = timed_out

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that ends with this."""
        if self.timed_out or self.status == 504:
            return ExitCode.TIMED_OUT
        if self.status == 401:
            return ExitCode.NOT_SIGNED_IN
        return ExitCode.FAILED if self.status else ExitCode.NOT_RUNNING

    @property
    def code(self) -> str:
        """A stable word for machines: the original's `reason`."""
        return str(self.problem.get("reason") or self.status or "unreachable")

    @property
    def violations(self) -> tuple[Mapping[str, Any], ...]:
        """Every broken rule that the answer names."""
        listed = self.problem.get("violations")
        return tuple(one for one in listed if isinstance(one, Mapping)) if isinstance(listed, list) else ()

    def lines(self) -> Iterator[str]:
        """Yield what went wrong, every violation, and what to do next."""
        yield str(self)
        for violation in self.violations:
            yield f"  {violation_line(violation)}"
        advice = str(self.problem.get("next_step") or _NEXT.get(self.status, ""))
        if advice and not self.violations and advice not in str(self):
            yield f"Next: {advice}"


def refused(status: int, body: Any) -> ApiError:
    """Return the error for an answer that is no success; `body` is its JSON, or None if it has none."""
    problem = body if isinstance(body, Mapping) else {}
    words = problem.get("detail") or problem.get("message") or problem.get("title")
    return ApiError(str(words or f"the API answered {status}")[:2000], status, problem)


def violation_line(violation: Mapping[str, Any]) -> str:
    """Return a violation in one line: where, what, which rule, what to do."""
    text = {
        key: str(violation.get(key) or "")
        for key in ("file", "kind", "name", "field", "message", "rule", "fix")
    }
    place = f"{text['file']}:{violation.get('line') or 1}" if text["file"] else ""
    subject = f"{text['kind']}/{text['name']}" if text["name"] else text["kind"]
    words = " ".join(word for word in (place, subject, text["field"]) if word)
    rule = f" [{text['rule']}]" if text["rule"] else ""
    line = f"{words}: {text['message']}{rule}" if words else f"{text['message']}{rule}"
    return f"{line}; {text['fix']}" if text["fix"] else line
