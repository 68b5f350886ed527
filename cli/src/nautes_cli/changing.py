"""What commands that change something share: asking the API for one entity, showing progress, ending."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from enum import Enum
from time import monotonic
from typing import Annotated, Any, Final

import typer

from nautes_cli import applying
from nautes_cli.applying import Outcome, Result
from nautes_cli.client import Api
from nautes_cli.console import ExitCode, ObjectOutput, console, say, show_document
from nautes_cli.entries import Entry, Key
from nautes_cli.ordering import last_of_each, to_await
from nautes_cli.problems import ApiError, violation_line

INTERRUPTED: Final = 130
"""What shells expect of a command that Ctrl-C ended."""
PATIENCE: Final = 30.0
"""Seconds for an answer that waits for nothing."""
SLACK: Final = 10.0
"""Seconds for which an answer may be late: the server keeps the deadline itself."""

InsecureOption = Annotated[
    bool,
    typer.Option(
        "--insecure",
        "-i",
        help="Skip checks of references. Needs the maintainer level, and is recorded; rights are checked all the same.",
    ),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Return when the systems are as declared, or not in time.")
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", min=1, help="Seconds to wait for what each repository declares.", metavar="SECONDS"
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Ask for the plan of each change, and change nothing.")
]
ContinueOption = Annotated[
    bool, typer.Option("--continue-on-error", help="Go on after a failure, with what does not depend on it.")
]

_COLOURS: Final = {Result.REFUSED: "red", Result.FAILED: "red", Result.SKIPPED: "yellow"}


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """How entities are to be changed."""

    insecure: bool = False
    dry_run: bool = False
    wait: bool = False
    timeout: float = 60.0
    if_match: str = ""
    """Change an entity only if it is still the one with this ETag."""

    def query(self, *, wait: bool) -> Mapping[str, str]:
        """Return the query of a request (section 2.3 of the original; `dry_run` and `wait` are ours)."""
        found = {"insecure_skip_check": self.insecure, "dry_run": self.dry_run}
        query = {name: "true" for name, given in found.items() if given}
        return {**query, "wait": f"{self.timeout:g}"} if wait and not self.dry_run else query


def saving(api: Api, asked: Asked, ordered: Sequence[Entry]) -> Callable[[Entry], Outcome]:
    """Return what saves the entries of a batch, which are asked about in this order."""
    catching_up, ends = to_await(ordered), last_of_each(ordered)
    coming = frozenset(entry.name for entry in ordered if entry.kind.name == "Product")

    def save(entry: Entry) -> Outcome:
        outcome = _ask(api, "POST", entry, asked, _Waiting.of(entry.key, asked, catching_up, ends))
        return applying.without_warnings_of(outcome, coming)

    return save


def removing(
    api: Api, asked: Asked, ordered: Sequence[Entry], *, absent_is_fine: bool = True
) -> Callable[[Entry], Outcome]:
    """Return what removes the entries of a batch; one that is not there may be as it should be."""
    catching_up, ends = to_await(ordered), last_of_each(ordered)

    def remove(entry: Entry) -> Outcome:
        waiting = _Waiting.of(entry.key, asked, catching_up, ends)
        outcome = _ask(api, "DELETE", entry, asked, waiting)
        if absent_is_fine and outcome.error is not None and outcome.error.status == 404:
            return dataclasses.replace(outcome, result=Result.ABSENT, error=None)
        if outcome.result is Result.UNCHANGED:  # so an API answers that has nothing to remove
            return dataclasses.replace(outcome, result=Result.ABSENT)
        return outcome

    return remove


class _Waiting(Enum):
    """How long an answer about one entity is waited for."""

    NO = 0
    CATCHING_UP = 1
    """Until what follows can be judged. Whether it then is as declared, nobody asked."""
    SETTLED = 2
    """Until all of its repository is as declared."""

    @classmethod
    def of(cls, key: Key, asked: Asked, catching_up: AbstractSet[Key], ends: AbstractSet[Key]) -> "_Waiting":
        if asked.wait and key in ends:
            return cls.SETTLED
        return cls.CATCHING_UP if key in catching_up else cls.NO


def carry_out(
    entries: Sequence[Entry], act: Callable[[Entry], Outcome], *, go_on: bool, output: ObjectOutput
) -> Sequence[Outcome]:
    """Do it to each entity, tell of each as it is done, sum up; a failure ends the command with its exit code."""
    done: list[Outcome] = []
    width = max((len(entry.entity) for entry in entries), default=0)
    terminal = console(stderr=True)
    try:
        with terminal.status("…") if terminal.is_terminal else nullcontext() as spinner:

            def told(entry: Entry) -> Outcome:
                if spinner is not None:
                    spinner.update(f"{entry.entity} ({len(done) + 1} of {len(entries)}) …")
                return act(entry)

            for outcome in applying.run(entries, told, go_on=go_on):
                done.append(outcome)
                _tell(outcome, width, output)
    except KeyboardInterrupt:
        say(f"interrupted: {applying.summary(done)}, {len(entries) - len(done)} not tried")
        raise typer.Exit(INTERRUPTED) from None
    _show(done, output)
    say(applying.summary(done))
    code = exit_code(done)
    if code:
        raise typer.Exit(code)
    return done


def exit_code(outcomes: Sequence[Outcome]) -> ExitCode:
    """Return the exit code for outcomes: that of the first failure."""
    first = next((outcome for outcome in outcomes if outcome.result in applying.BAD), None)
    if first is None:
        return ExitCode.OK
    if first.error is not None:
        return first.error.exit_code
    return ExitCode.TIMED_OUT if first.result is Result.LATE else ExitCode.FAILED


def _ask(api: Api, method: str, entry: Entry, asked: Asked, waiting: _Waiting) -> Outcome:
    began = monotonic()
    wait = waiting is not _Waiting.NO
    try:
        answer = api.call(
            method,
            entry.path,
            query=asked.query(wait=wait),
            body=dict(entry.body) if method == "POST" else None,
            headers={"If-Match": asked.if_match} if asked.if_match else None,
            timeout=asked.timeout + SLACK if wait else PATIENCE,
        )
    except ApiError as error:
        return dataclasses.replace(applying.failed(entry, error), seconds=monotonic() - began)
    value: Mapping[str, Any] = answer.body if isinstance(answer.body, Mapping) else {}
    done = Result.SAVED if method == "POST" else Result.REMOVED
    planned = Result.UNCHANGED if value.get("result") == "unchanged" else Result.PLANNED
    result = planned if asked.dry_run else _became(value, done, waiting)
    return Outcome(entry, result, str(value.get("message") or ""), None, value, monotonic() - began)


def _became(value: Mapping[str, Any], done: Result, waiting: _Waiting) -> Result:
    """Return what an answer says became of it (`result` and `commit`, which are ours; the original has neither).

    How reconciling ended counts only if somebody asked to wait for it: it may be about other declarations.
    """
    ended = {"waiting": Result.LATE, "refused": Result.REFUSED}
    if waiting is _Waiting.SETTLED and value.get("result") in ended:
        return ended[str(value["result"])]
    return Result.UNCHANGED if value.get("commit") == "" else done


def _tell(outcome: Outcome, width: int, output: ObjectOutput) -> None:
    """Write one line for one entity; into the result only where it is the result."""
    entity = outcome.entry.entity.ljust(width)
    line = f"{entity}  {outcome.result.value:<9}  {outcome.seconds:5.2f} s"
    wide = output is ObjectOutput.WIDE or outcome.result in applying.BAD or outcome.result is Result.PLANNED
    if wide and outcome.message:
        line += f"  {outcome.message}"
    if output is ObjectOutput.WIDE:
        line += f"  ({outcome.entry.place})"
    to_errors = output not in {ObjectOutput.TABLE, ObjectOutput.WIDE}
    typer.secho(line, fg=_COLOURS.get(outcome.result), err=to_errors)
    for violation in outcome.error.violations if outcome.error else ():
        say(f"    {violation_line(violation)}")
    for warning in outcome.warnings:
        say(f"    warning: {violation_line(warning)}")
    if outcome.result in {Result.LATE, Result.REFUSED}:
        for reason in unsettled(outcome.answer):
            say(f"    {reason}")
    if outcome.result is Result.PLANNED:
        for action in planned_actions(outcome.answer):
            typer.echo(f"    {action}", err=to_errors)


def planned_actions(answer: Mapping[str, Any]) -> Sequence[str]:
    """Return the actions of a plan in words."""
    return [
        f"{one.get('verb')} {one.get('object')}, since {one.get('because')}"
        for one in answer.get("plan") or ()
        if isinstance(one, Mapping)
    ]


def unsettled(answer: Mapping[str, Any]) -> Sequence[str]:
    """Return which services of a scope are not done, and why: what an answer's `state` says after waiting."""
    state = answer.get("state") or {}
    return [
        f"{state.get('scope')}, {one.get('service')}: {one.get('result')}: {one.get('message')}"
        for one in state.get("services", ())
        if one.get("result") not in {"done", "already"}
    ]


def _show(done: Sequence[Outcome], output: ObjectOutput) -> None:
    document = {
        "summary": {result.value: sum(one.result is result for one in done) for result in Result},
        "entities": [outcome.document for outcome in done],
    }
    if output is ObjectOutput.NAME:
        for outcome in done:
            if outcome.result not in applying.BAD:
                typer.echo(f"{outcome.entry.kind.name.lower()}/{outcome.entry.name}")
    else:
        show_document(document, output)
