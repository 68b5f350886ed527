"""Patterns of revisions and paths: what they mean is in the trigger table; here is what holds for any of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain import patterns
from nautes_domain.catalog import read_product
from support.examples import changed

TEXT = st.text(st.characters(codec=None), max_size=60)
ODD = st.lists(
    st.sampled_from(["*", "**", "?", "[", "]", "!", "^", "$", "\\", "(", "a", "-", "/", "{9}", "é", "\udcff"])
).map("".join)


@given(TEXT | ODD, TEXT | ODD)
@settings(deadline=None)
def test_no_pattern_and_no_name_raises(pattern, name):
    assert patterns.explain_revision(pattern, name).words or not name
    assert patterns.explain_paths([pattern], [name]).words


@given(st.text("abc/[]!-?^", max_size=12))
def test_a_pattern_matches_the_name_that_it_spells(name):
    if not name.startswith("^"):
        assert patterns.matches_revision(name, name)


@given(st.text("ab/", min_size=1, max_size=8), st.text("ab/", max_size=8))
def test_a_star_is_any_text_between_what_stands_around_it(before, after):
    assert patterns.matches_revision(f"{before}*{after}", f"{before}xyz/1{after}")
    assert not patterns.matches_revision(f"{before}*{after}", f"x{before}{after}x")


@pytest.mark.parametrize(
    "hostile", ["^(a+)+b$", "^(a|aa)+b$", "^(.*)*b$", "*a*a*a*a*a*a*a*b", "^(a?){200}a{200}b$"]
)
@pytest.mark.parametrize(
    "explain", [patterns.explain_revision, lambda one, text: patterns.explain_paths([one], [text])]
)
def test_hostile_patterns_come_to_an_end(hostile, explain):
    """An engine that backtracks would still be at it after the test's time limit: it takes 2^n steps here."""
    assert not explain(hostile, "a" * 200_000).matches


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("^(main", "missing )"), ("v[z-a]", "invalid character class range"), ("^(?=x)", "invalid perl operator"),
     (r"^\1", "invalid escape sequence"), ("^" + "x{1000}" * 60, "pattern too large")],
)  # fmt: skip
def test_what_can_match_nothing_is_refused_when_it_is_declared(pattern, words):
    with pytest.raises(ValueError, match="is no pattern") as refused:
        patterns.checked_revision(pattern)
    assert words in str(refused.value)


def test_paths_begin_at_the_root():
    for pattern in ("/src", "./src", "!../src"):
        with pytest.raises(ValueError, match="never matches"):
            patterns.checked_path(pattern)


def test_a_manifest_with_a_bad_pattern_is_a_violation_with_its_line():
    file = "projects/apple-api/apple-ci.yaml"
    text = (
        changed()[file]
        .decode()
        .replace("revision: main, events", 'revision: "^(main", paths: [/src], condition: "1 +", events')
    )
    _, problems = read_product("orchard", changed({file: text}))
    assert {one.field.rpartition("gitlab.")[2] for one in problems} == {"revision", "paths.0", "condition"}
    assert all(one.line == 18 and one.rule == "schema" for one in problems)
    assert any(one.message.startswith("^(main is no pattern") for one in problems)


@pytest.mark.parametrize(
    ("pattern", "folder", "files"),
    [
        ("ci/*.yaml", "ci", ["ci/.hidden.yaml", "ci/a.yaml", "ci/b.yaml"]),
        ("ci/?.yaml", "ci", ["ci/a.yaml", "ci/b.yaml"]),
        ("*/a.yaml", "", ["ci/a.yaml", "cd/a.yaml"]),
        ("ci/*/a.yaml", "ci", ["ci/deep/a.yaml"]),
        ("ci/deep/*", "ci/deep", ["ci/deep/a.yaml"]),
        ("*", "", ["README.md"]),
        ("ci/a.yaml", "ci", ["ci/a.yaml"]),
        ("ci/aXyaml", "ci", []),
    ],
)
def test_a_path_of_a_pipeline_means_files_within_one_folder(pattern, folder, files):
    present = [
        "README.md",
        "cd/a.yaml",
        "ci/.hidden.yaml",
        "ci/a.yaml",
        "ci/b.yaml",
        "ci/deep/a.yaml",
        "ci/x/y/z",
    ]
    assert patterns.fixed_folder(pattern) == folder
    assert patterns.files_meant(pattern, present) == tuple(sorted(files))
    assert patterns.means_files(pattern) == (pattern not in {"ci/a.yaml", "ci/aXyaml"})
