"""How a line of a log looks on a terminal."""

import pytest

from nautes_cli.run_logs import shown

LINE = {"task": "unit", "step": "one", "at": "2026-05-04T02:00:11Z", "text": "compiling"}


@pytest.mark.parametrize(
    ("line", "prefixed", "timestamps", "words"),
    [
        (LINE, True, False, "[unit : one] compiling"),
        (LINE, True, True, "2026-05-04T02:00:11Z [unit : one] compiling"),
        (LINE, False, False, "compiling"),
        (LINE, False, True, "2026-05-04T02:00:11Z compiling"),
        ({**LINE, "step": "", "at": None}, True, True, "- [unit] compiling"),
        ({**LINE, "text": ""}, False, False, ""),
    ],
)
def test_a_line_says_where_it_comes_from_unless_only_one_step_was_asked_for(
    line, prefixed, timestamps, words
):
    assert shown(line, prefixed=prefixed, timestamps=timestamps) == words
