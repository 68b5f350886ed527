"""What people ask for through the API: a run started, stopped, started again.

The API server checks who asks and stores a delivery of kind `request`; only it may. What is asked for goes the way
of every other event from here: matched, started under the runtime's account, recorded.
"""

from collections.abc import Callable
from typing import Final

from nautes_domain.capabilities import CodeHost
from nautes_domain.catalog import ProductCatalog
from nautes_domain.discussions import Discussion
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.runs import RunState
from nautes_domain.triggers import RunToStart, chosen, match, pipeline_of
from nautes_reconciler.asking import FactFinder
from nautes_reconciler.commanding import Commanding, Outcome, is_command, merge_request_event
from nautes_reconciler.runs import Starter
from nautes_reconciler.standing import Standing, StandingRuns

START: Final = "start"
CANCEL: Final = "cancel"
RETRY: Final = "retry"
"""What a request may ask for, in `action`: of a runtime in `about` and its pipeline in `title`, or of a run in `about`."""


class Requesting:
    """Carries out requests. The same request, delivered twice, asks for the same run."""

    def __init__(
        self,
        code_host: CodeHost,
        discussion: Discussion,
        facts: FactFinder,
        starter: Starter,
        standing: StandingRuns,
    ) -> None:
        self._code_host = code_host
        self._discussion = discussion
        self._facts = facts
        self._starter = starter
        self._standing = standing

    async def carry_out(self, delivery: Delivery, catalog: ProductCatalog, repository: str) -> Outcome:
        """Do what is asked for, or say why not."""
        if delivery.action == START:
            return await self._start(delivery, catalog, repository)
        found = await self._standing.find(
            catalog, lambda run: run.name == delivery.about and run.project_id == delivery.project_id
        )
        if not found:
            return Outcome(f"there is no run {delivery.about}")
        if delivery.action == CANCEL:
            return await self._cancel(delivery, found[0])
        return await self._retry(delivery, catalog, repository, found[0].run)

    async def _start(self, delivery: Delivery, catalog: ProductCatalog, repository: str) -> Outcome:
        head = await self._code_host.head(delivery.project_id, delivery.branch)
        if head is None:
            return Outcome(f"{delivery.project} has no branch {delivery.branch}")
        event = push_event(delivery, delivery.ref, head)

        def wanted(run: RunToStart) -> bool:
            return run.considered.runtime == delivery.about and delivery.title in {"", pipeline_of(run)}

        return await self._do(event, catalog, repository, wanted)

    async def _cancel(self, delivery: Delivery, found: Standing) -> Outcome:
        if found.run.phase.final:
            return Outcome(f"{found.run.name} has ended already: {found.run.phase}")
        because = f"{delivery.actor} cancelled it"
        done = await self._standing.stop(found, "run cancel", because)
        return Outcome(because, (done,))

    async def _retry(
        self, delivery: Delivery, catalog: ProductCatalog, repository: str, run: RunState
    ) -> Outcome:
        if not run.phase.final:
            return Outcome(f"{run.name} is {run.phase}; cancel it first")
        event = push_event(delivery, run.cause.ref, run.commit)
        if run.merge_request:
            request = await self._discussion.merge_request(run.project_id, run.merge_request)
            if request is None:
                return Outcome(f"merge request {run.merge_request} is gone")
            event = merge_request_event(asked(delivery), request, event.event, run.commit)
        same = (run.runtime, run.pipeline)
        return await self._do(
            event, catalog, repository, lambda one: (one.considered.runtime, pipeline_of(one)) == same
        )

    async def _do(
        self,
        event: Delivery,
        catalog: ProductCatalog,
        repository: str,
        wanted: Callable[[RunToStart], bool],
    ) -> Outcome:
        facts = (await self._facts.facts(event, catalog, repository)).asked_by_name
        found = chosen(match(event, catalog, repository, facts), wanted, f"{event.actor} asked for another")
        done = tuple(await self._starter.start_all(found.runs, event))
        summary = f"{len(done)} run" if done else "no trigger of it answers that ref"
        return Outcome(summary, done, found.passed_over)


class AskedFor:
    """What a person asked for by name, by a comment or through the API."""

    def __init__(self, commanding: Commanding, requesting: Requesting) -> None:
        self._commanding = commanding
        self._requesting = requesting

    async def carry_out(self, delivery: Delivery, catalog: ProductCatalog, repository: str) -> Outcome | None:
        """Do it; None if the delivery is of something that happened by itself."""
        if delivery.kind is DeliveryKind.REQUEST:
            return await self._requesting.carry_out(delivery, catalog, repository)
        if is_command(delivery):
            return await self._commanding.carry_out(delivery, catalog, repository)
        return None


def push_event(request: Delivery, ref: str, commit: str) -> Delivery:
    """Return the event that a request stands for: this ref, pushed to this commit."""
    kind = DeliveryKind.TAG_PUSH if ref.startswith("refs/tags/") else DeliveryKind.PUSH
    return asked(request).model_copy(
        update={
            "kind": kind,
            "event": f"nautes run {request.action}",
            "ref": ref,
            "before": commit,
            "after": commit,
            "checkout_sha": commit,
            "message_skips": False,
            "action": "",
            "about": "",
            "title": "",
        }
    )


def asked(request: Delivery) -> Delivery:
    """Return a request that is told from every other: asked for again, the same is done again."""
    return request.model_copy(update={"request": f"call {request.id}"})
