"""The table of runs beneath a merge request: it comes back as it was written, and nothing in it means anything else."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.effects import Cause
from nautes_domain.run_table import END, MARKER, MOST_ROWS, Row, cell, note_of, row_of, rows_of, with_row
from nautes_domain.runs import Progress, RunPhase, RunState, rank

texts = st.text(max_size=40)
rows = st.builds(
    Row, texts, texts, texts, texts, st.sampled_from([*RunPhase, "odd"]), texts, texts, texts, texts
)


@given(st.lists(rows, max_size=5))
def test_a_note_holds_its_rows(found):
    assert rows_of(note_of(tuple(found))) == tuple(found)


@given(st.lists(rows, max_size=5))
def test_what_is_hidden_ends_nowhere_but_at_its_end(found):
    body = note_of(tuple(found))
    assert body.count(MARKER) == 1
    assert body.index(END) == len(body) - len(END)
    assert not any(line.startswith("/") for line in body.splitlines())


@given(texts)
def test_a_cell_shows_its_text_and_nothing_in_it_means_anything(text):
    written = cell(text)
    assert (
        not re.sub(r"&#\d+;", "", written)
        .strip("".join(set(written) - set("|<>@`*[]()!~$#:/\\\"'{}=+^%._\n\r")))
        .strip()
    )
    shown = " ".join(text.split())
    expected = "".join(
        html.unescape(f"&#{ord(one)};") if not one.isalnum() and one not in " ,-" else one for one in shown
    )
    assert html.unescape(written) == expected


@given(st.text(max_size=200))
def test_a_note_of_somebody_else_holds_no_rows_and_breaks_nothing(text):
    rows_of(text)
    rows_of(f"{MARKER}{text}{END}")


runs = st.builds(
    Row, st.sampled_from("abc"), st.just("r"), st.just("p"), st.just("c"), st.sampled_from(list(RunPhase))
)


@given(st.lists(runs, max_size=12))
def test_a_run_never_goes_back_whatever_order_its_phases_come_in(found):
    table: tuple[Row, ...] = ()
    for row in found:
        table = with_row(table, row)
    for shown in table:
        assert rank(shown.phase) == max(rank(one.phase) for one in found if one.run == shown.run)
    assert len({one.run for one in table}) == len(table)


def test_the_oldest_rows_go_first():
    table: tuple[Row, ...] = ()
    for number in range(MOST_ROWS + 3):
        table = with_row(table, Row(str(number), "r", "p", "c", "pending"))
    assert [one.run for one in table] == [str(number) for number in range(3, MOST_ROWS + 3)]


def test_a_row_says_why_and_links_to_the_run():
    cause = Cause(delivery="d", ref="refs/merge-requests/7/head", commit="0a1b" * 10, actor="eve")
    progress = Progress(RunPhase.FAILED, "Failed", "task unit: exited | with @all")
    run = RunState(
        "apple-ci-1", "apple-ci", "u", "orchard", "apple-ci", 7, cause, progress, url="https://t.example/#/x"
    )
    assert run.merge_request == 7
    body = note_of((row_of(run),))
    assert "[apple-ci-1](https://t.example/#/x)" in body
    assert "❌ failed<br>Failed&#58; task unit&#58; exited &#124; with &#64;all" in body
    assert (
        "javascript"
        not in note_of((Row("a", "b", "c", "d", "failed", url="javascript:alert(1)"),)).partition(MARKER)[0]
    )
