"""A reconcile target in memory, for any system and any kinds."""

from collections.abc import Callable, Sequence

from nautes_domain.failures import Rejected
from nautes_domain.plan import Action, Observed, Ref, Spec


class MemoryTarget:
    """Implements `reconcile.Target`: objects of ours in `objects`, everybody else's in `foreign`."""

    def __init__(
        self, system: str, kinds: Sequence[str], scope_of: Callable[[Ref], str | None] = lambda _ref: None
    ) -> None:
        """Take the system, its kinds (parents first) and which scope an object belongs to (None: every scope)."""
        self.system = system
        self.kinds = kinds
        self._scope_of = scope_of
        self.objects: dict[Ref, Spec] = {}
        self.foreign: dict[Ref, Spec] = {}
        self.applied: list[Action] = []
        """Every action in order."""

    async def observe(self, scope: str) -> Observed:
        """Return our objects in a scope."""
        return {ref: spec for ref, spec in self.objects.items() if self._scope_of(ref) in (None, scope)}

    async def apply(self, action: Action) -> None:
        """Make one change; an object of somebody else raises Rejected (code `not-ours`)."""
        if action.ref.system != self.system or action.ref.kind not in self.kinds:
            raise Rejected(
                f"{self.system} has no kind {action.ref.kind}", what=str(action.ref), code="no-such-kind"
            )
        self.applied.append(action)
        if action.after is None:
            self.objects.pop(action.ref, None)
        elif action.ref in self.foreign:
            raise Rejected(
                "an object of this name exists and is not ours", what=str(action.ref), code="not-ours"
            )
        else:
            self.objects[action.ref] = dict(action.after)
