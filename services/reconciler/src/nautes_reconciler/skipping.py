"""What a commit says of runtimes that were skipped: one status each, with the reason, where no run says anything.

A status that stands there already is left alone, whosever it is: the same push told of twice writes once, and a run
that builds this commit, since somebody asked for it or it was pushed before, keeps the word. A run that comes later
has a status of its own, which is newer.
"""

from collections.abc import Callable

from nautes_domain.capabilities import CodeHost, CommitState, CommitStatus, description
from nautes_domain.effects import Considered
from nautes_domain.events import Delivery
from nautes_domain.failures import Failure
from nautes_domain.plan import Action, Ref, Verb
from nautes_domain.reconcile import Outcome
from nautes_domain.triggers import Match, skips
from nautes_runtime.tracing import span


class Skipping:
    """Reports on commits which runtimes were skipped."""

    def __init__(self, code_host: CodeHost, clock: Callable[[], float]) -> None:
        self._code_host = code_host
        self._clock = clock

    async def show(self, delivery: Delivery, found: Match) -> list[tuple[Considered, Outcome]]:
        """Show what was skipped; return what was written, or could not be, each with a trigger that it is of."""
        written = []
        for runtime, reason in skips(delivery, found).items():
            outcome = await self._show(delivery, runtime, reason)
            if outcome is not None:
                considered = next(one for one in found.passed_over if one.runtime == runtime)
                written.append((considered, outcome))
        return written

    async def _show(self, delivery: Delivery, runtime: str, reason: str) -> Outcome | None:
        """Show one status; None if one stands there."""
        began = self._clock()
        status = CommitStatus(
            CommitState.SKIPPED, f"nautes/{runtime}", description(reason), ref=delivery.revision
        )
        place = (delivery.project_id, delivery.checkout_sha)
        try:
            with span("commit status"):
                if await self._code_host.status(*place, status.name, status.ref) is not None:
                    return None
                await self._code_host.set_status(*place, status)
        except Failure as failure:
            return Outcome(_action(delivery, status), failure, self._clock() - began)
        return Outcome(_action(delivery, status), None, self._clock() - began)


def _action(delivery: Delivery, status: CommitStatus) -> Action:
    ref = Ref("gitlab", "CommitStatus", status.name, f"{delivery.project}@{delivery.checkout_sha[:12]}")
    after = {"state": status.state.value, "description": status.description, "ref": status.ref}
    entity = f"ProjectPipelineRuntime/{status.name.removeprefix('nautes/')}"
    return Action(Verb.CREATE, ref, None, after, status.description, entity)
