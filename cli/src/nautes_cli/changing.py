"""What commands that change something share: asking the API for one entity, showing progress, ending."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from time import monotonic
from typing import Annotated, Any, Final

import typer

from nautes_cli import applying
from nautes_cli.applying import Outcome, Result
from nautes_cli.client import Api
from nautes_cli.console import ExitCode, ObjectOutput, console, say, show_document
from nautes_cli.entries import Entry
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
    bool, typer.Option("--wait", help="Wait for each entity until the systems are as declared.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds to wait for each entity.", metavar="SECONDS")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Ask for the plan of each change, and change nothing.")
]
ContinueOption = Annotated[
    bool, typer.Option("--continue-on-error", help="Go on after a failure, with what does not depend on it.")
]

Key = tuple[str, str, str]
"""`Entry.key`."""

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


def saving(api: Api, asked: Asked, awaited: AbstractSet[Key] = frozenset()) -> Callable[[Entry], Outcome]:
    """Return what saves an entity; after those in `awaited` it waits until the platform has caught up."""
    return lambda entry: _ask(api, "POST", entry, asked, entry.key in awaited)


def removing(
    api: Api, asked: Asked, awaited: AbstractSet[Key] = frozenset(), *, absent_is_fine: bool = True
) -> Callable[[Entry], Outcome]:
    """Return what removes an entity; one that is not there may be as it should be."""

    def remove(entry: Entry) -> Outcome:
        outcome = _ask(api, "DELETE", entry, asked, entry.key in awaited)
        if absent_is_fine and outcome.error is not None and outcome.error.status == 404:
            return dataclasses.replace(outcome, result=Result.ABSENT, error=None)
        return outcome

    return remove


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


def _ask(api: Api, method: str, entry: Entry, asked: Asked, awaited: bool) -> Outcome:  # noqa: FBT001
    began = monotonic()
    wait = asked.wait or awaited
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
    result = Result.PLANNED if asked.dry_run else _became(value, done, asked.wait)
    return Outcome(entry, result, str(value.get("message") or ""), None, value, monotonic() - began)


def _became(value: Mapping[str, Any], done: Result, wait: bool) -> Result:  # noqa: FBT001
    """Return what an answer says became of it (`result`, which is ours; the original has `message` alone).

    How reconciling ended counts only if somebody asked to wait for it: it may be about other declarations.
    """
    if value.get("result") == "unchanged":
        return Result.UNCHANGED
    ended = {"waiting": Result.LATE, "refused": Result.REFUSED}
    return ended.get(str(value.get("result")), done) if wait else done


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
