"""Each rule through the door of `nautes lint`: files of all repositories, with the state before where a rule needs it."""

import pytest

from support.linting import linted, written
from support.rule_cases import CASES, IDS, applied


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_change_that_breaks_a_rule_is_refused_and_one_that_comes_near_is_not(case, tmp_path):
    old = written(tmp_path / "old", applied(case.before))
    was = ("--before", old) if case.changed else ()
    refused = linted(
        "-f", written(tmp_path / "new", applied(case.before, case.refuse)), *was, "--tenant", "acme"
    )
    shown = refused["warnings" if case.warning else "violations"]
    matching = [one for one in shown if (one["rule"], one["field"]) == (case.shown, case.field)]
    assert matching
    assert all(str(tmp_path) in one["file"] for one in matching)
    accepted = linted(
        "-f", written(tmp_path / "near", applied(case.before, case.accept)), *was, "--tenant", "acme"
    )
    assert case.shown not in {one["rule"] for one in (*accepted["violations"], *accepted["warnings"])}
