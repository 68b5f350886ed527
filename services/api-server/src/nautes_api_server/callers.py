"""Who calls, and what they may see: answered by the code host with the caller's own token, kept briefly."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from nautes_domain import names
from nautes_domain.capabilities import Person

Key = TypeVar("Key")
Answer = TypeVar("Answer")

KEPT: Final = 30.0
"""Seconds for which an answer of the code host is believed."""
MOST: Final = 2_000
"""Answers that are kept at once; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person with a valid token."""

    person: Person
    token: str = field(repr=False)


class Callers:
    """Checks tokens and rights. Raises Retry when the code host is away: nobody is let in on a guess.

    `whose` tells who a token belongs to; `sees` tells whether the token's owner can see a project's path.
    """

    def __init__(
        self,
        tenant: str,
        whose: Callable[[str], Awaitable[Person | None]],
        sees: Callable[[str, str], Awaitable[bool]],
        clock: Callable[[], float],
    ) -> None:
        self._tenant = tenant
        self._whose = whose
        self._sees = sees
        self._clock = clock
        self._people: dict[str, tuple[float, Person | None]] = {}
        self._rights: dict[tuple[str, str], tuple[float, bool]] = {}

    async def identify(self, token: str) -> Caller | None:
        """Return whose token it is, None if the code host does not know it."""
        key, now = _digest(token), self._clock()
        known = self._people.get(key)
        if known is None or now - known[0] > KEPT:
            known = (now, await self._whose(token))
            _keep(self._people, key, known)
        return None if known[1] is None else Caller(known[1], token)

    async def may_see(self, caller: Caller, scope: str) -> bool:
        """Say whether a caller may see a scope: who can see its configuration project can.

        What does not exist and what is hidden look alike, here and to the caller.
        """
        kind, name = names.split_scope(scope)
        path = names.project_path(self._tenant, names.TENANT_PROJECT)
        if kind == "product":
            path = names.project_path(name, names.CONFIG_PROJECT)
        key, now = (_digest(caller.token), path), self._clock()
        known = self._rights.get(key)
        if known is None or now - known[0] > KEPT:
            known = (now, await self._sees(caller.token, path))
            _keep(self._rights, key, known)
        return known[1]


def _digest(token: str) -> str:
    """Keep no token in memory longer than its request."""
    return hashlib.sha256(token.encode()).hexdigest()


def _keep(answers: dict[Key, Answer], key: Key, value: Answer) -> None:
    answers.pop(key, None)
    answers[key] = value
    while len(answers) > MOST:
        answers.pop(next(iter(answers)))
