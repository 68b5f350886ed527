"""Commands in comments: what is one, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.comments import MOST_COMMANDS, Command, CommandVerb, commands, may_command

TEST, RETEST, CANCEL = CommandVerb.TEST, CommandVerb.RETEST, CommandVerb.CANCEL


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/test", [Command(TEST)]),
        ("/test  ", [Command(TEST)]),
        ("/test\r\n", [Command(TEST)]),
        ("Looks good.\n\n/test apple-ci nightly\n", [Command(TEST, ("apple-ci", "nightly"))]),
        ("/test a a b", [Command(TEST, ("a", "b"))]),
        ("/retest", [Command(RETEST)]),
        ("/cancel\n/test", [Command(CANCEL), Command(TEST)]),
        ("/test\n/test", [Command(TEST)]),
        ("```\nx\n```\n/test", [Command(TEST)]),
        ("", []),
        ("please /test", []),
        (" /test", []),
        ("> /test", []),
        ("- /test", []),
        ("`/test`", []),
        ("/tests", []),
        ("/TEST", []),
        ("/test, please", []),
        ("/test if you like, Eve", []),
        ("/test ../../x", []),
        ("/merge", []),
        ("```\n/test\n```", []),
        ("~~~~\n/test\n~~~\n/test", []),
        ("```yaml\n/test", []),
        ("\ufeff/test", []),
    ],
)
def test_a_command_has_a_line_for_itself(text, found):
    assert list(commands(text)) == found


@given(st.text(max_size=60).map(lambda text: f"{text}\n/test\n"))
def test_what_may_be_a_command_is_seen_without_its_lines(text):
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    assert may_command(shown)
    assert not may_command(shown.replace("/", "-"))


words = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(words))
def test_nothing_makes_it_fail_and_there_are_never_many(lines):
    found = commands("\n".join(lines))
    assert len(found) <= MOST_COMMANDS
    assert len(set(found)) == len(found)


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@given(st.sampled_from(CommandVerb), st.lists(labels, max_size=10, unique=True), words)
def test_what_a_command_says_is_read_back_wherever_it_stands(verb, targets, before):
    command = Command(verb, tuple(targets))
    text = before.replace("`", "").replace("~", "").replace("/", "")
    assert command in commands(f"{text}\n{command}\n{text}")


@given(st.lists(labels, max_size=4), st.lists(labels, min_size=1, max_size=3))
def test_without_names_all_is_meant_and_with_names_only_these(targets, named):
    command = Command(TEST, tuple(targets))
    assert command.means(*named) == (not targets or bool(set(targets) & set(named)))
