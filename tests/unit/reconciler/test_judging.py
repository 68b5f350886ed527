import pytest

from nautes_domain.capabilities import CommitState
from nautes_domain.effects import Cause
from nautes_domain.events import Fact
from nautes_reconciler import judging
from nautes_reconciler.waking import concerned
from support.examples import changed, orchard, tenant, tree

ENV = "envs/build.yaml"


def judge(changes=None):
    return judging.judge_product("orchard", changed(changes), tenant(), {})


def test_a_valid_tree_says_how_many_entities_it_holds():
    judgement = judge()
    assert judgement.violations == ()
    assert judgement.status.state is CommitState.SUCCESS
    assert judgement.status.description == "12 entities are valid"
    assert not judging.judge_tenant("acme", tree("management")).violations


def test_a_refused_tree_shows_the_first_violation_with_file_and_line_and_counts_the_rest():
    judgement = judge({ENV: "kind: Environment\n", "envs/test.yaml": "a: [\n"})
    assert len(judgement.violations) > 2
    assert judgement.status.state is CommitState.FAILED
    assert judgement.status.description.startswith(f"{ENV}:1 Environment")
    assert judgement.status.description.endswith(f"(and {len(judgement.violations) - 1} more)")
    assert len(judgement.status.description) <= 255


def test_changes_name_what_came_went_and_differs():
    before = judge().entities
    text = tree("orchard/default.project")[ENV].decode()
    after = judge({ENV: text.replace("envType: build", "envType: ci"), "runtimes/apple-test.yaml": None,
                   "projects/pear/pear.yaml": text.split("kind")[0] + "kind: Project\nmetadata: {name: pear}\nspec: {product: orchard}\n"})  # fmt: skip
    assert list(judging.changes(before, after.entities)) == [
        ("deploymentruntime", "apple-test", "withdrawn"),
        ("environment", "build", "declared"),
        ("project", "pear", "declared"),
    ]
    assert list(judging.changes(before, before)) == []


def test_a_product_never_claims_against_itself():
    other = judging.foreign_claims("vineyard", [orchard()])
    assert set(other.values()) == {"orchard"}
    assert judging.foreign_claims("orchard", [orchard()]) == {}


@pytest.mark.parametrize(
    ("message", "confirmed"),
    [
        ("Clean up\n\nNautes-Allow-Deletions: all\n", True),
        ("Clean up\n\nnautes-allow-deletions: ALL", True),
        ("Say Nautes-Allow-Deletions: all in the text", False),
        ("Clean up", False),
    ],
)
def test_only_the_trailer_confirms_deletions(message, confirmed):
    assert judging.confirms_deletions(message) is confirmed


@pytest.mark.parametrize(
    ("by", "scope", "scopes"),
    [
        ("reconciler", "tenant", ()),
        ("secret-broker", "tenant", ("tenant",)),
        ("secret-broker", "product_orchard", ("product_orchard",)),
        ("cluster-registrar", "cluster_build-east", ("product_a", "product_b")),
    ],
)
def test_facts_wake_whom_they_concern(by, scope, scopes):
    fact = Fact(kind="secret", verb="issued", scope=scope, name="x", by=by, cause=Cause(delivery="d"))
    assert tuple(concerned(fact, ["product_a", "product_b"])) == scopes
