"""Each rule refuses what breaks it, with field and line, and accepts what comes near: the pure function."""

import re
from pathlib import Path

import pytest

from nautes_domain.catalog import read_product, read_tenant
from nautes_domain.components import HookKind
from nautes_domain.validation import Setting, TenantSetting, claims_of, judge
from support.rule_cases import (
    BASE,
    BINDING,
    CASES,
    ELSEWHERE,
    IDS,
    PPR,
    applied,
    more,
    repository,
)

TABLE = Path(__file__).parents[3] / "docs" / "rules.md"
COUNTS = {"C": 16, "P": 6, "T": 6, "R": 7, "B": 6, "J": 3, "E": 6, "D": 9, "L": 14, "A": 11}
RULES = [f"{family}{number}" for family, count in COUNTS.items() for number in range(1, count + 1)]


def found(files, before=None):
    """Return (violations, warnings) of every scope."""
    tenant, problems = read_tenant(repository(files, "t"))
    products = {name: read_product(name, repository(files, name[0])) for name in ("orchard", "vineyard")}
    was = None if before is None else read_tenant(repository(before, "t"))[0]
    catalogs = {name: catalog for name, (catalog, _) in products.items()}
    verdicts = [judge(TenantSetting(tenant, "acme", was, catalogs), problems)]
    for name, (catalog, wrong) in products.items():
        held = {place: other for other, one in catalogs.items() if other != name for place in claims_of(one)}
        old = None if before is None else read_product(name, repository(before, name[0]))[0]
        verdicts.append(judge(Setting(catalog, tenant, held, old), wrong))
    return (
        [one for verdict in verdicts for one in verdict.violations],
        [one for verdict in verdicts for one in verdict.warnings],
    )


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_rule_refuses_what_breaks_it_and_says_where_and_what_to_do(case):
    before = applied(case.before) if case.changed else None
    violations, warnings = found(applied(case.before, case.refuse), before)
    matching = [
        one for one in (warnings if case.warning else violations)
        if (one.rule, one.field) == (case.shown, case.field)
    ]  # fmt: skip
    assert matching, [str(one) for one in (*violations, *warnings)]
    for one in matching:
        assert one.line >= 1
        assert one.message
        assert one.fix
        assert one.name or case.rule in {"T1", "P4"}


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_rule_accepts_what_comes_near(case):
    before = applied(case.before) if case.changed else None
    violations, warnings = found(applied(case.before, case.accept), before)
    assert case.shown not in {one.rule for one in (*violations, *warnings)}
    if not case.before and case.rule not in {"E2", "T3"}:
        assert violations == []


def test_the_table_of_rules_is_complete_and_every_rule_is_proven():
    rows = dict(re.findall(r"^\| ([A-Z]\d+) \| .+ \| (.+) \|$", TABLE.read_text(), re.MULTILINE))
    assert list(rows) == RULES
    assert {case.rule for case in CASES} | ELSEWHERE.keys() == set(RULES)
    for rule, proof in rows.items():
        if rule in ELSEWHERE:
            assert ELSEWHERE[rule].split("; ")[1] in proof
        else:
            assert proof.split(", ")[0] == f"`{rule}`"


def test_who_lends_must_be_able_to_change_the_keys_of_what_is_lent():
    catalog, _ = read_product("orchard", repository(BASE, "o"))
    tenant, _ = read_tenant(repository(BASE, "t"))
    locked = frozenset({"apple-deploy"})
    (refused,) = judge(Setting(catalog, tenant, locked_repos=locked)).violations
    assert (refused.rule, refused.field) == ("B6", "spec.codeRepo")
    assert judge(Setting(catalog, tenant, locked_repos=frozenset({"apple-web-src"}))).violations == ()
    assert judge(Setting(catalog, tenant, before=catalog, locked_repos=locked)).violations == ()


NOTIFY = HookKind(
    is_pre_hook=True,
    is_post_hook=False,
    event_source_types=frozenset({"gitlab"}),
    variables=frozenset({"room", "text"}),
    required=frozenset({"room"}),
)
HOOKS = {"tekton": {"notify": NOTIFY}}


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ("{preHooks: [{name: notify, vars: {room: ops}}]}", ""),
        ("{preHooks: [{name: other}]}", "knows no hook"),
        ("{postHooks: [{name: notify, vars: {room: ops}}]}", "may not stand here"),
        ("{preHooks: [{name: notify}]}", "lacks variables room"),
        ("{preHooks: [{name: notify, vars: {room: a, size: b}}]}", "unknown variables size"),
        ("{preHooks: [{name: notify, vars: {room: a}}, {name: notify, alias: b, vars: {room: a}}]}", "twice"),
        ("{preHooks: [{name: notify, alias: a, vars: {room: a}}], postHooks: [{name: x, alias: a}]}", "names another"),
    ],
)  # fmt: skip
def test_hooks_are_held_to_what_they_say_of_themselves(hooks, words):
    files = repository(applied({PPR: more(f"hooks: {hooks}")}), "o")
    catalog, problems = read_product("orchard", files)
    tenant, _ = read_tenant(repository(BASE, "t"))
    violations = judge(Setting(catalog, tenant, hooks=HOOKS), problems).violations
    assert {one.rule for one in violations} <= {"L13"}
    assert any(words in one.message for one in violations) if words else violations == ()


def test_one_broken_entity_holds_back_itself_and_what_depends_on_it_and_nothing_else():
    files = repository(applied({"o/envs/test.yaml": (("cluster: run-east", "cluster: gone"),)}), "o")
    catalog, problems = read_product("orchard", files)
    tenant, _ = read_tenant(repository(BASE, "t"))
    verdict = judge(Setting(catalog, tenant), problems)
    assert verdict.held == {
        "Environment/test": "breaks rule E2",
        "DeploymentRuntime/apple-test": "needs Environment/test",
    }


def test_what_cannot_be_read_is_reported_together_with_rules_that_hold_all_the_same():
    files = applied({"o/envs/test.yaml": "a: [", BINDING: (("product: orchard", "product: vineyard"),)})
    violations, _ = found(files)
    assert {(one.rule, one.file) for one in violations} == {("yaml", "envs/test.yaml"), ("B4", BINDING[2:])}
