"""Every reconcile target against the one contract."""

from support.target_contract import TargetContract


class TestTarget(TargetContract):
    """The suite itself is in `support.target_contract`."""
