import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.selectors import Field, Match, parse, selects

FIELDS = {
    "cluster": Field("cluster"),
    "usage": Field("usage", Match.EXACT),
    "pipeline_runtime": Field("pipeline_runtime", Match.BOOLEAN),
    "projects.in": Field("projects", Match.MEMBER),
    "triggers.pipeline": Field("triggers.pipeline"),
}
VIEW = {
    "cluster": "run-east",
    "usage": "worker",
    "pipeline_runtime": True,
    "projects": ["apple-api", "apple-web"],
    "triggers": [{"pipeline": "build"}, {"pipeline": "nightly"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("cluster=run", True),
        ("cluster==run-east", True),
        ("cluster=west", False),
        ("cluster!=west", True),
        ("cluster!=run", False),
        ("usage=work", False),
        ("usage=worker", True),
        ("usage in (host, worker)", True),
        ("usage in (host)", False),
        ("pipeline_runtime=true", True),
        ("pipeline_runtime=False", False),
        ("pipeline_runtime!=true", False),
        ("projects.in=apple-web", True),
        ("projects.in=apple", False),
        ("projects.in!=pear", True),
        ("triggers.pipeline=night", True),
        ("cluster=run,usage=worker", True),
        ("cluster=run , usage=host", False),
        ("usage in (host,worker),cluster=run", True),
    ],
)
def test_a_selector_means_what_it_says(text, expected):
    assert selects(parse(text, FIELDS), VIEW) is expected


@pytest.mark.parametrize(
    "text",
    ["cluster", "=a", "nothing=1", "cluster=a,,usage=b", "pipeline_runtime=maybe", "usage in host", "cluster>1", "a" * 2000, ",".join(["cluster=a"] * 21)],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_selects_nothing(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse(text, FIELDS)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text):
    try:
        selector = parse(text, FIELDS)
    except ValueError:
        return
    assert selects(selector, VIEW) in {True, False}


@given(st.sampled_from(sorted(FIELDS)), st.from_regex(r"[a-z-]{1,8}", fullmatch=True))
def test_unequal_is_the_opposite_of_equal(key, value):
    if key == "pipeline_runtime":
        value = "true"
    equal, unequal = parse(f"{key}={value}", FIELDS), parse(f"{key}!={value}", FIELDS)
    assert selects(equal, VIEW) is not selects(unequal, VIEW)
