"""Our objects on a cluster: found, written, repaired and removed, and nobody else's ever touched."""

import asyncio
from dataclasses import replace

import pytest

from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    SPACE_KINDS,
    KubernetesClient,
    KubernetesTarget,
    ProductSpaces,
    bootstrap_state,
    owned,
)
from nautes_domain.capabilities import Space
from nautes_domain.failures import Rejected, Retry
from nautes_domain.plan import Action, Budget, Ref, Verb, Wanted
from nautes_domain.reconcile import preview, reconcile
from support.local_cluster import clusters

SCOPE = "product_orchard"
CI = Space(
    "orchard", "apple-ci", "build-east", "apple-ci", "apple-builder", may_run=True, entity="Runtime/apple-ci"
)
STAGE = Space(
    "orchard", "apple-stage", "build-east", "apple-stage", "deployer", may_run=False, entity="Runtime/s"
)
NAMESPACE = Ref("kubernetes/build-east", "Namespace", "apple-ci")
ROLE = Ref("kubernetes/build-east", "Role", "nautes.apple-builder", "apple-ci")


@pytest.fixture
async def client(tmp_path):
    async with clusters(tmp_path) as start:
        yield await start("build-east")


@pytest.fixture
def target(client):
    return KubernetesTarget(client, "build-east", SPACE_KINDS)


def state_of(*spaces, scope=SCOPE):
    return ProductSpaces().space_state(scope, spaces)


async def settle(target, state, *, scope=SCOPE):
    async def record(_outcome):
        return None

    budget = Budget(everything=True)
    return await reconcile(scope, state, [target], budget=budget, record=record, clock=lambda: 0.0)


async def create(client, kind, name, namespace="", **rest):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    versions = {"Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1"}
    obj = {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **rest}
    return await client.create(obj)


async def test_the_second_time_nothing_is_written(target):
    state = state_of(CI, STAGE)
    first = await settle(target, state)
    assert (first.failure, first.written) == (None, len(state))
    second = await settle(target, state)
    assert (second.failure, second.written, second.unchanged) == (None, 0, len(state))


async def test_what_is_observed_is_what_was_declared(target):
    state = state_of(CI)
    await settle(target, state)
    observed = await target.observe(SCOPE)
    assert observed.keys() == state.keys()
    assert observed[ROLE]["rules"] == state[ROLE].spec["rules"]
    assert not {"resourceVersion", "uid", "managedFields"} & observed[ROLE]["metadata"].keys()


async def test_scopes_do_not_see_each_other(target):
    await settle(target, state_of(CI))
    other = replace(CI, product="meadow", namespace="meadow-ci")
    await settle(target, state_of(other, scope="product_meadow"), scope="product_meadow")
    assert {ref.scope or ref.name for ref in await target.observe("product_meadow")} == {"meadow-ci"}
    assert {ref.scope or ref.name for ref in await target.observe(SCOPE)} == {"apple-ci"}


async def test_an_edit_by_hand_is_repaired(target, client):
    state = state_of(CI)
    await settle(target, state)
    await client.patch_merge("Role", ROLE.name, ROLE.scope, {"rules": []})
    await client.delete("ServiceAccount", "apple-builder", "apple-ci")
    repaired = await settle(target, state)
    assert {(one.action.verb, one.action.ref.kind) for one in repaired.outcomes} == {
        (Verb.UPDATE, "Role"),
        (Verb.CREATE, "ServiceAccount"),
    }
    assert (await settle(target, state)).written == 0


async def test_a_field_that_is_no_longer_declared_goes(target, client):
    before = {NAMESPACE: Wanted(owned({"metadata": {"labels": {"team": "a", "tier": "b"}}}, SCOPE), "x")}
    after = {NAMESPACE: Wanted(owned({"metadata": {"labels": {"tier": "b"}}}, SCOPE), "x")}
    await settle(target, before)
    assert (await settle(target, after)).written == 1
    labels = (await client.get("Namespace", "apple-ci"))["metadata"]["labels"]
    assert "team" not in labels
    assert labels["tier"] == "b"


async def test_a_label_of_somebody_else_stays(target, client):
    state = state_of(CI)
    await settle(target, state)
    await client.patch_merge("Namespace", "apple-ci", "", {"metadata": {"labels": {"cost-centre": "7"}}})
    assert (await settle(target, state)).written == 0
    await settle(target, state_of(replace(CI, product="orchard2")))
    assert (await client.get("Namespace", "apple-ci"))["metadata"]["labels"]["cost-centre"] == "7"


async def test_a_namespace_that_is_not_ours_is_never_taken_over(target, client):
    await create(client, "Namespace", "apple-ci", metadata={"labels": {"owner": "people"}})
    report = await settle(target, state_of(CI))
    assert {one.failure.code for one in report.outcomes} == {"namespace-claimed"}
    found = await client.get("Namespace", "apple-ci")
    assert "nautes.io/scope" not in found["metadata"]["labels"]
    assert await target.observe(SCOPE) == {}


async def test_a_namespace_of_another_product_is_never_taken_over(target, client):
    await settle(target, state_of(CI))
    report = await settle(
        target, state_of(replace(CI, product="meadow"), scope="product_meadow"), scope="product_meadow"
    )
    failure = report.outcomes[0].failure
    assert isinstance(failure, Rejected)
    assert "product_orchard" in str(failure)
    assert report.written == 0
    assert await target.observe("product_meadow") == {}
    assert (await client.get("Namespace", "apple-ci"))["metadata"]["labels"]["nautes.io/scope"] == SCOPE


async def test_no_account_gets_rights_in_the_namespace_of_another_product(target, client):
    await settle(target, state_of(CI))
    intruder = replace(CI, product="meadow", account="intruder")
    await settle(target, state_of(intruder, scope="product_meadow"), scope="product_meadow")
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        names = {one["metadata"]["name"] for one in await client.list(kind, "apple-ci")}
        assert not {name for name in names if "intruder" in name}


async def test_of_two_products_that_want_a_namespace_at_once_one_gets_it(client):
    async def claim(product):
        scope = f"product_{product}"
        target = KubernetesTarget(client, "build-east", ("Namespace",))
        wanted = state_of(replace(CI, product=product), scope=scope)[NAMESPACE]
        try:
            await target.apply(Action(Verb.CREATE, NAMESPACE, None, wanted.spec, "x"))
        except (Retry, Rejected) as failure:
            return failure
        return scope

    outcomes = await asyncio.gather(*(claim(f"product{number}") for number in range(6)))
    winners = [one for one in outcomes if isinstance(one, str)]
    assert len(winners) == 1
    assert (await client.get("Namespace", "apple-ci"))["metadata"]["labels"]["nautes.io/scope"] == winners[0]


async def test_an_object_that_people_made_is_not_overwritten(target, client):
    await settle(target, {NAMESPACE: state_of(CI)[NAMESPACE]})
    await create(client, "Role", ROLE.name, "apple-ci", rules=[])
    report = await settle(target, state_of(CI))
    failures = {one.action.ref.kind: one.failure for one in report.outcomes if one.failure}
    assert {kind: failure.code for kind, failure in failures.items()} == {"Role": "object-claimed"}
    assert (await client.get("Role", ROLE.name, "apple-ci"))["rules"] is None


async def test_what_is_no_longer_declared_goes_and_nothing_else(target, client):
    await settle(target, state_of(CI, STAGE))
    await create(client, "Namespace", "people")
    await settle(target, state_of(STAGE))
    assert {ref.scope or ref.name for ref in await target.observe(SCOPE)} == {"apple-stage"}
    assert "deletionTimestamp" not in (await client.get("Namespace", "people"))["metadata"]
    assert (await settle(target, state_of(STAGE))).written == 0


async def test_deleting_what_is_gone_or_not_ours_is_no_error(target, client):
    wanted = state_of(CI)[NAMESPACE]
    deletion = Action(Verb.DELETE, NAMESPACE, wanted.spec, None, "no longer declared")
    await target.apply(deletion)
    await create(client, "Namespace", "apple-ci")
    await target.apply(deletion)
    assert "deletionTimestamp" not in (await client.get("Namespace", "apple-ci"))["metadata"]


async def test_a_namespace_on_its_way_out_is_waited_for(target, client):
    state = state_of(CI)
    await settle(target, {NAMESPACE: state[NAMESPACE]})
    await create(client, "ConfigMap", "slow", "apple-ci", metadata={"finalizers": ["example.com/slow"]})
    await client.delete("Namespace", "apple-ci")
    assert "deletionTimestamp" in (await client.get("Namespace", "apple-ci"))["metadata"]
    report = await settle(target, state)
    assert {type(one.failure) for one in report.outcomes} == {Retry}
    assert {one.failure.code for one in report.outcomes} == {"kubernetes-terminating"}


async def test_a_binding_whose_role_changed_is_made_anew(target, client):
    state = dict(state_of(CI))
    await settle(target, state)
    binding = Ref("kubernetes/build-east", "RoleBinding", "nautes.apple-builder", "apple-ci")
    spec = dict(state[binding].spec)
    spec["roleRef"] = {**spec["roleRef"], "name": "another"}
    state[binding] = Wanted(spec, "x")
    assert (await settle(target, state)).failure is None
    assert (await client.get("RoleBinding", binding.name, "apple-ci"))["roleRef"]["name"] == "another"


async def test_the_preview_is_what_is_applied(target):
    state = state_of(CI)
    (before,) = await preview(SCOPE, state, [target])
    report = await settle(target, state)
    assert [one.action for one in report.outcomes] == list(before.actions)


async def registered(client):
    """The cluster as it is after registration: bootstrapped, and a client of the reconciler's account."""
    admin = KubernetesTarget(client, "build-east", BOOTSTRAP_KINDS)
    state = bootstrap_state("build-east", "cluster_build-east")
    report = await settle(admin, state, scope="cluster_build-east")
    assert (report.failure, report.written) == (None, len(state))
    assert (await settle(admin, state, scope="cluster_build-east")).written == 0
    token = await client.token_request("nautes-system", "nautes-reconciler", (), 3600)
    return KubernetesClient.from_token(client.server, client.ca_pem, token.value)


async def test_the_reconcilers_own_account_can_do_its_work_and_no_more(client):
    reconciler = await registered(client)
    try:
        mine = KubernetesTarget(reconciler, "build-east", SPACE_KINDS)
        assert (await settle(mine, state_of(CI, STAGE))).failure is None
        assert (await settle(mine, state_of(STAGE))).failure is None
        for kind, action in (("ClusterRole", "list"), ("Secret", "list"), ("ClusterRoleBinding", "list")):
            with pytest.raises(Rejected) as raised:
                await getattr(reconciler, action)(kind)
            assert raised.value.code == "kubernetes-denied"
    finally:
        await reconciler.close()


async def test_the_reconciler_cannot_grant_what_it_does_not_hold(client):
    reconciler = await registered(client)
    try:
        mine = KubernetesTarget(reconciler, "build-east", SPACE_KINDS)
        state = state_of(CI)
        await settle(mine, state)
        greedy = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
        with pytest.raises(Rejected) as raised:
            await mine.apply(Action(Verb.UPDATE, ROLE, None, owned(greedy, SCOPE), "x"))
        assert raised.value.code == "kubernetes-denied"
    finally:
        await reconciler.close()


async def test_a_wrong_token_is_a_retry(client):
    stranger = KubernetesClient.from_token(client.server, client.ca_pem, "not-a-token")
    with pytest.raises(Retry) as raised:
        await stranger.list("Namespace")
    await stranger.close()
    assert raised.value.code == "kubernetes-unauthorized"


async def test_a_watch_goes_on_from_a_list(client):
    await create(client, "Namespace", "apple-ci")
    await create(client, "ConfigMap", "before", "apple-ci")
    listing = await client.listing("ConfigMap", "apple-ci")
    assert "before" in {one["metadata"]["name"] for one in listing.items}
    await create(client, "ConfigMap", "after", "apple-ci")
    changes = client.watch("ConfigMap", "apple-ci", since=listing.version, seconds=30)
    seen = []
    async for change in changes:
        seen.append((change.kind, change.object["metadata"]["name"]))
        if seen[-1][1] == "after":
            break
    await changes.aclose()
    # A server puts its own authority into every new namespace, sooner or later.
    assert [one for one in seen if one[1] != "kube-root-ca.crt"] == [("ADDED", "after")]


async def test_an_invalid_object_is_rejected_with_the_servers_words(client):
    await create(client, "Namespace", "apple-ci")
    with pytest.raises(Rejected) as raised:
        await create(client, "ConfigMap", "c", "apple-ci", data={"a": {"b": "c"}})
    assert raised.value.code == "kubernetes-invalid"
    assert raised.value.why
