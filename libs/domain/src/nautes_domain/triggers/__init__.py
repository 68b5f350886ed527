"""A delivery against what is declared: which runs start, which deployments refresh, and why not the others. Pure.

A delivery happens once; the names of runs derive from its content, so that doing it twice makes one run.
"""

from nautes_domain.triggers.choosing import chosen, pipeline_of
from nautes_domain.triggers.deployments import Refresh
from nautes_domain.triggers.facts import NOT_SAID, Facts, incomparable
from nautes_domain.triggers.hooks import placed as placed_hooks
from nautes_domain.triggers.inputs import asks_for_dashboards, dashboards
from nautes_domain.triggers.matching import Match, match, watches_paths
from nautes_domain.triggers.runs import RunToStart, built_at, run_of_file
from nautes_domain.triggers.skips import skips

__all__ = [
    "NOT_SAID", "Facts", "Match", "Refresh", "RunToStart", "asks_for_dashboards", "built_at", "chosen", "dashboards",
    "incomparable", "match", "pipeline_of", "placed_hooks", "run_of_file", "skips", "watches_paths",
]  # fmt: skip
