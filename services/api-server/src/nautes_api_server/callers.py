"""Who calls, and what they may see and do: answered by the code host with the caller's own token, kept briefly."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from nautes_domain import names
from nautes_domain.access import Level, PersonalHost
from nautes_domain.capabilities import Person

Key = TypeVar("Key")
Answer = TypeVar("Answer")

KEPT: Final = 30.0
"""Seconds for which an answer of the code host is believed."""
MOST: Final = 2_000
"""Answers of a kind that are kept at once; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person with a valid token."""

    person: Person
    token: str = field(repr=False)


class _Kept(Generic[Key, Answer]):
    """Answers that are believed for a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: dict[Key, tuple[float, Answer]] = {}

    async def get(self, key: Key, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer, asking if it is not known or too old."""
        known, now = self._answers.get(key), self._clock()
        if known is None or now - known[0] > KEPT:
            known = (now, await ask())
            self._answers.pop(key, None)
            self._answers[key] = known
            while len(self._answers) > MOST:
                self._answers.pop(next(iter(self._answers)))
        return known[1]


class Callers:
    """Checks tokens and rights. Raises Retry when the code host is away: nobody is let in on a guess."""

    def __init__(self, tenant: str, host: PersonalHost, clock: Callable[[], float]) -> None:
        self._tenant = tenant
        self._host = host
        self._people = _Kept[str, Person | None](clock)
        self._levels = _Kept[tuple[str, str], int | None](clock)
        self._groups = _Kept[str, frozenset[str]](clock)

    async def identify(self, token: str) -> Caller | None:
        """Return whose token it is, None if the code host does not know it."""
        person = await self._people.get(_digest(token), lambda: self._host.whose(token))
        return None if person is None else Caller(person, token)

    async def may_see(self, caller: Caller, scope: str) -> bool:
        """Say whether a caller may see a scope: who can see its configuration project can.

        What does not exist and what is hidden look alike, here and to the caller.
        """
        return await self.level(caller, scope) is not None

    async def level(self, caller: Caller, scope: str) -> int | None:
        """Return the caller's level where a scope is declared; None if it is hidden from the caller."""
        return await self.level_at(caller, config_path(self._tenant, scope))

    async def level_at(self, caller: Caller, path: str) -> int | None:
        """Return the caller's level in a project of the code host; None if there is none that the caller sees."""

        async def ask() -> int | None:
            found = await self._host.access(caller.token, path)
            if found is None:
                return None
            return int(Level.OWNER) if caller.person.admin else found.level

        return await self._levels.get((_digest(caller.token), path), ask)

    async def products(self, caller: Caller) -> frozenset[str]:
        """Return the groups in which the caller sees declarations of a product."""

        async def ask() -> frozenset[str]:
            return await self._host.groups_with(caller.token, names.CONFIG_PROJECT)

        return await self._groups.get(_digest(caller.token), ask)


def config_path(tenant: str, scope: str) -> str:
    """Return the path of the project in which a scope is declared; clusters are declared by the tenant."""
    kind, name = names.split_scope(scope)
    if kind == "product":
        return names.project_path(name, names.CONFIG_PROJECT)
    return names.project_path(tenant, names.TENANT_PROJECT)


def _digest(token: str) -> str:
    """Keep no token in memory longer than its request."""
    return hashlib.sha256(token.encode()).hexdigest()
