"""Which repositories a scope has, and that a missing id removes nothing."""

import pytest

from nautes_domain.snapshot import IndexedProject
from nautes_secret_broker import repositories
from nautes_secret_broker.repositories import Repository
from support.examples import orchard, tenant

INDEX = [
    IndexedProject(project_id=1, group="acme", name="management", path="acme/management"),
    IndexedProject(project_id=2, group="orchard", name="default.project", path="orchard/default.project"),
    IndexedProject(project_id=3, group="orchard", name="apple-api-src", path="orchard/apple-api-src"),
    IndexedProject(project_id=4, group="other", name="apple-api-src", path="other/apple-api-src"),
]


@pytest.mark.parametrize(
    ("group", "name", "scope"),
    [
        ("acme", "management", "tenant"),
        ("orchard", "default.project", "tenant"),
        ("orchard", "apple-api-src", "product_orchard"),
        ("orchard", "management", "product_orchard"),
    ],
)
def test_configuration_belongs_to_the_tenant(group, name, scope):
    assert repositories.scope_of("acme", group, name) == scope


def test_a_scope_has_its_own_repositories_only():
    assert set(repositories.known("acme", "tenant", INDEX, {})) == {
        "acme.management",
        "orchard.default.project",
    }
    assert repositories.known("acme", "product_orchard", INDEX, {}) == {
        "orchard.apple-api-src": Repository("orchard", "apple-api-src", 3)
    }


def test_what_is_stored_stands_in_for_a_lost_index():
    stored = {"orchard.apple-api-src": 3, "orchard.default.project": 2, "other.apple-api-src": 4}
    assert repositories.known("acme", "product_orchard", [], stored) == {
        "orchard.apple-api-src": Repository("orchard", "apple-api-src", 3)
    }


def test_the_index_is_newer_than_what_is_stored_and_a_higher_id_than_a_lower():
    newer = [*INDEX, IndexedProject(project_id=9, group="orchard", name="apple-api-src", path="p")]
    found = repositories.known("acme", "product_orchard", reversed(newer), {"orchard.apple-api-src": 1})
    assert found["orchard.apple-api-src"].project_id == 9


def test_hooks_of_tenant_and_product():
    assert set(repositories.tenant_hooks("acme", tenant())) == {"acme.management", "orchard.default.project"}
    assert set(repositories.product_hooks(orchard())) == {
        "orchard.apple-api-src",
        "orchard.apple-web-src",
        "orchard.apple-deploy",
    }
