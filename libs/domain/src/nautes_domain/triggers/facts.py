"""What a delivery does not say and the platform found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from nautes_domain.events import ZERO, Delivery, DeliveryKind

TAG: Final = "a tag is compared with nothing"
NEW: Final = "the branch is new, so there is nothing to compare it with"
NO_CODE: Final = "such an event changes no paths"
NOT_SAID: Final = "the code host cannot say which paths changed: they are too many, or a commit is gone"


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


def incomparable(delivery: Delivery) -> str:
    """Return why nothing can be compared to learn which paths changed, empty if it can."""
    if delivery.kind is DeliveryKind.TAG_PUSH:
        return TAG
    if delivery.kind is DeliveryKind.PUSH:
        return "" if delivery.before.strip(ZERO) else NEW
    return "" if delivery.target_branch and delivery.after else NO_CODE
