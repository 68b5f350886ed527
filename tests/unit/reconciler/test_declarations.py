"""Snapshots that were good once, and are not by today's rules: what that stops, and what it must not stop."""

import pytest

from nautes_domain.effects import Cause
from nautes_domain.failures import Rejected
from nautes_domain.snapshot import TENANT_KEY, Snapshot
from nautes_domain.validation import claims_of
from nautes_reconciler.records import Declarations
from support.examples import changed, tree

STALE = "a: [no longer: valid"


class Kept:
    """A bucket in memory."""

    def __init__(self, records=()):
        self.records = dict(records)

    async def get(self, key):
        return self.records.get(key)

    async def put(self, key, record):
        self.records[key] = record
        return len(self.records)

    async def delete(self, key):
        self.records.pop(key, None)

    async def items(self, prefix=""):
        return [(key, one) for key, one in self.records.items() if key.startswith(prefix)]


def snapshot(scope, files):
    return Snapshot(scope=scope, commit="c" * 40, project_id=1, cause=Cause(delivery="d"), files=files)


def declarations(*snapshots):
    return Declarations(Kept((one.scope, one) for one in snapshots), Kept(), Kept())


async def test_a_stale_product_keeps_its_namespaces_and_blocks_nobody_but_is_not_acted_upon():
    stale = snapshot("product_orchard", changed({"envs/more.yaml": STALE}))
    kept = declarations(stale)
    held = claims_of((await kept.products())["orchard"])
    assert held == {("build-east", "apple-ci"): "orchard", ("run-east", "apple-test"): "orchard"}
    with pytest.raises(Rejected) as refused:
        kept.parsed(stale)
    assert refused.value.code == "bad-snapshot"
    assert refused.value.violations


async def test_a_stale_tenant_is_not_acted_upon_but_can_be_mended_by_a_push():
    path = "nautes/overlays/production/clusters/more.yaml"
    kept = declarations(snapshot(TENANT_KEY, {**tree("management"), path: STALE.encode()}))
    with pytest.raises(Rejected):
        await kept.tenant()
    assert set((await kept.tenant_until_now()).clusters) == {"build-east", "run-east"}


async def test_before_the_first_commit_nothing_is_declared():
    kept = declarations()
    assert (await kept.tenant()).clusters == {}
    assert await kept.products() == {}
