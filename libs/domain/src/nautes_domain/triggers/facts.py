"""What a delivery does not say and the platform found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one delivery, read fresh."""

    changed: tuple[str, ...] | None = None
    """The paths that were changed. None when that is not known: path filters then let it pass, since a needless
    run does little harm and a missed one much."""
    unknown: str = "which paths changed was not asked"
    """Why they are not known."""
    own_account: str = ""
    """The platform's own user on the code host."""
    dashboards: Mapping[str, str] = field(default_factory=dict)
    """Where the pipelines of each cluster are shown, if anybody asks."""
    message_skips: bool = False
    """The head commit's message asks for no pipeline, where the delivery could not tell."""

    @property
    def asked_by_name(self) -> "Facts":
        """The same where a person named what is wanted: paths and words filter nothing then."""
        return replace(self, changed=None, unknown="it was asked for by name", message_skips=False)
