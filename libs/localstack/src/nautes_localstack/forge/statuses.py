"""How a commit status moves from one state to the next. Pure.

Sources: GitLab API "Set commit pipeline status"; app/services/ci/create_commit_status_service.rb and the state
machine of app/models/commit_status.rb.
"""

from typing import Final

CREATED: Final = "created"
RUNNING_OR_PENDING: Final = frozenset({"running", "pending"})
FINISHED: Final = frozenset({"success", "failed", "canceled", "skipped"})

_MOVES: Final = {
    "pending": ("enqueue", frozenset({"created", "skipped"})),
    "running": ("run", frozenset({"pending"})),
    "success": ("success", frozenset({"created", "pending", "running"})),
    "failed": ("drop", frozenset({"created", "pending", "running"})),
    "canceled": ("cancel", frozenset({"created", "pending", "running"})),
    "skipped": ("skip", frozenset({"created", "pending"})),
}
STATES: Final = tuple(_MOVES)
"""States that may be asked for."""


class RefusedMove(Exception):
    """A transition that the state machine does not know; the text is GitLab's."""


def move(current: str, wanted: str) -> str:
    """Return the state after `wanted` was asked for in state `current`; RefusedMove if there is no such way.

    A new status starts as `created`. Asked for `running`, a new one passes through `pending`.
    """
    event, sources = _MOVES[wanted]
    if wanted == "running" and current in _MOVES["pending"][1]:
        current = "pending"
    if current not in sources:
        raise RefusedMove(
            f"Cannot transition status via :{event} from :{current} "
            f'(Reason(s): Status cannot transition via "{event}")'
        )
    return wanted
