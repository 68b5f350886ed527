"""Hook calls that found nobody at home: asked for again, so that a push is answered late instead of never."""

from structlog.typing import FilteringBoundLogger

from nautes_domain.capabilities import LostCalls
from nautes_domain.failures import Failure
from nautes_reconciler.records import Declarations


class CatchingUp:
    """Looks through every known project. Two replicas may do so at once: a call keeps its id, and counts once."""

    def __init__(self, calls: LostCalls, declarations: Declarations, log: FilteringBoundLogger) -> None:
        self._calls = calls
        self._declarations = declarations
        self._log = log

    async def __call__(self) -> bool:
        """Ask for everything that was lost, and say whether all of it could be asked for; the rest comes next time."""
        complete = True
        for project in (await self._declarations.projects()).values():
            try:
                count = await self._calls.resend(project.project_id)
            except Failure as failure:
                self._log.warning("lost_calls_not_asked_for", project=project.path, reason=str(failure))
                complete = False
                continue
            if count:
                self._log.info("lost_calls_asked_for", project=project.path, calls=count)
        return complete
