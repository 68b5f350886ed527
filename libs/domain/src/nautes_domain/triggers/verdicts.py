"""Whether one event source means one delivery, and why or why not: a row of rules, the first that objects decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nautes_domain import conditions, patterns
from nautes_domain.events import PUSHES, Delivery, DeliveryKind
from nautes_domain.manifests import EventSource, GitLabSource
from nautes_domain.triggers.facts import Facts

CODE_ACTIONS: Final = ("open", "reopen", "update")
"""What is done to a merge request when there is code to be judged."""

DEFAULT_ACTIONS: Final = {
    DeliveryKind.MERGE_REQUEST: CODE_ACTIONS,
    DeliveryKind.NOTE: ("create",),
    DeliveryKind.RELEASE: ("create",),
}
"""What counts where an event source lists no actions; of other kinds everything does."""


@dataclass(frozen=True, slots=True)
class Question:
    """A delivery held against an event source of a runtime."""

    delivery: Delivery
    facts: Facts
    source: GitLabSource
    repository: str
    """The repository of the product that the delivery came from."""
    pinned: bool
    """The trigger says at which revision its pipeline is read, so that the event need not name a commit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it, in words for people."""

    fires: bool
    reason: str
    note: str = ""
    """What could not be checked and was let pass."""
    skipped: bool = False
    """The source means such an event on that branch, and it was passed over all the same."""


def judge_calendar(source: EventSource, delivery: Delivery, about: str) -> Verdict:
    """Return whether an event source is the calendar that fired; `about` is how it is called."""
    if source.calendar is None:
        return Verdict(fires=False, reason="its event source is the code host")
    if delivery.about != about:
        return Verdict(fires=False, reason=f"its calendar is {about}")
    when = source.calendar.schedule or f"every {source.calendar.interval}"
    return Verdict(fires=True, reason=f"{about} fired at {delivery.occurred_at} ({when})")


def judge(source: EventSource, delivery: Delivery, facts: Facts, repository: str, *, pinned: bool) -> Verdict:
    """Return whether an event source means a delivery. Never raises."""
    if source.gitlab is None:
        return Verdict(fires=False, reason="its event source is a calendar")
    question = Question(delivery, facts, source.gitlab, repository, pinned)
    for rule in RULES:
        objection = rule(question)
        if objection:
            skipped = rule in SKIPPING and not any(other(question) for other in CONCERN)
            return Verdict(fires=False, reason=objection, skipped=skipped)
    return _fired(question)


def deed(delivery: Delivery) -> str:
    """Return what was done: GitLab's action, but `edit` for an update that brought no code.

    GitLab sends `oldrev` with an update if and only if code was pushed ("Webhook events", merge requests).
    """
    if delivery.kind is DeliveryKind.MERGE_REQUEST and delivery.action == "update" and not delivery.before:
        return "edit"
    return delivery.action


def variables(delivery: Delivery) -> dict[str, Any]:
    """Return what conditions may ask about a delivery; names and types as in `conditions.SAMPLE`."""
    said = delivery.model_dump(include=set(conditions.SAMPLE), mode="json")
    return {
        **said,
        "action": deed(delivery),
        "revision": delivery.revision,
    }


def _repository(question: Question) -> str:
    theirs = question.source.repo_name
    return "" if theirs == question.repository else f"it listens to {theirs}"


def _event(question: Question) -> str:
    if question.delivery.hook_event in question.source.events:
        return ""
    return f"it listens to {', '.join(question.source.events)}, not to {question.delivery.event}"


def _own_work(question: Question) -> str:
    """What the platform itself pushes must not start what makes it push again."""
    own = question.facts.own_account
    if own and question.delivery.actor == own:
        return f"it was done by the platform's own account {own}"
    return ""


def _action(question: Question) -> str:
    delivery = question.delivery
    wanted = question.source.actions or DEFAULT_ACTIONS.get(delivery.kind, ())
    done = deed(delivery)
    if not wanted or delivery.kind in PUSHES or not done or done in wanted:
        return ""
    if done == "edit":
        what = ", ".join(delivery.edited) or "something else"
        return f"no code changed, only {what}"
    return f"the action was {done}, and it listens to {', '.join(wanted)}"


def _fork(question: Question) -> str:
    """A stranger's code never runs under the rights of a product's account."""
    if question.delivery.from_fork:
        return f"the code is that of a fork (project {question.delivery.source_project_id})"
    return ""


def _deleted(question: Question) -> str:
    return f"{question.delivery.ref} was deleted" if question.delivery.deletes else ""


def _revision(question: Question) -> str:
    explained = patterns.explain_revision(question.source.revision, question.delivery.revision_ref)
    if explained.matches:
        return ""
    return explained.words if question.delivery.revision_ref else "it names no branch or tag"


def _skipped(question: Question) -> str:
    delivery = question.delivery
    if delivery.skip_ci:
        return "the push option ci.skip was given"
    if delivery.message_skips or (delivery.message_skips is None and question.facts.message_skips):
        return "the message of its head commit asks to skip pipelines"
    return ""


def _commit(question: Question) -> str:
    if question.delivery.checkout_sha or question.pinned:
        return ""
    if question.delivery.kind in PUSHES:
        return "the delivery names no commit"
    return f"{question.delivery.event} names no commit, and the trigger gives no revision to read its pipeline at"


def _paths(question: Question) -> str:
    changed = question.facts.changed
    if not question.source.paths or changed is None:
        return ""
    explained = patterns.explain_paths(question.source.paths, changed)
    return "" if explained.matches else explained.words


def _condition(question: Question) -> str:
    if not question.source.condition:
        return ""
    outcome = conditions.evaluate(question.source.condition, variables(question.delivery))
    return "" if outcome.holds else outcome.words


RULES: Final[tuple[Callable[[Question], str], ...]] = (
    _repository, _event, _own_work, _action, _fork, _deleted, _revision, _skipped, _commit, _paths, _condition,
)  # fmt: skip
"""Each returns why the delivery is not meant, or an empty text."""

CONCERN: Final = frozenset({_repository, _event, _deleted, _revision, _commit})
"""What these object to is of no concern to a source: nobody expects a run."""
SKIPPING: Final = frozenset({_own_work, _skipped, _paths, _condition})
"""What these object to was asked for or declared by somebody, and whoever looks at the commit may not know it."""


def _fired(question: Question) -> Verdict:
    delivery, source = question.delivery, question.source
    done = f" ({deed(delivery)})" if delivery.action else ""
    on = f" on {delivery.revision}" if delivery.revision else ""
    reason = f"{delivery.event}{done}{on} of {question.repository}"
    if not source.paths:
        return Verdict(fires=True, reason=reason)
    if question.facts.changed is None:
        note = f"its path filter was not applied: {question.facts.unknown}"
        return Verdict(fires=True, reason=reason, note=note)
    return Verdict(
        fires=True, reason=f"{reason}; {patterns.explain_paths(source.paths, question.facts.changed).words}"
    )
