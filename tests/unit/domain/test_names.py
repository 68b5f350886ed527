import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain import names

LABELS = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?\Z")


@given(st.lists(LABELS, min_size=2, max_size=2), st.lists(LABELS, min_size=2, max_size=2))
def test_different_parts_never_give_the_same_name(one, other):
    builders = (names.dotted, names.scope, names.hook_id, names.project_path)
    for build in builders:
        assert (build(*one) == build(*other)) == (one == other)


@given(st.tuples(LABELS, LABELS, LABELS), st.tuples(LABELS, LABELS, LABELS))
def test_policies_of_different_runtimes_are_different(one, other):
    assert (names.runtime_policy(*one) == names.runtime_policy(*other)) == (one == other)


@given(st.text(), st.text())
def test_subject_tokens_are_injective_and_safe(one, other):
    assert (names.subject_token(one) == names.subject_token(other)) == (one == other)
    assert not set(names.subject_token(one)) & set(".*> \t")


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_digests_keep_parts_apart(one, other):
    assert (names.digest(*one, length=64) == names.digest(*other, length=64)) == (one == other)


@given(LABELS, LABELS, st.text(max_size=20))
def test_run_names_are_labels_and_say_the_runtime(runtime, product, key):
    name = names.run_name(runtime, product, key)
    assert names.is_label(name)
    assert name.startswith(runtime)


@pytest.mark.parametrize(
    "text",
    ["", "A", "-a", "a-", "a.b", "a_b", "a/b", "a b", "ä", "a\n", "a" * 64, "*", "{{x}}", '"', "..", "+"],
)
def test_what_is_not_a_name_is_refused_wherever_names_are_built(text):
    for build in (names.label, names.cluster_admin_path, lambda part: names.dotted("a", part)):
        with pytest.raises(ValueError, match="is not a name"):
            build(text)


def test_scopes_split_into_what_they_were_built_of():
    assert names.split_scope(names.scope("product", "orchard")) == ("product", "orchard")
    assert names.split_scope(names.scope("tenant")) == ("tenant", "")


@pytest.mark.parametrize(("name", "reserved"), [("kube-system", True), ("argocd", True), ("orchard", False)])
def test_reserved_namespaces(name, reserved):
    assert names.is_reserved_namespace(name) is reserved
