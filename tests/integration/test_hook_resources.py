"""What hooks find beside them on a cluster: keys and authorities, written where they are asked for, kept true, taken away."""

import base64
from dataclasses import replace

import pytest

from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    SPACE_KINDS,
    HookResources,
    KubernetesClient,
    KubernetesTarget,
    PrivateKey,
    ProductSpaces,
    bootstrap_state,
)
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import HookNeeds, ReadKey, RunRequest, Space
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Budget, Ref, Verb
from nautes_domain.reconcile import reconcile
from support.argocd_cases import PATH, Keys, private_key
from support.hooks import GREEDY, placed
from support.local_cluster import clusters
from unit.adapters.test_tekton_hooks import FILE

SCOPE = "product_orchard"
CLUSTER = "build-east"
SPACE = Space("orchard", "apple-ci", CLUSTER, "apple-ci", "builder", may_run=True, entity="Runtime/apple-ci")
KEY = ReadKey("apple-api-src", PATH, 1, "SHA256:one")
URL = "ssh://git@git.example:2222/orchard/apple-api-src.git"
NEEDS = HookNeeds(
    runtime="apple-ci",
    cluster=CLUSTER,
    namespace="apple-ci",
    entity="ProjectPipelineRuntime/apple-ci",
    read_key=KEY,
    repository_url=URL,
    known_hosts="[git.example]:2222 ssh-ed25519 AAAA\n",
    authorities="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
)
KEYS = Ref(f"hook-resources/{CLUSTER}", "HookKeys", "nautes.hook-keys", "apple-ci")
TRUST = Ref(f"hook-resources/{CLUSTER}", "HookAuthorities", "nautes.authorities", "apple-ci")


async def settle(target, state, scope):
    async def record(_outcome):
        return None

    budget = Budget(everything=True)
    return await reconcile(scope, state, [target], budget=budget, record=record, clock=lambda: 0.0)


@pytest.fixture
async def admin(tmp_path):
    async with clusters(tmp_path) as start:
        yield await start(CLUSTER)


@pytest.fixture
async def client(admin):
    """The reconciler's own account on a registered cluster, where the product has its namespaces."""
    state = bootstrap_state(CLUSTER, f"cluster_{CLUSTER}")
    await settle(KubernetesTarget(admin, CLUSTER, BOOTSTRAP_KINDS), state, f"cluster_{CLUSTER}")
    token = await admin.token_request("nautes-system", "nautes-reconciler", (), 3600)
    ours = KubernetesClient.from_token(admin.server, admin.ca_pem, token.value)
    state = ProductSpaces().space_state(SCOPE, (SPACE, replace(SPACE, namespace="apple-more")))
    await settle(KubernetesTarget(ours, CLUSTER, SPACE_KINDS), state, SCOPE)
    yield ours
    await ours.close()


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def target(client, keys):
    return HookResources(client, CLUSTER, keys)


def wanted(*needs):
    return ProductSpaces().hook_state(SCOPE, needs)


async def values(client):
    secret = await client.get("Secret", "nautes.hook-keys", "apple-ci")
    return secret and {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def test_keys_and_authorities_are_where_hooks_find_them(client, target):
    report = await settle(target, wanted(NEEDS), SCOPE)
    assert (report.failure, report.written) == (None, 2)
    assert await values(client) == {
        "apple-api-src.key": private_key().value,
        "apple-api-src.url": URL,
        "known_hosts": NEEDS.known_hosts,
    }
    trust = await client.get("ConfigMap", "nautes.authorities", "apple-ci")
    assert trust["data"] == {"ca.crt": NEEDS.authorities}
    assert (await settle(target, wanted(NEEDS), SCOPE)).written == 0


async def test_no_key_is_in_plan_report_or_annotation(client, target):
    report = await settle(target, wanted(NEEDS), SCOPE)
    secret = await client.get("Secret", "nautes.hook-keys", "apple-ci")
    assert "canary" not in repr((report, wanted(NEEDS), await target.observe(SCOPE), secret["metadata"]))


async def test_runtimes_in_one_namespace_share_the_objects(client, target, keys):
    keys.at["other"] = private_key(4, "SHA256:four")
    other = replace(
        NEEDS, runtime="more", read_key=ReadKey("apple-deploy", "other", 4, "SHA256:four"), authorities=""
    )
    await settle(target, wanted(NEEDS, other), SCOPE)
    assert (await values(client)).keys() == {
        "apple-api-src.key", "apple-api-src.url", "apple-deploy.key", "apple-deploy.url", "known_hosts",
    }  # fmt: skip
    assert (await settle(target, wanted(NEEDS), SCOPE)).written == 1
    assert (await values(client)).keys() == {"apple-api-src.key", "apple-api-src.url", "known_hosts"}


async def test_they_go_when_no_hook_asks_for_them(client, target):
    await settle(target, wanted(NEEDS), SCOPE)
    report = await settle(target, wanted(replace(NEEDS, read_key=None)), SCOPE)
    assert [(one.action.verb, one.action.ref) for one in report.outcomes] == [(Verb.DELETE, KEYS)]
    assert (await settle(target, {}, SCOPE)).written == 1
    assert await client.get("ConfigMap", "nautes.authorities", "apple-ci") is None
    assert await values(client) is None


async def test_a_rotated_key_is_written_and_a_stale_plan_is_not(client, target, keys):
    await settle(target, wanted(NEEDS), SCOPE)
    keys.at[PATH] = private_key(2, "SHA256:two")
    stale = replace(NEEDS, read_key=replace(KEY, version=3, fingerprint="SHA256:three"))
    assert isinstance((await settle(target, wanted(stale), SCOPE)).failure, Retry)
    assert "canary-1" in (await values(client))["apple-api-src.key"]
    newer = replace(NEEDS, read_key=replace(KEY, version=2, fingerprint="SHA256:two"))
    assert (await settle(target, wanted(newer), SCOPE)).written == 1
    assert "canary-2" in (await values(client))["apple-api-src.key"]


async def test_without_a_key_it_waits_for_the_broker(target, keys):
    del keys.at[PATH]
    report = await settle(target, wanted(replace(NEEDS, authorities="")), SCOPE)
    assert isinstance(report.failure, Blocked)
    assert report.failure.by == f"secret/{PATH}"
    unknown = replace(NEEDS, authorities="", read_key=ReadKey("apple-api-src", ""))
    assert (await settle(target, wanted(unknown), SCOPE)).failure.by == "coderepo/orchard/apple-api-src"


async def test_without_an_address_it_says_what_to_set(target):
    failure = (await settle(target, wanted(replace(NEEDS, repository_url="")), SCOPE)).failure
    assert isinstance(failure, Rejected)
    assert failure.code == "no-ssh-address"
    assert "NAUTES_GITLAB__SSH_URL" in str(failure)


@pytest.mark.parametrize(
    ("kind", "name", "patch"),
    [
        (
            "Secret",
            "nautes.hook-keys",
            {"data": {"apple-api-src.key": base64.b64encode(b"another").decode()}},
        ),
        ("Secret", "nautes.hook-keys", {"data": {"known_hosts": base64.b64encode(b"evil").decode()}}),
        ("Secret", "nautes.hook-keys", {"data": {"more": base64.b64encode(b"x").decode()}}),
        ("Secret", "nautes.hook-keys", {"metadata": {"annotations": {"nautes.io/hook-keys": "{"}}}),
        ("ConfigMap", "nautes.authorities", {"data": {"ca.crt": "evil"}}),
        ("ConfigMap", "nautes.authorities", {"data": {"more": "evil"}}),
    ],
)
async def test_what_was_changed_by_hand_is_put_right(admin, target, kind, name, patch):
    await settle(target, wanted(NEEDS), SCOPE)
    before = (await admin.get(kind, name, "apple-ci"))["data"]
    await admin.patch_merge(kind, name, "apple-ci", patch)
    assert (await settle(target, wanted(NEEDS), SCOPE)).written == 1
    assert (await admin.get(kind, name, "apple-ci"))["data"] == before
    assert (await settle(target, wanted(NEEDS), SCOPE)).written == 0


async def test_a_key_goes_into_no_namespace_of_somebody_else(admin, target):
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "meadow"}})
    report = await settle(target, wanted(replace(NEEDS, namespace="meadow")), SCOPE)
    assert report.failure.code == "namespace-claimed"
    assert await admin.get("Secret", "nautes.hook-keys", "meadow") is None
    gone = (await settle(target, wanted(replace(NEEDS, namespace="nowhere")), SCOPE)).failure
    assert (type(gone), gone.by) == (Blocked, "namespace/nowhere")


async def test_a_secret_of_somebody_else_is_left_alone(admin, target):
    metadata = {"name": "nautes.hook-keys", "namespace": "apple-ci"}
    await admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    assert (
        await settle(target, wanted(replace(NEEDS, authorities="")), SCOPE)
    ).failure.code == "object-claimed"
    assert (await settle(target, {}, SCOPE)).written == 0
    assert "data" not in await admin.get("Secret", "nautes.hook-keys", "apple-ci")


async def test_products_do_not_see_each_other(target):
    await settle(target, wanted(NEEDS), SCOPE)
    assert set(await target.observe(SCOPE)) == {KEYS, TRUST}
    for other in ("product_orchard-2", "tenant", f"cluster_{CLUSTER}"):
        assert await target.observe(other) == {}


async def test_the_reconciler_reads_no_other_secret(admin, client):
    metadata = {"name": "theirs", "namespace": "apple-ci"}
    await admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    for attempt in (client.get("Secret", "theirs", "apple-ci"), client.list("Secret", "apple-ci")):
        with pytest.raises(Rejected) as raised:
            await attempt
        assert raised.value.code == "kubernetes-denied"


async def test_a_run_waits_for_what_its_hooks_need(client, target):
    request = RunRequest(
        "apple-ci-0123",
        "apple-ci",
        "builder",
        {"nautes.io/runtime": "apple-ci"},
        {},
        hooks=(placed("a", GREEDY),),
    )
    engine = TektonEngine(client)
    run = engine.build(request, FILE, file="ci/trunk.yaml")
    for needs in ((), (replace(NEEDS, read_key=None),)):
        await settle(target, wanted(*needs), SCOPE)
        with pytest.raises(Blocked, match="its hooks need"):
            await engine.start(request, run)
    await settle(target, wanted(NEEDS), SCOPE)
    assert await engine.start(request, run) is True


def test_a_key_shows_nothing():
    assert "canary" not in repr(PrivateKey("canary", 1, "x"))
