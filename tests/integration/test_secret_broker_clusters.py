"""An offer becomes stored credentials and a login; it is opened once, and nothing of it is ever seen."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from nautes_adapters.vault import VaultSecretStore, VaultSession
from nautes_runtime import reading
from support.examples import changed
from support.nats import start_nats
from support.openbao import start_openbao
from support.service_processes import (
    TENANT,
    bao,
    desk,
    eventually,
    read_secret,
    service,
    tenant_files,
    vault_settings,
    write_secret,
)

BROKER = "secret-broker"
SCOPE = "cluster_build-east"
ACCOUNTS = ("nautes-reconciler", "nautes-deployer", "nautes-token-reviewer")
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
OFFERED = {
    "server": "https://build-east.clusters.example:6443",
    "ca": CA,
    "reconciler_token": "canary-reconciler-77",
    "reviewer_token": "canary-reviewer-77",
    "deployer_token": "canary-deployer-77",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broker")
    with start_nats(folder) as nats, start_openbao(folder) as openbao:
        token = folder / "gitlab-token"
        token.write_text("glpat-unused\n")
        environment = {
            **vault_settings(openbao, folder, BROKER),
            # No code host is needed for clusters; nobody listens there.
            "NAUTES_GITLAB__URL": "http://127.0.0.1:9",
            "NAUTES_GITLAB__TOKEN_FILE": str(token),
        }
        broker = service(folder, "nautes_secret_broker", nats, environment)
        try:
            yield nats, openbao, broker
        finally:
            assert broker.stop() == 0


async def offer(place, openbao, version, values=None):
    session = VaultSession.with_token(openbao.address, openbao.root_token)
    wrapped = await VaultSecretStore(session).wrap(values or OFFERED, timedelta(minutes=10))
    await session.close()
    return await place.fact(
        "cluster", "offered", SCOPE, "build-east", cluster="build-east", version=version, wrapped=wrapped
    )


async def done(place, cause):
    status = await place.answered(BROKER, SCOPE, cause)
    assert status.result == "done", status.message
    return status


async def test_an_offer_becomes_credentials_and_a_login(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files())
        cause = await offer(place, openbao, 100)
        await done(place, cause)

        for account, field in zip(ACCOUNTS, ("reconciler", "deployer", "reviewer"), strict=True):
            values, _ = read_secret(openbao, "cluster", f"kubernetes/build-east/{account}")
            expected = {"server": OFFERED["server"], "ca": CA, "token": OFFERED[f"{field}_token"]}
            assert values == {**expected, "offer": "100"}
        config = bao(openbao, "GET", "auth/build-east/config")
        assert config["kubernetes_host"] == OFFERED["server"]
        assert config["kubernetes_ca_cert"] == CA
        issued = [fact for fact in await place.facts("secret", "issued") if fact.scope == SCOPE]
        assert {fact.data["path"] for fact in issued} == {f"kubernetes/build-east/{a}" for a in ACCOUNTS}
        effects = await place.effects(cause)
        assert [effect.result for effect in effects] == ["done"] * 4
        assert {effect.system for effect in effects} == {"vault-clusters", "vault"}

        again = await place.settled(BROKER, SCOPE)
        assert (again.written, again.unchanged) == (0, 1)
        assert await place.effects(again.cause) == []


async def test_a_redelivered_offer_is_done_already(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files())
        first = await offer(place, openbao, 200)
        await done(place, first)
        told = next(fact for fact in await place.facts("cluster", "offered") if fact.cause == first)
        before = read_secret(openbao, "cluster", "kubernetes/build-east/nautes-reconciler")

        again = await place.fact("cluster", "offered", SCOPE, "build-east", **told.data)
        await done(place, again)

        assert read_secret(openbao, "cluster", "kubernetes/build-east/nautes-reconciler") == before
        assert await place.effects(again) == []
        assert not [fact for fact in await place.facts("cluster", "requested") if fact.cause == again]


async def test_an_older_offer_never_replaces_a_newer_one(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files())
        await done(place, await offer(place, openbao, 400))
        before = read_secret(openbao, "cluster", "kubernetes/build-east/nautes-deployer")
        old = {**OFFERED, "deployer_token": "outdated"}
        await done(place, await offer(place, openbao, 399, old))
        assert read_secret(openbao, "cluster", "kubernetes/build-east/nautes-deployer") == before


async def test_an_offer_that_somebody_else_opened_is_asked_for_again(servers):
    nats, _, _ = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files())
        cause = await place.fact(
            "cluster", "offered", SCOPE, "build-east", cluster="build-east", version=10**10, wrapped="s.used"
        )

        async def asked():
            return [fact for fact in await place.facts("cluster", "requested") if fact.cause == cause]

        (fact,) = await eventually(asked, "another offer to be asked for")
        assert fact.data == {"cluster": "build-east", "version": 10**10}
        effects = await place.effects(cause)
        assert {effect.code for effect in effects} == {"wrapping-token"}, effects


async def test_a_cluster_that_is_no_longer_declared_loses_login_and_credentials(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files())
        await done(place, await offer(place, openbao, 10**9))
        write_secret(openbao, "cluster", "kubernetes/build-east/default/admin", {"kubeconfig": "x"})
        await place.declare("tenant", tenant_files(without=["build-east"]))

        cause = await place.fact("cluster", "deregistered", SCOPE, "build-east")

        gone = await place.removed(BROKER, SCOPE, cause)
        assert [(one.verb, one.result) for one in gone] == [("delete", "done")] * 5
        assert "build-east/" not in bao(openbao, "GET", "sys/auth")
        for account in (*ACCOUNTS, "default/admin"):
            assert read_secret(openbao, "cluster", f"kubernetes/build-east/{account}") is None


async def test_an_offer_of_a_cluster_that_was_given_up_is_not_taken(servers):
    nats, openbao, broker = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files(without=["build-east"]))
        await offer(place, openbao, 10**9 + 1)

        async def said():
            return "an offer of a cluster that is not declared" in broker.log

        await eventually(said, "the offer to be refused")
        assert read_secret(openbao, "cluster", "kubernetes/build-east/nautes-reconciler") is None


async def send(place, openbao, text, cluster="build-east"):
    """Offer a kubeconfig as the API server does, with rights of its own."""
    session = VaultSession.with_token(openbao.address, openbao.root_token)
    wrapped = await VaultSecretStore(session).wrap({"kubeconfig": text}, timedelta(minutes=10))
    await session.close()
    data = {"cluster": cluster, "wrapped": wrapped, "offered_at": datetime.now(UTC).isoformat()}
    return await place.fact("kubeconfig", "offered", f"cluster_{cluster}", cluster, **data)


async def told(place, cause):
    async def found():
        return [one for one in await place.facts("kubeconfig", "stored") if one.cause == cause]

    (fact,) = await eventually(found, "the kubeconfig to be stored")
    return fact


async def test_a_kubeconfig_that_was_sent_is_stored_for_the_registrar_and_told(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        cause = await send(place, openbao, "canary-sent-77", "new-east")
        fact = await told(place, cause)
        assert (fact.scope, fact.data) == ("cluster_new-east", {})
        values, version = read_secret(openbao, "cluster", "kubernetes/new-east/default/admin")
        assert (values["kubeconfig"], version) == ("canary-sent-77", 1)
        (effect,) = await place.effects(cause)
        assert (effect.verb, effect.result, effect.entity) == ("create", "done", "Cluster/new-east")
        assert effect.object == "vault-clusters Kubeconfig new-east/admin"

        offer = next(one for one in await place.facts("kubeconfig", "offered") if one.cause == cause)
        again = await place.fact("kubeconfig", "offered", offer.scope, "new-east", **offer.data)
        await told(place, again)
        assert await place.effects(again) == []
        assert read_secret(openbao, "cluster", "kubernetes/new-east/default/admin") == (values, 1)


async def test_a_kubeconfig_that_nobody_can_open_any_more_is_put_aside_with_the_next_step(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        data = {"cluster": "lost-east", "wrapped": "s.used", "offered_at": datetime.now(UTC).isoformat()}
        await place.fact("kubeconfig", "offered", "cluster_lost-east", "lost-east", **data)

        async def aside():
            return [one async for one in reading.dead(place.js, TENANT) if b"lost-east" in one.data]

        (dead,) = await eventually(aside, "a dead letter")
        assert "nautes apply -f" in dead.reason
        assert read_secret(openbao, "cluster", "kubernetes/lost-east/default/admin") is None


async def test_a_code_host_that_is_away_holds_up_keys_but_no_rights(servers):
    nats, openbao, _ = servers
    async with desk(nats) as place:
        await place.declare("tenant", tenant_files())
        await place.declare("product_orchard", changed())
        await place.index((10, "orchard", "apple-api-src"), (12, "orchard", "apple-deploy"))
        await done(place, await offer(place, openbao, 3 * 10**9))

        status = await place.settled(BROKER, "product_orchard")

        assert (status.result, status.code) == ("retry", "gitlab-unavailable")
        policy = bao(openbao, "GET", "sys/policies/acl/nautes.orchard.pipeline.apple-ci")["policy"]
        paths = json.loads(policy)["path"]
        assert paths == {"git/data/gitlab/repo-10/default/readonly": {"capabilities": ["read"]}}
        role = bao(openbao, "GET", "auth/build-east/role/orchard.apple-builder")
        assert role["bound_service_account_namespaces"] == ["apple-ci"]
        assert read_secret(openbao, "hook", "gitlab/orchard.apple-api-src") is not None


async def test_no_value_was_ever_seen(servers):
    """Runs last: everything that the tests above did lies in streams and log."""
    nats, _, broker = servers
    async with desk(nats) as place:
        stored = await place.everything()
        assert b"cluster_build-east" in stored
        assert len(broker.log) > 1000
        for canary in (b"canary-", base64.b64encode(b"canary-")[:8]):
            assert canary not in stored
            assert canary.decode() not in broker.log
        assert not re.search(r"hvs\.|s\.[A-Za-z0-9]{20}", broker.log)
