"""Files to entries: whose they are, what is sent, what is refused before anything is sent."""

from nautes_cli.kinds import KINDS, kind_of
from nautes_cli.reading import read
from support.examples import EXAMPLES
from support.manifests import read_text

ENVIRONMENT = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: build}
spec: {product: orchard, cluster: build-east, envType: build}
"""
PIPELINE = (EXAMPLES / "orchard/default.project/projects/apple-api/apple-ci.yaml").read_text()


def examples():
    return {path.as_posix(): path.read_bytes() for path in sorted(EXAMPLES.rglob("*.yaml"))}


def test_the_examples_are_read_whole():
    batch = read(examples())
    assert not batch.problems
    counted = {name: sum(entry.kind.name == name for entry in batch.entries) for name in KINDS}
    assert counted == {
        "Cluster": 2, "Product": 1, "Environment": 2, "Project": 2, "CodeRepo": 3, "CodeRepoBinding": 1,
        "ProjectPipelineRuntime": 1, "DeploymentRuntime": 1,
    }  # fmt: skip
    assert {entry.product for entry in batch.entries} == {"", "orchard"}


def test_what_the_api_has_no_route_for_is_told_and_what_is_not_ours_is_passed_over():
    batch = read(examples())
    kinds = {note.split()[1].rstrip(":") for note in batch.notes}
    assert kinds == {
        "Tenant", "CodeRepoProvider", "ProductProvider", "ArtifactRepoProvider", "ArtifactRepo", "ProjectArtifactRepo",
    }  # fmt: skip
    assert all("push it to its repository" in note for note in batch.notes)


def test_a_file_that_was_named_and_is_not_ours_is_told():
    (note,) = read_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n").notes
    assert note.startswith("given.yaml:1 ConfigMap: skipped")


def test_the_product_comes_from_the_manifest_then_the_folder_then_the_other_files_then_the_option():
    folder = "vineyard/default.project/projects/press/ci.yaml"
    assert [one.product for one in read({folder: PIPELINE.encode()}).entries] == ["vineyard"]
    assert [one.product for one in read_text(f"{PIPELINE}---\n{ENVIRONMENT}").entries] == [
        "orchard",
        "orchard",
    ]
    assert [one.product for one in read_text(PIPELINE, product="cellar").entries] == ["cellar"]
    assert [one.product for one in read_text(ENVIRONMENT, product="cellar").entries] == ["orchard"]
    (problem,) = read_text(PIPELINE).problems
    assert (problem.rule, problem.fix) == ("T4", "write spec.product, or give --product")


def test_every_violation_of_every_file_is_told_at_once():
    batch = read({
        "a.yaml": ENVIRONMENT.replace("envType: build", "colour: red").encode(),
        "b.yaml": b"a: [",
        "c.yaml": ENVIRONMENT.replace("build-east", "Build East").encode(),
    })  # fmt: skip
    assert [(one.file, one.rule) for one in batch.problems] == [
        ("a.yaml", "schema"), ("a.yaml", "schema"), ("b.yaml", "yaml"), ("c.yaml", "E1"),
    ]  # fmt: skip


def test_what_stands_twice_is_refused_with_both_places():
    (problem,) = read({"a.yaml": ENVIRONMENT.encode(), "b.yaml": ENVIRONMENT.encode()}).problems
    assert problem.file == "b.yaml"
    assert "a.yaml:1" in problem.message


def test_a_repository_is_named_as_its_entity():
    text = (EXAMPLES / "orchard/default.project/code-repos/apple-deploy/apple-deploy.yaml").read_text()
    (problem,) = read_text(text.replace("repoName: apple-deploy", "repoName: apples")).problems
    assert problem.rule == "R1"


def test_every_alias_of_the_original_names_its_kind():
    aliases = {
        "Cluster": "cluster clusters cls", "Product": "product products prod prods",
        "Environment": "environment environments env envs", "Project": "project projects pro pros proj",
        "CodeRepo": "coderepo coderepos cr crs", "CodeRepoBinding": "coderepobinding coderepobindings crb crbs",
        "DeploymentRuntime": "deploymentruntime deploymentruntimes dr drs",
        "ProjectPipelineRuntime": "projectpipelineruntime projectpipelineruntimes ppr pprs",
    }  # fmt: skip
    for name, words in aliases.items():
        assert [kind_of(word) for word in words.split()] == [KINDS[name]] * len(words.split())
    assert kind_of("DeploymentRuntime") is KINDS["DeploymentRuntime"]
    assert kind_of("orchestra") is None
