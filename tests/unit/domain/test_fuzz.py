"""Whatever stands in files, they are judged in words: no input crashes a door or takes more than it is worth."""

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain import bundle, names
from nautes_domain.manifests import KINDS
from nautes_domain.schemas import schema_of
from support.rule_cases import BASE

PATHS = sorted(BASE)
NAMES = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="abcXYZ019-._/%\u0430\u0131\u212a \x00\n", max_size=70),
    st.sampled_from(
        ["..", "../x", ".git", "a" * 64, "a.", "-a", "a-", "%2e%2e", "a;b", "*", "{{identity}}", "ＡＢ"]
    ),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | NAMES
VALUES = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=4) | st.dictionaries(NAMES, part, max_size=4), max_leaves=12
)


def judged(files):
    """Return every violation of files, as `nautes lint` would; each must say where, which rule, and what to do."""
    found = bundle.read(files, tenant="acme")
    violations = [one for judgement in bundle.verdicts(found, found) for one in judgement.verdict.violations]
    for one in violations:
        assert one.file in files
        assert one.line >= 1
        assert one.rule
        assert one.message
        assert "\n" not in one.message
    return violations


def with_file(path, text):
    files = {f"{one[0]}/{one[2:]}": content.encode() for one, content in BASE.items()}
    return {**files, path: text}


def fields(schema, part, prefix=()):
    """Yield the path of every field that a schema knows."""
    reference = part.get("$ref", "").rpartition("/")[2]
    if reference:
        part = schema["$defs"][reference]
    for name, one in part.get("properties", {}).items():
        yield (*prefix, name)
        yield from fields(schema, one, (*prefix, name))
    for choice in part.get("anyOf", ()):
        yield from fields(schema, choice, prefix)


FIELDS = [(kind, path) for kind in KINDS for path in fields(schema_of(kind), schema_of(kind))]


@given(
    st.sampled_from(PATHS),
    st.binary(max_size=300) | st.text(alphabet=string.printable, max_size=300).map(str.encode),
)
def test_any_bytes_in_any_file_are_judged_in_words(path, text):
    judged(with_file(path, b"# nautes.resource.nautes.io/\n" + text))


@settings(max_examples=100)
@given(st.sampled_from(FIELDS), VALUES)
def test_any_value_in_any_field_is_judged_in_words(field, value):
    kind, path = field
    place = next(one for one in PATHS if f"\nkind: {kind}\n" in BASE[one])
    head = BASE[place]
    entity = {
        "apiVersion": "nautes.resource.nautes.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "fuzz"},
        "spec": {},
    }
    inner = entity
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            return
    inner[path[-1]] = value
    text = json.dumps(entity, allow_nan=True)
    judged(with_file(place, (head + "---\n" + text).encode("utf-8", "surrogatepass")))


@given(st.sampled_from(sorted(KINDS)), NAMES)
def test_a_name_is_a_label_or_refused_and_never_anything_else(kind, name):
    place = next(one for one in PATHS if f"\nkind: {kind}\n" in BASE[one])
    old = next(line for line in BASE[place].splitlines() if line.startswith("  name: "))
    text = BASE[place].replace(old, "  name: " + json.dumps(name), 1)
    found = judged(with_file(place, text.encode("utf-8", "surrogatepass")))
    if not names.is_label(name):
        assert any(one.file == place for one in found)


@given(st.sampled_from(PATHS), st.data())
def test_a_file_that_loses_any_line_is_judged_in_words(path, data):
    lines = BASE[path].splitlines(keepends=True)
    gone = data.draw(st.integers(0, len(lines) - 1))
    judged(with_file(path, "".join(lines[:gone] + lines[gone + 1 :]).encode()))
