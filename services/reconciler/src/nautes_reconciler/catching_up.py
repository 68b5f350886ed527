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

    async def __call__(self) -> None:
        """Ask for everything that was lost; a project that cannot be asked now is asked the next time."""
        for project in (await self._declarations.projects()).values():
            try:
                count = await self._calls.resend(project.project_id)
            except Failure as failure:
                self._log.warning("lost_calls_not_asked_for", project=project.path, reason=str(failure))
                continue
            if count:
                self._log.info("lost_calls_asked_for", project=project.path, calls=count)
