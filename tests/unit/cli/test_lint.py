"""`nautes lint` as people and scripts call it: what is this door's own."""

import pytest

from support.examples import EXAMPLES
from support.linting import lint, linted, written
from support.rule_cases import ROOTS, applied


def test_the_examples_are_valid():
    assert linted("-f", EXAMPLES) == {"entities": 19, "violations": [], "warnings": [], "held": []}
    assert lint("-f", EXAMPLES).stderr == "19 entities are valid\n"


def test_a_product_alone_is_not_asked_what_only_the_tenant_knows():
    assert linted("-f", EXAMPLES / "orchard" / "default.project")["violations"] == []


def test_a_file_is_judged_within_its_repository_and_only_its_own_violations_are_shown(tmp_path):
    binding, project = "o/code-repos/apple-deploy/lend-to-web.yaml", "o/projects/apple-web/apple-web.yaml"
    broken = {binding: (("[apple-web]", "[pear]"),), project: (("orchard", "vineyard"),)}
    root = written(tmp_path, applied(broken)) / ROOTS["o"]
    found = linted("-f", root / binding[2:])
    assert {one["rule"] for one in found["violations"]} == {"B5"}


def test_files_of_any_place_are_judged_together_without_a_layout(tmp_path):
    every = "---\n".join(applied({}).values())
    (tmp_path / "all.yaml").write_text(every)
    assert linted("-f", tmp_path / "all.yaml") == {
        "entities": 19,
        "violations": [],
        "warnings": [],
        "held": [],
    }
    (tmp_path / "all.yaml").write_text(every.replace("projectsRef: [apple-api", "projectsRef: [pear"))
    (one,) = linted("-f", tmp_path / "all.yaml")["violations"]
    assert (one["rule"], one["field"], one["name"]) == ("D2", "spec.projectsRef.0", "apple-test")


def test_every_violation_of_every_file_is_in_the_table_with_what_to_do(tmp_path):
    files = applied({"o/envs/build.yaml": "a: [", "o/envs/test.yaml": (("envType: test", "colour: red"),)})
    result = lint("-f", written(tmp_path, files))
    assert result.exit_code == 1
    rows = result.stdout.splitlines()
    assert rows[0].split() == [
        "WHERE",
        "LEVEL",
        "ENTITY",
        "FIELD",
        "RULE",
        "WHAT",
        "IS",
        "WRONG",
        "WHAT",
        "TO",
        "DO",
    ]
    assert any("envs/build.yaml:2" in row and "yaml" in row for row in rows)
    assert any("Environment/test" in row and "spec.colour" in row and "remove it" in row for row in rows)
    assert any("Environment/test" in row and "spec.envType" in row and "add it" in row for row in rows)


def test_a_deletion_names_everyone_who_would_miss_it():
    found = linted("-f", EXAMPLES, "--without", "CodeRepo/apple-deploy")["violations"]
    (one,) = [one for one in found if one["rule"] == "R7"]
    assert "CodeRepoBinding/lend-to-web" in one["message"]
    assert "DeploymentRuntime/apple-test" in one["message"]
    assert linted("-f", EXAMPLES, "--without", "CodeRepo/apple-web-src")["violations"] == []


def test_deleting_what_is_not_there_is_answered_in_words():
    result = lint("-f", EXAMPLES, "--without", "Environment/stage")
    assert result.exit_code == 1
    assert result.stderr == (
        "there is no Environment/stage in these files [E6]; correct the kind or the name\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)), "more than 50000 values"),
        ("a: 1\na: 2\n", "stands twice"),
        ("[" * 100_000, "nested deeper"),
        ("{a: " * 100_000, "nested deeper"),
        ("x" * 2_000_000, "bytes"),
        ("a: !!python/object:os.system x\n", "tag"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_as_such(text, words, tmp_path):
    root = written(tmp_path, applied({})) / ROOTS["o"]
    (root / "envs" / "hostile.yaml").write_text(text)
    (one,) = linted("-f", tmp_path)["violations"]
    assert (one["rule"], words in one["message"]) == ("yaml", True)


def test_links_are_not_followed(tmp_path):
    root = written(tmp_path, applied({})) / ROOTS["o"]
    (root / "envs" / "link.yaml").symlink_to("/etc/passwd")
    (one,) = linted("-f", tmp_path)["violations"]
    assert one["rule"] == "symlink"


def test_a_path_that_is_not_there_is_wrong_usage(tmp_path):
    assert lint("-f", tmp_path / "nowhere").exit_code == 2
