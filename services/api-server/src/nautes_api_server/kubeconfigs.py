"""A kubeconfig in a cluster's body: held to a closed model, handed to the secret broker wrapped, and kept nowhere.

It is wrapped before the commit, so that a secret store which is away is told before anything is declared, and handed
over after it, so that no cluster which was refused has one. What was wrapped in vain ends by itself.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from pydantic import SecretStr

from nautes_api_server.bodies.cluster import ClusterBody
from nautes_api_server.problems import Problem, failed
from nautes_api_server.recording import SERVICE
from nautes_api_server.wishes import Wish
from nautes_domain import names
from nautes_domain.effects import Cause
from nautes_domain.events import Fact
from nautes_domain.failures import Failure, Rejected, Violation

WRAPPED_FOR: Final = timedelta(minutes=10)
"""How long the secret broker can open what is handed over."""
FIELD: Final = "kubeconfig"

Close = Callable[[str, str], str]
"""Kubeconfig (or base64 of one) and address to one of the closed model; raises Rejected with all violations."""


class Wrapping(Protocol):
    """The part of `capabilities.SecretStore` that the API server may use."""

    async def wrap(self, values: dict[str, str], ttl: timedelta) -> str:
        """Return a single-use token for the values."""
        ...


class Stating(Protocol):
    """Where facts go; see `nautes_runtime.bus.Bus`."""

    async def state(self, fact: Fact) -> bool:
        """State a fact."""
        ...


class Kubeconfigs:
    """Passes kubeconfigs on."""

    def __init__(self, close: Close, store: Wrapping, bus: Stating, now: Callable[[], datetime]) -> None:
        self._close = close
        self._store = store
        self._bus = bus
        self._now = now

    def judged(self, wish: Wish) -> tuple[tuple[Violation, ...], tuple[Violation, ...]]:
        """Return what is wrong with a wish's kubeconfig, and what its sender should know (rule C7)."""
        body = wish.body
        if not _given(body):
            return (), ()
        wrong: list[Violation] = []
        if not body.api_server.startswith("https://"):
            message = "credentials are sent over https only"
            wrong.append(
                _violation(wish, "spec.apiServer", message, "write https://, or leave out kubeconfig")
            )
        try:
            self._close(body.kubeconfig.get_secret_value(), body.api_server)
        except Rejected as rejected:
            wrong += [_inside(wish, one) for one in rejected.violations]
        if wrong or body.usage == "worker":
            return tuple(wrong), ()
        message = "it is not kept: the platform connects to workers only"
        return (), (_violation(wish, "spec.kubeconfig", message, "leave it out"),)

    async def wrapped(self, wish: Wish) -> SecretStr | None:
        """Return the token for a sound wish's kubeconfig, None if there is none to hand over."""
        body = wish.body
        if not _given(body) or body.usage != "worker":
            return None
        closed = self._close(body.kubeconfig.get_secret_value(), body.api_server)
        return SecretStr(await self._store.wrap({FIELD: closed}, WRAPPED_FOR))

    async def hand_over(self, wish: Wish, token: SecretStr, cause: Cause) -> None:
        """Let the secret broker have it. Raises the problem (503): the cluster is declared, its kubeconfig is missing."""
        data = {
            "cluster": wish.name,
            "wrapped": token.get_secret_value(),
            "offered_at": self._now().isoformat(),
        }
        scope = names.scope("cluster", wish.name)
        fact = Fact(
            kind=FIELD, verb="offered", scope=scope, name=wish.name, by=SERVICE, cause=cause, data=data
        )
        try:
            await self._bus.state(fact)
        except Failure as failure:
            problem = failed(failure)
            words = f"{wish.entity} is saved, but its kubeconfig was not handed over: {failure.why}"
            next_step = "send the same request again"
            raise Problem(
                problem.status, problem.reason, words, next_step=next_step, headers=problem.headers
            ) from None


def _given(body: object) -> bool:
    return isinstance(body, ClusterBody) and bool(body.kubeconfig and body.kubeconfig.get_secret_value())


def _violation(wish: Wish, field: str, message: str, fix: str) -> Violation:
    return Violation("", 0, wish.kind.kind, wish.name, field, "C7", message, fix)


def _inside(wish: Wish, found: Violation) -> Violation:
    """Return a violation inside the kubeconfig as one of the request: its line, its place in it, and no value."""
    message = f"{found.field} {found.message}".strip()
    return Violation(
        found.file, found.line, wish.kind.kind, wish.name, "spec.kubeconfig", "C7", message, found.fix
    )
