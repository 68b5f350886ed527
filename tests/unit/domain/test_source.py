import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.failures import Rejected
from nautes_domain.source import MAX_BYTES, MAX_DEPTH, parse

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{this}: &{this} [{','.join(['*' + before] * 10)}]\n"
    for before, this in zip("abcdef", "bcdefg", strict=True)
)


def test_values_are_read_by_the_core_schema_and_know_their_lines():
    text = b"# note\nname: yes\nwhen: 2026-11-24\nparts:\n  - {size: 0x1f, share: 1e3, deep: ~}\n  - two\nquoted: '5'\n"
    (document,) = parse(text, "f.yaml")
    assert document.value == {
        "name": "yes", "when": "2026-11-24", "parts": [{"size": 31, "share": 1000.0, "deep": None}, "two"], "quoted": "5",
    }  # fmt: skip
    assert document.line_of(("name",)) == 2
    assert document.line_of(("parts", 1)) == 6
    assert document.line_of(("parts", 0, "missing", "below")) == 5


def test_empty_documents_are_left_out_and_aliases_are_filled_in():
    documents = parse(b"---\n---\na: &x {b: 1}\nc: *x\n---\nd: 2\n", "f")
    assert [document.value for document in documents] == [{"a": {"b": 1}, "c": {"b": 1}}, {"d": 2}]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "stands twice"),
        (b"a: !!python/object:os.system x", 1, "tag"),
        (b"a: !custom x", 1, "tag"),
        (b"x: {}\n<<: {}\n", 2, "merge keys"),
        (b"a:\n  [1\n", 3, ""),
        (b"- a\n", 1, "not a mapping"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"? [a]\n: 1\n", 1, "only text"),
        (b"a: *unknown\n", 1, "unknown"),
        (b"a: &x [*x]\n", 1, "anchor"),
        (b"a: 1e999\n", 1, "too large"),
        (b"[" * 100_000, 1, f"deeper than {MAX_DEPTH}"),
        (b"{a: " * 100_000, 1, f"deeper than {MAX_DEPTH}"),
        (BOMB.encode(), 5, "more than 50000 values"),
        (b"a: " + b"x" * MAX_BYTES, 1, "bytes"),
        (b"a: 1\n---\n" * 201, 400, "documents"),
        (b"a: \x00\n", 1, ""),
    ],
)
def test_what_is_refused_says_where_and_why(text, line, words):
    with pytest.raises(Rejected) as refused:
        parse(text, "f.yaml")
    (violation,) = refused.value.violations
    assert violation.file == "f.yaml"
    assert violation.line == line
    assert words in violation.message


@given(st.binary(max_size=200) | st.text(alphabet="{}[]:,&*!|>'\"-?#% \n\tab1", max_size=60).map(str.encode))
def test_no_input_does_anything_but_parse_or_be_refused(text):
    try:
        documents = parse(text, "f")
    except Rejected as refused:
        assert refused.violations
    else:
        assert all(isinstance(document.value, dict) for document in documents)
