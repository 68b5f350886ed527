from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.effects import Cause, Result, effect_of, result_of, violations_of
from nautes_domain.events import Fact, Subjects, header_text, headers, partition
from nautes_domain.failures import Blocked, Rejected, Retry, Violation
from nautes_domain.plan import Action, Ref, Verb
from nautes_domain.reconcile import Outcome
from nautes_domain.snapshot import Snapshot, product_catalog
from support.examples import tree

AT = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = Cause(delivery="d1", commit="c1")


def an_effect(outcome, cause=CAUSE):
    return effect_of(outcome, tenant="acme", service="reconciler", scope="product_x", cause=cause, at=AT)


def an_action(after):
    return Action(Verb.UPDATE, Ref("vault", "Role", "r", "m"), {"a": 1}, after, "it differs", "Kind/name")


def test_an_effect_holds_digests_and_never_values():
    effect = an_effect(Outcome(an_action({"password": "hunter2"}), None, 0.5))
    assert "hunter2" not in effect.model_dump_json()
    assert effect.before != effect.after
    assert (effect.verb, effect.result, effect.duration) == ("update", Result.DONE, 0.5)


def test_the_same_effect_of_the_same_cause_has_the_same_id_and_any_other_has_not():
    same = [an_effect(Outcome(an_action({"a": 2}), None, seconds)).id for seconds in (0.1, 0.2)]
    assert same[0] == same[1]
    others = {
        an_effect(Outcome(an_action({"a": 3}), None, 0)).id,
        an_effect(Outcome(an_action({"a": 2}), Retry("down"), 0)).id,
        an_effect(Outcome(an_action({"a": 2}), None, 0), Cause(delivery="d2")).id,
    }
    assert len(others | set(same)) == 4


def test_failures_have_words_for_results_and_keep_their_violations():
    violation = Violation("f.yaml", 3, "Kind", "n", "spec.x", "T1", "is wrong", "mend it")
    failures = [None, Retry("x"), Blocked("x", by="y"), Rejected("x", [violation])]
    assert [result_of(one) for one in failures] == [
        Result.DONE,
        Result.RETRY,
        Result.BLOCKED,
        Result.REJECTED,
    ]
    (record,) = violations_of(failures[3])
    assert (record.file, record.line, record.fix) == ("f.yaml", 3, "mend it")
    assert str(violation) == "f.yaml:3 Kind/n spec.x: is wrong [T1]; mend it"


def test_subjects_carry_the_tenant_and_keep_kinds_apart():
    subjects = Subjects("acme")
    assert subjects.work("reconciler", "product_x") == "nautes.acme.work.reconciler.product_x"
    assert (
        subjects.effect("reconciler", "kubernetes/build-east")
        == "nautes.acme.effect.reconciler.kubernetes_build-east"
    )
    assert subjects.fact("coderepo", "provisioned") == "nautes.acme.fact.coderepo.provisioned"


@given(st.integers(1, 10**9))
def test_a_project_has_one_partition_of_four(project_id):
    assert partition(project_id) == partition(project_id)
    assert 0 <= partition(project_id) < 4


@given(st.text())
def test_headers_hold_one_line_of_printable_text(text):
    cause = Cause(delivery=text, actor=text)
    fact = Fact(kind="a", verb="b", scope="tenant", name="n", by="x", cause=cause)
    values = headers(fact, source="/x", cause=cause, event_id="e1", at=AT)
    assert all(value == header_text(value) and "\n" not in value for value in values.values())
    assert values["ce-type"] == "io.nautes.fact.v1"


def test_a_snapshot_survives_the_wire():
    files = {**tree("orchard/default.project"), "odd.bin": b"\xff\x00"}
    snapshot = Snapshot(scope="product_orchard", commit="c", project_id=3, cause=CAUSE, files=files)
    again = Snapshot.model_validate_json(snapshot.model_dump_json())
    assert again == snapshot
    assert len(snapshot.model_dump_json()) < 6000
    assert set(product_catalog(again).pipelines) == {"apple-ci"}
