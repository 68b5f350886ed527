"""The order of `apply` and of `remove`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_cli.entries import Entry
from nautes_cli.kinds import KINDS
from nautes_cli.ordering import last_of_each, to_apply, to_await, to_remove

SEED = (
    "Cluster", "Product", "Environment", "Project", "CodeRepo", "CodeRepoBinding",
    "ProjectPipelineRuntime", "DeploymentRuntime",
)  # fmt: skip


def entry(kind, name, product="orchard", **body):
    return Entry(KINDS[kind], name, product if KINDS[kind].in_product else "", body)


entries = st.lists(
    st.builds(
        entry, st.sampled_from(SEED), st.sampled_from("abcd"), st.sampled_from(("orchard", "vineyard"))
    ),
    max_size=20,
)


def test_the_order_is_the_seeds():
    mixed = [entry(kind, "x") for kind in reversed(SEED)]
    assert [one.kind.name for one in to_apply(mixed)] == list(SEED)


def test_hosts_come_before_the_virtual_clusters_that_run_on_them():
    clusters = [entry("Cluster", "ci", host_cluster="metal"), entry("Cluster", "metal")]
    assert [one.name for one in to_apply(clusters)] == ["metal", "ci"]
    assert [one.name for one in to_remove(clusters)] == ["ci", "metal"]


@pytest.mark.hypothesis
@given(entries)
def test_removal_is_exactly_the_reverse(mixed):
    assert to_remove(mixed) == to_apply(mixed)[::-1]


@pytest.mark.hypothesis
@given(entries)
def test_nothing_is_lost_and_what_is_of_one_kind_stays_in_its_order(mixed):
    ordered = to_apply(mixed)
    for kind in SEED:
        assert [one for one in ordered if one.kind.name == kind] == [
            one for one in mixed if one.kind.name == kind
        ]
    assert [one.kind.order for one in ordered] == sorted(one.kind.order for one in mixed)


def test_what_the_tenant_declares_is_awaited_before_products_are_judged_by_it():
    ordered = to_apply([entry("Environment", "e"), entry("Cluster", "c"), entry("Product", "orchard")])
    assert to_await(ordered) == {("Product", "", "orchard")}


def test_what_products_give_up_is_awaited_before_the_tenant_removes_what_they_used():
    mixed = [entry("Cluster", "c"), entry("Product", "orchard"), entry("Environment", "e"), entry("Project", "p"),
             entry("Environment", "e", "vineyard")]  # fmt: skip
    assert to_await(to_remove(mixed)) == {("Environment", "orchard", "e"), ("Environment", "vineyard", "e")}


def test_nothing_is_awaited_within_one_repository():
    assert to_await(to_apply([entry("Environment", "e"), entry("CodeRepo", "r")])) == frozenset()
    assert to_await(to_apply([entry("Cluster", "c"), entry("Product", "orchard")])) == frozenset()


def test_a_repository_is_settled_when_its_last_entry_is():
    ordered = to_apply(
        [
            entry("Environment", "e"),
            entry("CodeRepo", "r", "vineyard"),
            entry("CodeRepo", "s"),
            entry("Cluster", "c"),
        ]
    )
    assert last_of_each(ordered) == {
        ("Cluster", "", "c"),
        ("CodeRepo", "vineyard", "r"),
        ("CodeRepo", "orchard", "s"),
    }
