"""Each rule refuses what breaks it, with field and line, and accepts what comes near: the pure function."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from nautes_domain.catalog import read_product, read_tenant
from nautes_domain.hooks import HookKind, Resource
from nautes_domain.validation import Setting, TenantSetting, claims_of, judge
from support.rule_cases import (
    BASE,
    BINDING,
    CASES,
    ELSEWHERE,
    HOOKS,
    IDS,
    PPR,
    applied,
    calendar,
    more,
    repository,
)

TABLE = Path(__file__).parents[3] / "docs" / "rules.md"
COUNTS = {"C": 16, "P": 6, "T": 6, "R": 7, "B": 6, "J": 3, "E": 6, "D": 9, "L": 14, "A": 12}
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
        verdicts.append(judge(Setting(catalog, tenant, held, old, HOOKS), wrong))
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
    name="notify",
    component="tekton",
    description="Tells a room.",
    is_pre_hook=True,
    is_post_hook=False,
    event_source_types=frozenset({"gitlab"}),
    variables={
        "type": "object",
        "properties": {"room": {"type": "string", "enum": ["ops", "dev"]}, "text": {"type": "string"}},
        "required": ["room"],
        "additionalProperties": False,
    },
    task={"steps": [{"image": "busybox"}]},
)
TOKEN = replace(NOTIFY, name="token", resources={"token": Resource.ACCESS_TOKEN})
TRUST = replace(NOTIFY, name="trust", resources={"ca": Resource.CA_FILE})
EASY = replace(TRUST, name="easy", optional=frozenset({"ca"}))
KINDS = {"tekton": {one.name: one for one in (NOTIFY, TOKEN, TRUST, EASY)}}
OPS = "vars: {room: ops}"


@pytest.mark.parametrize(
    ("hooks", "wrong"),
    [
        (f"preHooks: [{{name: notify, {OPS}}}]", {}),
        ("preHooks: [{name: other}]", {"preHooks.0.name": "tekton knows no hook 'other'"}),
        (f"postHooks: [{{name: notify, {OPS}}}]", {"postHooks.0.name": "notify does not stand after a pipeline"}),
        ("preHooks: [{name: notify}]", {"preHooks.0.vars": "'room' is a required property"}),
        ("preHooks: [{name: notify, vars: {room: cellar, size: b}}]", {"preHooks.0.vars": "('size' was unexpected)", "preHooks.0.vars.room": "'cellar' is not one of"}),
        ("preHooks: [{name: notify, vars: {room: ops, text: '$(params.ref)'}}]", {"preHooks.0.vars.text": "`$(` would be replaced"}),
        (f"preHooks: [{{name: notify, {OPS}}}, {{name: notify, alias: again, {OPS}}}]", {}),
        (f"preHooks: [{{name: notify, {OPS}}}, {{name: notify, {OPS}}}]", {"preHooks.1.name": "names another hook"}),
        (f"preHooks: [{{name: notify, alias: a, {OPS}}}], postHooks: [{{name: x, alias: a}}]", {"postHooks.0.alias": "names another hook", "postHooks.0.name": "knows no hook"}),
        (f"preHooks: [{{name: notify, alias: A/b, {OPS}}}]", {"preHooks.0.alias": "is not a name"}),
        (f"preHooks: [{{name: token, {OPS}}}]", {"preHooks.0.name": "the platform issues none"}),
        (f"preHooks: [{{name: trust, {OPS}}}]", {"preHooks.0.name": "none are declared"}),
        (f"preHooks: [{{name: easy, {OPS}}}]", {}),
    ],
)  # fmt: skip
def test_hooks_are_held_to_what_they_say_of_themselves(hooks, wrong):
    files = repository(applied({PPR: more(f"hooks: {{{hooks}}}")}), "o")
    catalog, problems = read_product("orchard", files)
    tenant, _ = read_tenant(repository(BASE, "t"))
    violations = judge(Setting(catalog, tenant, hooks=KINDS), problems).violations
    found = {(one.rule, one.field.removeprefix("spec.hooks.")): one.message for one in violations}
    assert found.keys() == {("L13", field) for field in wrong}
    assert all(words in found["L13", field] for field, words in wrong.items())


def test_a_hook_serves_every_event_source_of_its_runtime():
    edit = (*calendar("interval: 1h"), *more(f"hooks: {{preHooks: [{{name: notify, {OPS}}}]}}"))
    catalog, problems = read_product("orchard", repository(applied({PPR: edit}), "o"))
    tenant, _ = read_tenant(repository(BASE, "t"))
    (found,) = judge(Setting(catalog, tenant, hooks=KINDS), problems).violations
    assert (found.rule, found.field) == ("L13", "spec.hooks.preHooks.0.name")
    assert "event source 1 (calendar)" in found.message


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
