"""Which runtimes a push was skipped for, though they listen to that branch: what its commit should say."""

from collections.abc import Mapping

from nautes_domain.events import PUSHES, Delivery
from nautes_domain.triggers.matching import Match


def skips(delivery: Delivery, found: Match) -> Mapping[str, str]:
    """Return the reason by runtime, in the order of their names; empty for anything but a push that happened by itself.

    A runtime of which any trigger fired is none of them, whatever came of that: its run says more.
    """
    if delivery.kind not in PUSHES or not delivery.checkout_sha or delivery.request:
        return {}
    fired = {run.considered.runtime for run in found.runs}
    reasons: dict[str, list[str]] = {}
    for one in found.passed_over:
        if one.skipped and one.runtime not in fired:
            reasons.setdefault(one.runtime, []).append(one.reason)
    return {runtime: "; ".join(dict.fromkeys(reasons[runtime])) for runtime in sorted(reasons)}
