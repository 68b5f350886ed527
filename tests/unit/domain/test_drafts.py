"""Changes of entities as changes of files: where they lie, what stays, and that what is written is read as it was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain import drafts, source
from nautes_domain.access import CREATOR
from nautes_domain.catalog import read_product, read_tenant
from support.examples import tree

ORCHARD = tree("orchard/default.project")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="utf-8"), max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
TRICKY = ["yes", "no", "1", "0o17", "1e3", "0x1F", ".5", "~", "null", "<<", "- a", "a: b", "#x", "", " ", "2026-01-01", "1_000", "=", "*a", "&a", "!t", "a\nb", "\t", "-", "+1"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, min_size=1))
def test_what_is_written_is_read_as_the_same_value(value):
    (document,) = source.parse(drafts.text_of(value), "x.yaml")
    assert document.value == value


@pytest.mark.parametrize("text", TRICKY)
def test_text_that_looks_like_something_else_stays_text(text):
    for value in ({"a": text}, {"a": [text]}, {f"k{text}": text}):
        (document,) = source.parse(drafts.text_of(value), "x.yaml")
        assert document.value == value


def catalog(files):
    found, problems = read_product("orchard", files)
    assert problems == ()
    return found


def saved(files, kind, name, spec):
    return drafts.saved(files, catalog(files), kind, name, spec)


@pytest.mark.parametrize(
    ("kind", "spec", "file"),
    [
        ("Project", {"product": "orchard"}, "projects/pear/pear.yaml"),
        ("ProjectPipelineRuntime", {"project": "apple-api"}, "projects/apple-api/pear.yaml"),
        ("Environment", {"product": "orchard"}, "envs/pear.yaml"),
        ("CodeRepo", {"product": "orchard"}, "code-repos/pear/pear.yaml"),
        ("CodeRepoBinding", {"codeRepo": "apple-deploy"}, "code-repos/apple-deploy/pear.yaml"),
        ("DeploymentRuntime", {"product": "orchard"}, "runtimes/pear.yaml"),
        ("CodeRepoBinding", {"codeRepo": "../../etc"}, "code-repos/pear/pear.yaml"),
    ],
)
def test_an_entity_lies_where_the_layout_says(kind, spec, file):
    after = saved(ORCHARD, kind, "pear", spec)
    assert after.keys() - ORCHARD.keys() == {file, drafts.PRODUCT_INDEX}
    assert f"- ../{file}\n".encode() in after[drafts.PRODUCT_INDEX]


def test_clusters_and_products_lie_in_the_tenants_repository():
    files = tree("management")
    found, _ = read_tenant(files)
    after = drafts.saved(files, found, "Product", "pear", {"name": "pear"}, creator="alice")
    declared, _ = read_tenant(after)
    assert declared.products["pear"].manifest.metadata.annotations == {CREATOR: "alice"}
    again = drafts.saved(after, declared, "Product", "pear", {"name": "pear"}, creator="bob")
    assert again is after
    changed = drafts.saved(
        after, declared, "Product", "pear", {"name": "pear", "git": {"gitlab": {}}}, creator="bob"
    )
    assert read_tenant(changed)[0].products["pear"].manifest.metadata.annotations == {CREATOR: "alice"}
    by_bot = drafts.saved(files, found, "Product", "pear", {"name": "pear"}, creator="project_3_bot_x")
    assert b"annotations" not in by_bot["nautes/overlays/production/products/pear.yaml"]
    new = f"{drafts.TENANT_FOLDER}/products/pear.yaml"
    assert after.keys() - files.keys() == {new, drafts.TENANT_INDEX}
    assert b"- products/pear.yaml\n" in after[drafts.TENANT_INDEX]
    assert b"kustomization" not in after[drafts.TENANT_INDEX].partition(b"resources:")[2]


def test_what_stands_there_like_this_already_changes_nothing():
    spec = {"product": "orchard", "cluster": "run-east", "envType": "test"}
    assert saved(ORCHARD, "Environment", "test", spec) is ORCHARD
    assert saved(ORCHARD, "Environment", "test", dict(reversed(spec.items()))) is ORCHARD
    assert saved(ORCHARD, "Environment", "test", {**spec, "envType": "stage"}) is not ORCHARD


def test_notes_and_neighbours_in_the_same_file_stay():
    two = (
        b"apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nmetadata: {name: one, labels: {team: red}}\n"
        b"spec: {product: orchard, cluster: a, envType: x}\n---\n"
        b"apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nmetadata: {name: two}\nspec: {product: orchard, cluster: b, envType: y}\n"
    )
    files = {"envs/both.yaml": two}
    after = saved(files, "Environment", "one", {"product": "orchard", "cluster": "c", "envType": "x"})
    found = catalog(after).environments
    assert found["one"].manifest.spec.cluster == "c"
    assert found["one"].manifest.metadata.labels == {"team": "red"}
    assert found["two"].manifest.spec.cluster == "b"
    rest = catalog(drafts.removed(after, catalog(after), "Environment", "one")).environments
    assert rest.keys() == {"two"}
    none = drafts.removed(after, catalog(after), "Environment", "none")
    assert none is after


def test_a_name_that_another_kind_has_there_gets_a_file_of_its_own():
    after = saved(ORCHARD, "CodeRepoBinding", "apple-deploy", {"codeRepo": "apple-deploy"})
    assert after.keys() - ORCHARD.keys() == {
        "code-repos/apple-deploy/apple-deploy.coderepobinding.yaml",
        drafts.PRODUCT_INDEX,
    }


def test_every_change_of_a_declaration_changes_the_index():
    first = saved(
        ORCHARD, "Environment", "test", {"product": "orchard", "cluster": "run-east", "envType": "a"}
    )
    second = saved(
        first, "Environment", "test", {"product": "orchard", "cluster": "run-east", "envType": "b"}
    )
    assert first[drafts.PRODUCT_INDEX] != second[drafts.PRODUCT_INDEX]
    third = saved(
        second, "Environment", "test", {"product": "orchard", "cluster": "run-east", "envType": "a"}
    )
    assert third[drafts.PRODUCT_INDEX] == first[drafts.PRODUCT_INDEX]


def test_the_plan_is_the_difference_of_two_trees():
    after = {**ORCHARD, "envs/new.yaml": b"x"}
    del after["envs/test.yaml"]
    plan = drafts.changes("orchard/default.project", ORCHARD, after, "it was asked for", "Environment/new")
    assert [(action.verb.value, action.ref.name) for action in plan] == [
        ("create", "envs/new.yaml"),
        ("delete", "envs/test.yaml"),
    ]
    assert len(drafts.changes("p", ORCHARD, ORCHARD, "", "")) == 0
