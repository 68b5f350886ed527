"""Each rule through the door of a push: the tree of a commit, judged by the reconciler."""

import pytest

from nautes_domain.catalog import read_product, read_tenant
from nautes_reconciler import judging
from support.rule_cases import CASES, HOOKS, IDS, applied, repository

PRODUCTS = {"o": "orchard", "v": "vineyard"}


def catalogs(files):
    return {name: read_product(name, repository(files, short))[0] for short, name in PRODUCTS.items()}


def judged(files, before):
    """Return the judgements of the tenant's tree and the product's, after a last good state if there is one."""
    until_now = catalogs(before) if before else dict.fromkeys(PRODUCTS.values())
    was = read_tenant(repository(before, "t"))[0] if before else None
    products = catalogs(files)
    yield judging.judge_tenant("acme", repository(files, "t"), was, products)
    tenant = read_tenant(repository(files, "t"))[0]
    for short, name in PRODUCTS.items():
        claims = judging.foreign_claims(name, products.values())
        yield judging.judge_product(
            name, repository(files, short), tenant, claims, until_now[name], hooks=HOOKS
        )


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_push_that_breaks_a_rule_is_refused_and_one_that_comes_near_is_not(case):
    before = applied(case.before) if case.changed else None
    refused = [*judged(applied(case.before, case.refuse), before)]
    which = "warnings" if case.warning else "violations"
    shown = {(one.rule, one.field) for judgement in refused for one in getattr(judgement, which)}
    assert (case.shown, case.field) in shown
    accepted = [*judged(applied(case.before, case.accept), before)]
    shown = {one.rule for judgement in accepted for one in (*judgement.violations, *judgement.warnings)}
    assert case.shown not in shown


def test_a_doubtful_push_is_taken_in_and_says_what_is_doubtful():
    path = "t/nautes/overlays/production/clusters/run-east.yaml"
    files = repository(applied({path: (("[orchard]", "[orchard, pears]"),)}), "t")
    status = judging.judge_tenant("acme", files).status
    assert status.state == "success"
    assert "1 doubtful" in status.description
    assert "pears" in status.description
