"""Lines of logs: cut without losing or holding anything, bounded, safe to show."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.run_logs import CUT, NOT_YET, LineSplitter, LogChunk, LogQuery, shown_line, stamped


@given(st.lists(st.text(st.characters(blacklist_characters="\n\r"), max_size=12), max_size=8), st.data())
def test_however_bytes_arrive_the_lines_are_the_same(lines, data):
    whole, splitter, found = "".join(f"{line}\n" for line in lines).encode(), LineSplitter(), []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += splitter.feed(whole[:size])
        whole = whole[size:]
    assert found == [line.encode(errors="replace").decode() for line in lines]
    assert list(splitter.rest()) == []


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_more_than_one_bounded_line_is_held(parts):
    splitter = LineSplitter(longest=8)
    for part in parts:
        for line in splitter.feed(part):
            assert len(line.removesuffix(CUT)) <= 8
        assert len(splitter._begun) <= 8
    assert len(list(splitter.rest())) <= 1


def test_a_line_that_is_cut_says_so_and_the_next_is_whole():
    splitter = LineSplitter(longest=4)
    assert list(splitter.feed(b"abcdefgh\nab\n")) == ["abcd" + CUT, "ab"]


@given(st.text(max_size=60))
def test_nothing_that_is_shown_controls_a_terminal(text):
    shown = shown_line(text)
    rest = "".join(
        part.partition("m")[2] if index else part for index, part in enumerate(shown.split("\x1b["))
    )
    assert not [char for char in rest if ord(char) < 32 and char != "\t"]
    assert shown_line(shown) == shown


def test_times_are_taken_off_lines_that_have_one():
    at = datetime(2026, 5, 4, 2, 0, 11, 123456, tzinfo=UTC)
    assert stamped("2026-05-04T02:00:11.123456789Z hello world") == (at, "hello world")
    assert stamped("2026-05-04T02:00:11.123456789Z ") == (at, "")
    for text in ("hello world", "", "2026 apples", "2026-05-04T02:00:11Z"):
        assert stamped(text) == (None, text)


def test_a_query_means_what_it_does_not_rule_out():
    assert LogQuery().means("unit", "one")
    assert LogQuery(task="unit").means("unit", "one")
    assert not LogQuery(task="unit").means("build", "one")
    assert not LogQuery(step="two").means("unit", "one")


def test_a_failure_comes_out_of_a_chunk_as_it_went_in():
    for failure in (
        Retry("busy", what="x", code="a"),
        Blocked("wait", by="run", code=NOT_YET),
        Rejected("no", who="you", next_step="do", code="b"),
    ):
        found = LogChunk.model_validate_json(LogChunk.failed(failure).model_dump_json()).failure
        assert (type(found), found.code, found.who, found.next_step) == (
            type(failure), failure.code, failure.who, failure.next_step,
        )  # fmt: skip
        assert failure.why in str(found)
    assert LogChunk(ended=True).failure is None
