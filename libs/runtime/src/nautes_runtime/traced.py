"""A target whose looking and writing are spans."""

from collections.abc import Sequence

from opentelemetry.trace import SpanKind

from nautes_domain.plan import Action, Observed
from nautes_domain.reconcile import Target
from nautes_runtime.tracing import span


class TracedTarget:
    """Implements `reconcile.Target` by another one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.system = target.system
        self.kinds: Sequence[str] = target.kinds

    async def observe(self, scope: str) -> Observed:
        """Return what the other returns."""
        with span("observe", {"nautes.system": self.system}, kind=SpanKind.CLIENT) as current:
            found = await self._target.observe(scope)
            current.set_attribute("nautes.objects", len(found))
            return found

    async def apply(self, action: Action) -> None:
        """Let the other apply it."""
        attributes = {
            "nautes.system": self.system,
            "nautes.verb": action.verb.value,
            "nautes.kind": action.ref.kind,
            "nautes.object": str(action.ref),
        }
        with span("apply", attributes, kind=SpanKind.CLIENT):
            await self._target.apply(action)
