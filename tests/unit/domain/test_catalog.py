import pytest

from nautes_domain.catalog import read_product, read_tenant
from support.examples import changed, orchard, tree

ENV = "envs/build.yaml"
HEAD = "apiVersion: nautes.resource.nautes.io/v1alpha1\n"


def problems(changes):
    return read_product("orchard", changed(changes))[1]


def test_the_examples_are_read_completely():
    catalog = orchard()
    assert set(catalog.repos) == {"apple-api-src", "apple-web-src", "apple-deploy"}
    assert set(catalog.pipelines) == {"apple-ci"}
    assert set(catalog.deployments) == {"apple-test"}
    assert set(catalog.bindings) == {"lend-to-web"}
    assert len(list(catalog.entities())) == 12


def test_a_field_that_is_not_known_is_refused_with_file_and_line():
    text = tree("orchard/default.project")[ENV].decode() + "  colour: red\n"
    (violation,) = problems({ENV: text})
    assert (violation.file, violation.line, violation.kind, violation.name) == (
        ENV,
        9,
        "Environment",
        "build",
    )
    assert (violation.field, violation.rule) == ("spec.colour", "schema")
    assert "colour" in violation.message
    assert violation.fix


def test_every_problem_of_every_file_is_found_at_once():
    found = problems(
        {
            ENV: HEAD + "kind: Environment\nmetadata: {name: Build}\nspec: {cluster: x, extra: 1}\n",
            "envs/broken.yaml": "a: [1\n",
            "envs/project.yaml": HEAD + "kind: Project\nmetadata: {name: p}\nspec: {product: orchard}\n",
            "somewhere/else.yaml": "a: 1\n",
            "runtimes/old.yaml": "apiVersion: v1\nkind: DeploymentRuntime\n",
        }
    )
    fields = {(one.file, one.field, one.rule) for one in found}
    assert fields == {
        (ENV, "metadata.name", "schema"),
        (ENV, "spec.product", "schema"),
        (ENV, "spec.envType", "schema"),
        (ENV, "spec.extra", "schema"),
        ("envs/broken.yaml", "", "yaml"),
        ("envs/project.yaml", "kind", "T1"),
        ("somewhere/else.yaml", "", "T1"),
        ("runtimes/old.yaml", "apiVersion", "schema"),
        ("runtimes/old.yaml", "metadata", "schema"),
        ("runtimes/old.yaml", "spec", "schema"),
    }
    assert all(one.line >= 1 for one in found)


def test_a_name_that_is_declared_twice_names_both_files():
    (violation,) = problems({"envs/copy.yaml": tree("orchard/default.project")[ENV].decode()})
    assert violation.rule == "T3"
    assert {violation.file, violation.message.split(" in ")[1].split()[0]} == {ENV, "envs/copy.yaml"}


@pytest.mark.parametrize(
    "path", ["production/kustomization.yaml", ".gitlab-ci.yaml", "README.md", ".idea/a/b.yaml"]
)
def test_what_is_not_ours_is_left_alone(path):
    assert problems({path: "anything: [here"}) == ()


def test_a_tenant_repository_may_hold_other_things():
    catalog, found = read_tenant({**tree("management"), "runtimes/x/app.yaml": b"kind: Deployment"})
    assert not found
    assert set(catalog.clusters) == {"build-east", "run-east"}
    assert set(catalog.products) == {"orchard"}
