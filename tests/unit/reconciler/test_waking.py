from nautes_domain.effects import Cause
from nautes_domain.events import Fact
from nautes_reconciler.waking import concerned


def fact(kind, verb, scope, by="secret-broker"):
    return Fact(kind=kind, verb=verb, scope=scope, name="x", by=by, cause=Cause(delivery="d"))


def test_a_key_that_was_issued_wakes_the_product_that_waits_for_it():
    issued = fact("secret", "issued", "product_orchard")
    assert concerned(issued, ["product_orchard", "product_meadow"]) == ("product_orchard",)


def test_a_cluster_wakes_every_product_and_our_own_facts_nobody():
    products = ["product_orchard", "product_meadow"]
    assert concerned(fact("cluster", "registered", "cluster_run-east"), products) == tuple(products)
    assert concerned(fact("coderepo", "provisioned", "product_orchard", "reconciler"), products) == ()
