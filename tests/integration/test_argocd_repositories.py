"""Argo CD's repository Secrets: a read key reaches exactly one place, is kept true there, and goes with its use."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nautes_adapters.argocd import ArgoDeployer, ArgoTarget, RepositorySecrets
from nautes_adapters.kubernetes import PrivateKey
from nautes_domain.capabilities import ReadKey
from nautes_domain.effects import Cause, effect_of
from nautes_domain.failures import Blocked, Retry
from nautes_domain.plan import Budget, Ref
from nautes_domain.reconcile import reconcile
from support.argocd_cases import PATH, SCOPE, STAGE, URL, Keys, prepare, private_key, read_with, wanted
from support.local_cluster import clusters

NAME = "nautes-repository.orchard.apple-deploy"
REF = Ref("argocd-repositories", "RepositorySecret", "apple-deploy", "orchard")


@pytest.fixture
async def client(tmp_path):
    async with clusters(tmp_path) as start:
        made = await start("management")
        await prepare(made)
        yield made


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def target(client, keys):
    return RepositorySecrets(client, keys)


async def settle(target, state, scope=SCOPE):
    recorded = []

    async def record(outcome):
        recorded.append(outcome)

    budget = Budget(everything=True)
    report = await reconcile(scope, state, [target], budget=budget, record=record, clock=lambda: 0.0)
    assert len(recorded) == len(report.outcomes)
    return report


async def values(client):
    secret = await client.get("Secret", NAME, "argocd")
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def test_the_secret_is_what_argo_cd_reads_and_of_the_products_project_alone(client, target):
    report = await settle(target, wanted())
    assert (report.failure, report.written) == (None, 1)
    assert await values(client) == {
        "type": "git",
        "name": "orchard/apple-deploy",
        "url": URL,
        "project": "orchard",
        "sshPrivateKey": private_key().value,
    }
    (secret,) = (
        one
        for one in await client.list("Secret", "argocd", labels="argocd.argoproj.io/secret-type=repository")
        if one["metadata"]["name"] != "theirs"
    )
    assert secret["metadata"]["name"] == NAME


async def test_no_value_is_in_plan_report_effect_or_annotation(client, target):
    report = await settle(target, wanted())
    effect = effect_of(
        report.outcomes[0],
        tenant="acme",
        service="reconciler",
        scope=SCOPE,
        cause=Cause(delivery="d"),
        at=datetime.now(UTC),
    )
    secret = await client.get("Secret", NAME, "argocd")
    said = (
        repr((report, await target.observe(SCOPE), private_key(), secret["metadata"]))
        + effect.model_dump_json()
    )
    assert "canary" not in said
    assert base64.b64encode(b"canary").decode().rstrip("=")[:6] not in said


async def test_deployments_of_one_repository_share_its_secret(target):
    other = replace(STAGE, name="apple-prod", namespaces=("apple-prod",))
    assert set(wanted(STAGE, other)) == {REF}
    await settle(target, wanted(STAGE, other))
    assert (await settle(target, wanted(other))).written == 0


@pytest.mark.parametrize(
    "patch",
    [
        {"data": {"url": base64.b64encode(b"ssh://git@evil.example/x.git").decode()}},
        {"data": {"project": base64.b64encode(b"meadow").decode()}},
        {"data": {"project": None}},
        {"data": {"sshPrivateKey": base64.b64encode(b"another").decode()}},
        {"data": {"insecure": base64.b64encode(b"true").decode()}},
        {"metadata": {"annotations": {"nautes.io/read-key-version": "7"}}},
        {"metadata": {"annotations": {"nautes.io/content": None}}},
        {"metadata": {"labels": {"argocd.argoproj.io/secret-type": "repo-creds"}}},
    ],
)
async def test_what_was_changed_by_hand_is_put_right(client, target, patch):
    await settle(target, wanted())
    before = await client.get("Secret", NAME, "argocd")
    await client.patch_merge("Secret", NAME, "argocd", patch)
    assert (await settle(target, wanted())).written == 1
    after = await client.get("Secret", NAME, "argocd")
    assert after["data"] == before["data"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert (await settle(target, wanted())).written == 0


async def test_without_a_key_it_waits_for_the_broker(client, target, keys):
    del keys.at[PATH]
    report = await settle(target, wanted(read_with(STAGE, version=0, fingerprint="")))
    assert isinstance(report.failure, Blocked)
    assert report.failure.by == f"secret/{PATH}"
    report = await settle(target, wanted(replace(STAGE, read_key=ReadKey("apple-deploy", ""))))
    assert report.failure.by == "coderepo/orchard/apple-deploy"
    assert await client.get("Secret", NAME, "argocd") is None


async def test_a_lost_index_leaves_the_key_in_place(client, target):
    await settle(target, wanted())
    before = await values(client)
    report = await settle(target, wanted(replace(STAGE, read_key=ReadKey("apple-deploy", ""))))
    assert isinstance(report.failure, Blocked)
    assert await values(client) == before


async def test_a_rotated_key_is_written_and_a_stale_plan_is_not(client, target, keys):
    await settle(target, wanted())
    keys.at[PATH] = private_key(2, "SHA256:two")
    stale = await settle(target, wanted(read_with(STAGE, version=3, fingerprint="SHA256:three")))
    assert isinstance(stale.failure, Retry)
    assert "canary-1" in (await values(client))["sshPrivateKey"]
    newer = wanted(read_with(STAGE, version=2, fingerprint="SHA256:two"))
    assert (await settle(target, newer)).written == 1
    assert "canary-2" in (await values(client))["sshPrivateKey"]
    assert (await settle(target, newer)).written == 0


async def test_a_key_that_was_destroyed_and_made_anew_has_the_same_version_and_is_written(
    client, target, keys
):
    await settle(target, wanted())
    keys.at[PATH] = PrivateKey("canary-anew", 1, "SHA256:anew")
    assert (await settle(target, wanted(read_with(STAGE, fingerprint="SHA256:anew")))).written == 1
    assert (await values(client))["sshPrivateKey"] == "canary-anew"


async def test_a_moved_code_host_is_an_update(client, target):
    await settle(target, wanted())
    moved = replace(STAGE, repository_url=URL.replace("git.example", "new.example"))
    assert (await settle(target, wanted(moved))).written == 1
    assert "new.example" in (await values(client))["url"]


async def test_it_goes_when_nothing_reads_it_any_more_and_not_before(client, target):
    argocd = ArgoTarget(client)
    state = ArgoDeployer(client, "acme").product_state("orchard", (STAGE,))
    await settle(target, state)
    await settle(argocd, state)
    report = await settle(target, {})
    assert isinstance(report.failure, Retry)
    assert "Application/orchard.apple-stage" in str(report.failure)
    await settle(argocd, {})
    assert isinstance((await settle(target, {})).failure, Retry)
    await client.patch_merge(
        "Application", "orchard.apple-stage", "argocd", {"metadata": {"finalizers": None}}
    )
    assert (await settle(target, {})).written == 1
    assert await client.get("Secret", NAME, "argocd") is None
    assert await client.get("Secret", "theirs", "argocd") is not None


async def test_a_secret_of_somebody_else_is_left_alone(client, target):
    await client.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": "argocd"}}
    )
    assert (await settle(target, wanted())).failure.code == "object-claimed"
    assert "data" not in await client.get("Secret", NAME, "argocd")


async def test_products_do_not_see_each_other(target):
    await settle(target, wanted())
    assert set(await target.observe(SCOPE)) == {REF}
    for other in ("product_orchard-2", "tenant", "cluster_run-east"):
        assert await target.observe(other) == {}
