"""Bodies from the net are read by our rules, in time."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_api_server.strict import MAX_BYTES, MAX_DEPTH, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_json_is_read_as_everywhere(value):
    assert read(json.dumps(value).encode()) == value
    assert read(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\\ud800"}', "UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper"),
        (b'{"a":' * 100_000, "deeper"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "digits"),
        (b'{"a"', "delimiter"),
        (b"", "value"),
        (b"\\" * 1000, "value"),
        (b"[" + b"{}," * 30_000 + b"{}]", "many"),
    ],
)
def test_what_is_no_plain_json_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        read(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text):
    try:
        read(text)
    except ValueError:
        return


def test_brackets_in_texts_do_not_count():
    assert read(json.dumps("[" * 1000 + '\\"' + "{" * 1000).encode()).startswith("[[")
    assert read(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (b'{"language":', "BAD_JSON", "Expecting value"),
        (b'{"language": "a", "language": "b"}', "BAD_JSON", "stands twice"),
        (b"[]", "VALIDATOR", "must be a JSON object"),
        (b'{"colour": "red"}', "VALIDATOR", "there is no such field"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told_in_words(world, content, reason, words):
    headers = {"Content-Type": "application/json"}
    answer = await world.call("POST", "/products/orchard/projects/pear", content=content, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)
    assert words in answer.json()["detail"]
    assert all(one["fix"] for one in answer.json()["violations"])


async def test_what_is_no_route_says_where_they_are_described(world):
    for method, path in (("GET", "/nothing"), ("PUT", "/products/orchard/projects/pear")):
        answer = await world.call(method, path)
        assert answer.status_code in {404, 405}
        assert "/openapi.json" in answer.json()["next_step"]


BOMBS = {
    "nested": b"[" * 100_000,
    "quotes": b'"\\"' * (MAX_BYTES // 3),
    "backslashes": b'"' + b"\\" * (MAX_BYTES - 2),
    "keys": b"{" + b",".join(b'"%d":1' % n for n in range(60_000)) + b"}",
    "large": b'{"language": "' + b"x" * (MAX_BYTES + 10) + b'"}',
    "many": b'{"language": [' + b"{}," * 200_000 + b"{}]}",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_bombs_are_refused_within_a_second(world, bomb):
    began = time.process_time()  # of this process alone: others may be busy
    headers = {"Content-Type": "application/json"}
    answer = await world.call("POST", "/products/orchard/projects/pear", content=bomb, headers=headers)
    assert answer.status_code in {400, 413}
    assert time.process_time() - began < 1
    assert "commit" not in world.host.calls
