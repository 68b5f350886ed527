"""Hook secrets of configuration repositories: made once, said again when asked, replaced when old, removed with care."""

import pytest

from support.nats import start_nats
from support.openbao import start_openbao
from support.service_processes import desk, eventually, read_secret, service, tenant_files, vault_settings

BROKER = "secret-broker"
MANAGEMENT = (1, "acme", "management")
CONFIG = (2, "orchard", "default.project")


@pytest.fixture
def started(tmp_path):
    """Start a broker with settings of its own; nobody listens where its code host should be."""
    with start_nats(tmp_path) as nats, start_openbao(tmp_path) as openbao:
        token = tmp_path / "gitlab-token"
        token.write_text("glpat-unused\n")
        environment = {
            **vault_settings(openbao, tmp_path, BROKER),
            "NAUTES_GITLAB__URL": "http://127.0.0.1:9",
            "NAUTES_GITLAB__TOKEN_FILE": str(token),
        }
        processes = []

        def start(**more):
            process = service(tmp_path, "nautes_secret_broker", nats, {**environment, **more})
            processes.append(process)
            return process

        try:
            yield nats, openbao, start
        finally:
            for process in processes:
                process.stop()


def hook(openbao, name):
    return read_secret(openbao, "hook", f"gitlab/{name}")


async def test_the_first_repository_gets_its_secrets_before_anything_is_declared(started):
    nats, openbao, start = started
    broker = start()
    async with desk(nats) as place:
        await place.index(MANAGEMENT)
        cause = await place.provisioned(*MANAGEMENT)
        status = await place.answered(BROKER, "tenant", cause)
        assert status.result == "done", status.message

        values, version = hook(openbao, "acme.management")
        assert version == 1
        assert len(values["token"]) == 43
        assert values["signing_token"].startswith("whsec_")
        assert values["project_id"] == "1"
        (fact,) = await place.facts("secret", "issued")
        path = "gitlab/acme.management"
        assert fact.data == {"mount": "hook", "path": path, "version": 1, "project_id": 1}
        assert (fact.scope, fact.cause) == ("tenant", cause)

        again = await place.provisioned(*MANAGEMENT)
        await place.answered(BROKER, "tenant", again)
        assert [one.data["version"] for one in await place.facts("secret", "issued")] == [1, 1]
        assert await place.effects(again) == []
        assert hook(openbao, "acme.management") == (values, 1)

        stored = await place.everything()
        for secret in (values["token"], values["signing_token"]):
            assert secret.encode() not in stored
            assert secret not in broker.log


async def test_what_is_declared_no_longer_loses_its_secrets_but_a_lost_index_removes_nothing(started):
    nats, openbao, start = started
    start()
    async with desk(nats) as place:
        await place.index(MANAGEMENT, CONFIG)
        await place.declare("tenant", tenant_files())
        assert (await place.settled(BROKER, "tenant")).written == 2
        await place.forget(MANAGEMENT[0], CONFIG[0])
        lost = await place.settled(BROKER, "tenant")
        assert (lost.result, lost.written, lost.unchanged) == ("done", 0, 2)
        await place.desired.delete("tenant")
        undeclared = await place.settled(BROKER, "tenant")
        assert (undeclared.result, undeclared.written, undeclared.unchanged) == ("done", 0, 2)

        await place.declare("tenant", tenant_files(without=["products/"]))
        gone = await place.settled(BROKER, "tenant")
        assert (gone.result, gone.written) == ("done", 1)
        assert hook(openbao, "orchard.default.project") is None
        assert hook(openbao, "acme.management") is not None


async def test_an_old_secret_is_replaced_and_stays_valid_for_a_while(started):
    nats, openbao, start = started
    first = start()
    async with desk(nats) as place:
        await place.index(MANAGEMENT)
        await place.declare("tenant", tenant_files(without=["products/"]))
        await place.settled(BROKER, "tenant")
        old, _ = hook(openbao, "acme.management")
        first.stop()

        # With an age of zero, whatever is stored is too old; the startup's resync looks at it.
        second = start(NAUTES_HOOK_SECRET_AGE="PT0S", NAUTES_HOOK_SECRET_OVERLAP="P1D")

        async def replaced():
            found = hook(openbao, "acme.management")
            return found if found[0]["previous_token"] else None

        new, version = await eventually(replaced, "the secret to be replaced")
        second.stop()
        assert version >= 2
        assert new["token"] != old["token"]

        start(NAUTES_HOOK_SECRET_AGE="P90D", NAUTES_HOOK_SECRET_OVERLAP="PT0S")

        async def settled():
            found = hook(openbao, "acme.management")
            return found if not found[0]["previous_token"] else None

        last, _ = await eventually(settled, "the overlap to end")
        assert last["previous_signing_token"] == ""


async def test_an_unreachable_secret_store_is_waited_for(started):
    nats, openbao, start = started
    start()
    async with desk(nats) as place:
        await place.index(MANAGEMENT)
        openbao.kill()

        async def waiting():
            status = await place.status.get(f"{BROKER}.tenant")
            return status if status and status.code == "vault-unavailable" else None

        await place.work(BROKER, "tenant")
        status = await eventually(waiting, "the broker to say that it waits")
        assert status.result == "retry"
