"""Runs for people: which there were, and what may be asked of them.

This server writes to no cluster. What is asked for is stored as an event, which the reconciler answers as any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from nautes_api_server.callers import Caller
from nautes_api_server.deciding import within
from nautes_api_server.known_runs import RunView, folded
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import Problem, not_found
from nautes_api_server.strict import StrictRoute
from nautes_domain import names
from nautes_domain.access import Level
from nautes_domain.catalog import ProductCatalog
from nautes_domain.effects import Considered
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.names import Label
from nautes_domain.runs import FACT_KIND
from nautes_domain.snapshot import product_catalog

MOST_ROWS: Final = 500


class Runs(BaseModel):
    """The newest runs, newest first; `total` tells how many there are."""

    items: list[RunView]
    total: int


class StartBody(BaseModel):
    """What to start: a pipeline of a runtime, as if a branch of a repository had been pushed."""

    model_config = ConfigDict(extra="forbid")

    runtime: Label
    pipeline: Label | None = None
    """All that answer the branch, if it is left out."""
    repository: Label | None = None
    """The first one that the runtime listens to, if it is left out."""
    branch: Annotated[str, Field(min_length=1, max_length=255)] = "main"


class Answer(BaseModel):
    """What became of what was asked for. Not decided: ask for the trace of `request` later."""

    request: str
    decided: bool
    summary: str = ""
    considered: list[Considered] = []


Product = Annotated[str, Path(max_length=63)]
RunName = Annotated[str, Path(max_length=63)]


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/products/{product_name}/runs", tags=["runs"], route_class=StrictRoute)
    asking = Asking(parts)

    @routes.get("", operation_id="list_runs")
    async def listed(
        product_name: Product,
        caller: CallerOf,
        runtime: Annotated[str | None, Query(max_length=63)] = None,
        commit: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Runs:
        """List runs, newest first; by runtime and by the beginning of a commit."""
        await asking.sees(caller, product_name)
        found, older = await asking.listed(product_name, every=bool(runtime or commit))
        rows = [
            one
            for one in found.values()
            if runtime in {None, one.runtime} and one.commit.startswith(commit or "")
        ]
        return Runs(items=rows[::-1][:MOST_ROWS], total=len(rows) + older)

    @routes.get("/{run_name}", operation_id="show_run")
    async def shown(product_name: Product, run_name: RunName, caller: CallerOf) -> RunView:
        """Return a run."""
        await asking.sees(caller, product_name)
        return await asking.run(product_name, run_name)

    @routes.post("", operation_id="start_run")
    async def start(product_name: Product, body: StartBody, caller: CallerOf, response: Response) -> Answer:
        """Start a pipeline for the head of a branch. Developers of the repository may."""
        await asking.sees(caller, product_name)
        repository = asking.repository(product_name, body)
        wanted = Wanted("start", body.runtime, body.pipeline or "", f"refs/heads/{body.branch}")
        return _said(response, await asking.ask(caller, product_name, repository, wanted))

    @routes.post("/{run_name}/cancel", operation_id="cancel_run")
    async def cancel(
        product_name: Product, run_name: RunName, caller: CallerOf, response: Response
    ) -> Answer:
        """Stop a run. Developers of the repository that it builds may."""
        return _said(response, await asking.ask_of_run(caller, product_name, run_name, "cancel"))

    @routes.post("/{run_name}/retry", operation_id="retry_run")
    async def retry(product_name: Product, run_name: RunName, caller: CallerOf, response: Response) -> Answer:
        """Run the same pipeline for the same commit again. Developers of the repository that it builds may."""
        return _said(response, await asking.ask_of_run(caller, product_name, run_name, "retry"))

    return routes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for, in the words of `nautes_reconciler.requesting`."""

    action: str
    about: str
    pipeline: str = ""
    ref: str = ""


class Asking:
    """Checks who asks, stores what is asked for, and waits for what comes of it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def sees(self, caller: Caller, product: str) -> None:
        """Raise what a product that does not exist raises, unless the caller may see this one."""
        known = names.is_label(product) and names.scope("product", product) in self._parts.news.snapshots
        if not known or not await self._parts.callers.may_see(caller, names.scope("product", product)):
            raise not_found("product", product)

    async def listed(self, product: str, *, every: bool) -> tuple[Mapping[str, RunView], int]:
        """Return the runs of a product by name, oldest first, and how many older ones there are besides.

        With `every`, none is left out: where there are more than are kept in memory, the stream is read.
        """
        older = self._parts.runs.left_out(product)
        if not (every and older):
            return self._parts.runs.of(product), older
        found = self._parts.records.facts(FACT_KIND)
        return folded([one async for one in found], product), 0

    async def run(self, product: str, name: str) -> RunView:
        """Return a run."""
        found = self._parts.runs.of(product).get(name)
        if found is None and self._parts.runs.left_out(product):
            found = (await self.listed(product, every=True))[0].get(name)
        if found is None:
            raise not_found("run", name)
        return found

    def repository(self, product: str, body: StartBody) -> str:
        """Return the repository whose branch is meant: the one that is named, or the first the runtime listens to."""
        catalog: ProductCatalog = product_catalog(self._parts.news.snapshots[names.scope("product", product)])
        runtime = catalog.pipelines.get(body.runtime)
        if runtime is None:
            raise not_found("ProjectPipelineRuntime", body.runtime)
        if body.repository:
            return body.repository
        heard = [one.gitlab.repo_name for one in runtime.manifest.spec.event_sources if one.gitlab]
        if not heard:
            raise Problem(400, "NO_REPOSITORY", f"{body.runtime} listens to no repository: name one")
        return heard[0]

    async def ask_of_run(self, caller: Caller, product: str, name: str, action: str) -> Answer:
        """Ask for something to be done to a run."""
        await self.sees(caller, product)
        found = await self.run(product, name)
        repository = found.repository.rpartition("/")[2]
        return await self.ask(caller, product, repository, Wanted(action, name))

    async def ask(self, caller: Caller, product: str, repository: str, wanted: Wanted) -> Answer:
        """Store what is asked for and wait for the decision.

        A repository that is hidden from the caller looks like none (404); who only sees it is refused (403).
        """
        known = await self._parts.records.projects()
        project = next((one for one in known if (one.group, one.name) == (product, repository)), None)
        path = names.project_path(product, repository) if names.is_label(repository) else ""
        level = await self._parts.callers.level_at(caller, path) if path and project else None
        if project is None or level is None:
            raise not_found("CodeRepo", repository)
        if level < Level.DEVELOPER:
            words = f"runs of {path} are started and stopped by its Developers"
            raise Problem(403, "NO_AUTHORIZATION", words)
        delivery = Delivery(
            id=f"call-{self._parts.request_id()}",
            hook="api",
            kind=DeliveryKind.REQUEST,
            event=f"run {wanted.action}",
            project_id=project.project_id,
            project=project.path,
            ref=wanted.ref,
            actor=caller.person.username,
            number=caller.person.id,
            action=wanted.action,
            about=wanted.about,
            title=wanted.pipeline,
            received_at=self._parts.now(),
        )
        with self._parts.decided.expected(delivery.id) as told:
            await self._parts.records.ask(delivery)
            decision = await within(told, self._parts.patience)
        if decision is None:
            return Answer(request=delivery.id, decided=False)
        return Answer(
            request=delivery.id,
            decided=True,
            summary=decision.summary,
            considered=list(decision.considered),
        )


def _said(response: Response, answer: Answer) -> Answer:
    if not answer.decided:
        response.status_code = 202
    return answer
