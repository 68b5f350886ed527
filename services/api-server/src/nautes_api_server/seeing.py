"""What a caller may see of what is declared: rows, single entities, what became of them, and their history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from nautes_api_server.callers import Caller, Callers, config_path
from nautes_api_server.declarations import Declarations, Entity
from nautes_api_server.kinds import PRODUCT, Kind
from nautes_api_server.problems import not_found
from nautes_api_server.records import News, Records
from nautes_api_server.views import EntityState, entity_state
from nautes_domain import names
from nautes_domain.access import PersonalHost
from nautes_domain.snapshot import TENANT_KEY


class PastCommitView(BaseModel):
    """A commit that changed an entity."""

    commit: str
    at: datetime
    author: str
    message: str


class History(BaseModel):
    """The newest commits that changed an entity, newest first."""

    items: list[PastCommitView]


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: an entity, or with an empty name the list that it stands in."""

    kind: Kind
    product: str
    """Empty for kinds of the tenant."""
    name: str = ""

    @property
    def scope(self) -> str:
        """The scope whose repository declares it."""
        return self.kind.scope(self.product)


async def sees_product(callers: Callers, declarations: Declarations, caller: Caller, product: str) -> bool:
    """Say whether a product is declared and not hidden from a caller."""
    return declarations.is_product(product) and await callers.may_see(caller, names.scope("product", product))


class Reader:
    """Finds what a caller may see. What is hidden raises the problem (404) of what does not exist."""

    def __init__(
        self, tenant: str, callers: Callers, declarations: Declarations, news: News, records: Records,
        host: PersonalHost,
    ) -> None:  # fmt: skip
        self._tenant = tenant
        self._callers = callers
        self._declarations = declarations
        self._news = news
        self._records = records
        self._host = host

    async def rows(self, caller: Caller, place: Place) -> Iterable[Entity]:
        """Return the entities of a list that the caller sees, sorted by name."""
        if place.product:
            await self._product(caller, place.product)
            return self._declarations.entities(place.kind, place.product).values()
        found = self._declarations.entities(place.kind).values()
        if await self._callers.may_see(caller, TENANT_KEY):
            return found
        visible = await self._callers.products(caller) if place.kind is PRODUCT else frozenset()
        return [one for one in found if one.name in visible]

    async def one(self, caller: Caller, place: Place) -> Entity:
        """Return an entity."""
        if place.product:
            await self._product(caller, place.product)
        elif not await self._sees(caller, place):
            raise not_found(place.kind.kind, place.name)
        found = self._declarations.entities(place.kind, place.product).get(place.name)
        if found is None:
            raise not_found(place.kind.kind, place.name)
        return found

    async def history(self, caller: Caller, place: Place, most: int) -> History:
        """Return the commits that changed an entity, read from the code host as the caller.

        Of a product only who manages the tenant: the commits are those of the tenant's repository.
        """
        entity = await self.one(caller, place)
        if not await self._callers.may_see(caller, place.scope):
            raise not_found(place.kind.kind, place.name)
        path = config_path(self._tenant, place.scope)
        found = await self._host.history(caller.token, path, entity.file, most)
        rows = [
            PastCommitView(commit=one.commit, at=one.at, author=one.author, message=one.message)
            for one in found
        ]
        return History(items=rows)

    async def state(self, caller: Caller, place: Place) -> EntityState:
        """Return what became of an entity."""
        await self.one(caller, place)
        statuses = [one for one in self._news.statuses.values() if one.scope == place.scope]
        known = await self._records.projects() if place.kind.kind == "CodeRepo" else []
        ids = (one.project_id for one in known if (one.group, one.name) == (place.product, place.name))
        snapshot = self._declarations.snapshot(place.scope)
        return entity_state((place.kind.kind, place.name), snapshot, statuses, next(ids, None))

    async def _sees(self, caller: Caller, place: Place) -> bool:
        if await self._callers.may_see(caller, TENANT_KEY):
            return True
        own = names.scope("product", place.name)
        return place.kind is PRODUCT and await self._callers.may_see(caller, own)

    async def _product(self, caller: Caller, product: str) -> None:
        if not await sees_product(self._callers, self._declarations, caller, product):
            raise not_found("product", product)
