"""One entity after the other: what is told, what is skipped, how it ends."""

import json

from nautes_cli.applying import Outcome, Result, failed, run, summary, without_warnings_of
from nautes_cli.changing import carry_out, exit_code, unsettled
from nautes_cli.console import ExitCode, ObjectOutput
from nautes_cli.entries import Entry
from nautes_cli.kinds import KINDS
from nautes_cli.planning import changes, judged_later, planning, unified
from nautes_cli.problems import ApiError, refused, violation_line

PRODUCT = Entry(KINDS["Product"], "orchard", "")
ENVIRONMENT = Entry(KINDS["Environment"], "build", "orchard")
OTHER = Entry(KINDS["Environment"], "build", "vineyard")
REPO = Entry(KINDS["CodeRepo"], "apples", "orchard")


def acting(**errors):
    """What saves everything but the entries that are named, and what was asked for."""
    asked = []

    def act(entry):
        asked.append(entry)
        status = errors.get(f"{entry.kind.name}_{entry.product or entry.name}")
        return (
            Outcome(entry, Result.SAVED)
            if status is None
            else failed(entry, refused(status, {"detail": "no"}))
        )

    return act, asked


def results(outcomes):
    return [one.result.value for one in outcomes]


def test_after_a_failure_the_rest_is_skipped_and_told():
    act, asked = acting(Environment_orchard=422)
    done = list(run([PRODUCT, ENVIRONMENT, OTHER, REPO], act, go_on=False))
    assert results(done) == ["saved", "refused", "skipped", "skipped"]
    assert asked == [PRODUCT, ENVIRONMENT]
    assert done[-1].message == "not tried, since Environment/build failed"
    assert summary(done) == "1 saved, 1 refused, 2 skipped"


def test_going_on_skips_only_what_belongs_to_a_product_that_failed():
    act, _ = acting(Product_orchard=403)
    done = list(run([PRODUCT, ENVIRONMENT, OTHER, REPO], act, go_on=True))
    assert results(done) == ["refused", "skipped", "saved", "skipped"]
    act, _ = acting(Environment_orchard=500)
    assert results(run([PRODUCT, ENVIRONMENT, OTHER, REPO], act, go_on=True)) == [
        "saved",
        "failed",
        "saved",
        "saved",
    ]


def test_who_cannot_be_reached_or_lets_nobody_in_is_not_asked_again():
    for status in (0, 401):
        act, asked = acting(Product_orchard=status)
        assert results(run([PRODUCT, OTHER], act, go_on=True))[1] == "skipped"
        assert asked == [PRODUCT]


def test_the_exit_code_says_why_it_ended():
    codes = {
        0: ExitCode.NOT_RUNNING,
        401: ExitCode.NOT_SIGNED_IN,
        422: ExitCode.FAILED,
        504: ExitCode.TIMED_OUT,
    }
    for status, code in codes.items():
        assert exit_code([failed(PRODUCT, refused(status, None))]) is code
    assert exit_code([Outcome(PRODUCT, Result.LATE)]) is ExitCode.TIMED_OUT
    assert exit_code([Outcome(PRODUCT, Result.UNCHANGED), Outcome(REPO, Result.ABSENT)]) is ExitCode.OK
    assert summary([]) == "nothing to do"


def test_an_outcome_as_json_has_everything_but_the_body():
    entry = Entry(KINDS["Cluster"], "c", "", {"kubeconfig": "canary"}, "c.yaml:1")
    error = refused(422, {"reason": "X", "detail": "no", "violations": [{"rule": "C7"}]})
    document = failed(entry, error).document
    assert (document["code"], document["violations"], document["place"]) == (
        "X",
        [{"rule": "C7"}],
        "c.yaml:1",
    )
    assert "canary" not in str(document)


def test_a_warning_of_the_api_is_told_and_is_part_of_the_json(capfd):
    warning = {"kind": "Cluster", "name": "c", "field": "spec.kubeconfig", "rule": "C7", "message": "it is not kept", "fix": ""}  # fmt: skip
    entry = Entry(KINDS["Cluster"], "c", "", {}, "c.yaml:1")
    outcome = Outcome(entry, Result.SAVED, answer={"warnings": [warning]})
    carry_out([entry], lambda _: outcome, go_on=False, output=ObjectOutput.JSON)
    out, err = capfd.readouterr()
    assert json.loads(out)["entities"][0]["warnings"] == [warning]
    assert "    warning: Cluster/c spec.kubeconfig: it is not kept [C7]" in err.splitlines()


def test_what_the_same_files_declare_later_is_no_warning():
    known, unknown = (
        {"rule": "C16", "message": f"there is no product '{name}'"} for name in ("orchard", "pears")
    )
    outcome = Outcome(REPO, Result.SAVED, answer={"warnings": [known, unknown]})
    assert without_warnings_of(outcome, {"orchard"}).warnings == [unknown]
    assert without_warnings_of(outcome, frozenset()) is outcome


def test_a_problem_is_told_with_every_violation_or_with_what_to_do_next():
    violation = {"file": "envs/a.yaml", "line": 3, "kind": "Environment", "name": "a", "field": "spec.cluster",
                 "rule": "E2", "message": "there is no cluster 'x'", "fix": "declare it"}  # fmt: skip
    line = "envs/a.yaml:3 Environment/a spec.cluster: there is no cluster 'x' [E2]; declare it"
    assert violation_line(violation) == line
    error = refused(422, {"detail": "1 violation", "violations": [violation, "nonsense"]})
    assert list(error.lines()) == ["1 violation", f"  {line}"]
    assert list(refused(401, {"detail": "who are you?"}).lines()) == [
        "who are you?",
        "Next: sign in with `nautes login`",
    ]
    assert list(refused(409, {"detail": "no", "next_step": "wait"}).lines()) == ["no", "Next: wait"]
    assert str(refused(502, None)) == "the API answered 502"
    assert str(refused(500, ["nonsense"])) == "the API answered 500"


def missing(rule="E2", words="there is no environment 'build'"):
    return refused(422, {"detail": "no", "violations": [{"rule": rule, "message": words}]})


def test_a_plan_knows_what_needs_something_of_the_same_files():
    assert judged_later(missing(), {"Environment/build"}, "orchard") == "Environment/build"
    assert judged_later(missing(), {"Environment/test"}, "orchard") == ""
    assert judged_later(missing(rule="E3"), {"Environment/build"}, "orchard") == ""
    assert judged_later(refused(404, None), {"Product/orchard"}, "orchard") == "Product/orchard"
    assert judged_later(refused(404, None), {"Product/orchard"}, "vineyard") == ""


def test_planning_tells_what_is_judged_later_and_still_refuses_the_rest():
    errors = {"CodeRepo": missing(), "Environment": None}

    def act(entry):
        error = errors[entry.kind.name]
        return failed(entry, error) if error else Outcome(entry, Result.PLANNED)

    first, second = run([ENVIRONMENT, REPO], planning(act), go_on=True)
    assert (first.result, second.result) == (Result.PLANNED, Result.PLANNED)
    assert second.message == "would be saved after Environment/build, and is judged then"
    (alone,) = run([REPO], planning(act), go_on=True)
    assert alone.result is Result.REFUSED


def test_a_change_is_shown_as_a_unified_diff_without_the_generated_index():
    change = {"object": "git/File/envs/a.yaml", "before": "a: 1\n", "after": "a: 2"}
    index = {"object": "git/File/production/kustomization.yaml", "before": "", "after": "x"}
    assert changes({"plan": [change, index]}) == [change]
    assert unified(change).splitlines()[2:] == ["@@ -1 +1 @@", "-a: 1", "+a: 2"]
    assert unified({**change, "after": ""}).splitlines()[1] == "+++ /dev/null"


def test_an_api_error_without_an_answer_says_so():
    error = ApiError("http://x does not answer")
    assert (error.code, error.exit_code) == ("unreachable", ExitCode.NOT_RUNNING)
    assert ApiError("late", timed_out=True).exit_code is ExitCode.TIMED_OUT


def test_what_is_saved_and_not_done_in_time_stops_nothing():
    def act(entry):
        return Outcome(entry, Result.LATE if entry is PRODUCT else Result.SAVED)

    assert results(run([PRODUCT, ENVIRONMENT], act, go_on=False)) == ["waiting", "saved"]


def test_what_is_not_settled_is_told_with_the_service_and_its_reason():
    services = [
        {"service": "a", "result": "done", "message": ""},
        {"service": "b", "result": "blocked", "message": "no"},
    ]
    assert unsettled({"state": {"scope": "product_x", "services": services}}) == ["product_x, b: blocked: no"]
    assert unsettled({"state": None}) == []
