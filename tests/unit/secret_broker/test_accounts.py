"""An offer is opened only when something of it is missing, and older offers change nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from nautes_adapters.memory import MemorySecretStore
from nautes_domain import names
from nautes_domain.failures import Retry
from nautes_domain.plan import Budget
from nautes_domain.reconcile import reconcile
from nautes_secret_broker.accounts import (
    ACCOUNTS,
    OFFERED_AT,
    OfferedAccounts,
    RemovedAccounts,
    account_state,
    stored_version,
)

SENT = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {"server": "https://east.example:6443", "ca": "CA", **{field: field for field in ACCOUNTS.values()}}


async def record(_):
    """Keep nothing."""


async def take(store, version, opened):
    async def values():
        opened.append(version)
        return VALUES

    return await reconcile(
        "cluster_east",
        account_state("east", version),
        (OfferedAccounts(store, "east", version, values),),
        budget=Budget(),
        record=record,
        clock=lambda: 0.0,
    )


async def versions(store):
    found = {}
    for account in ACCOUNTS:
        secret = await store.read("cluster", names.cluster_account_path("east", account))
        found[account] = None if secret is None else stored_version(secret.values)
    return found


async def test_each_account_gets_its_own_token():
    store, opened = MemorySecretStore(), []
    report = await take(store, 5, opened)
    assert (report.failure, report.written) == (None, 3)
    for account, field in ACCOUNTS.items():
        secret = await store.read("cluster", names.cluster_account_path("east", account))
        expected = {"server": VALUES["server"], "ca": "CA", "token": field, "offer": "5"}
        assert dict(secret.values) == expected


@pytest.mark.parametrize("version", [5, 4])
async def test_what_is_stored_already_is_not_opened_again(version):
    store = MemorySecretStore()
    await take(store, 5, [])
    opened = []
    report = await take(store, version, opened)
    assert (report.written, opened) == (0, [])
    assert set((await versions(store)).values()) == {5}


async def test_after_a_crash_only_what_is_missing_is_stored():
    store = MemorySecretStore()
    await take(store, 5, [])
    await store.remove("cluster", names.cluster_account_path("east", "nautes-deployer"))
    opened = []
    assert (await take(store, 5, opened)).written == 1
    assert opened == [5]
    assert set((await versions(store)).values()) == {5}


async def test_a_newer_offer_replaces_all():
    store = MemorySecretStore()
    await take(store, 5, [])
    assert (await take(store, 6, [])).written == 3
    assert set((await versions(store)).values()) == {6}


async def give_up(store, told=None):
    return await reconcile(
        "cluster_east",
        {},
        (RemovedAccounts(store, "east", told),),
        budget=Budget(everything=True),
        record=record,
        clock=lambda: 0.0,
    )


async def test_a_kubeconfig_that_waits_for_its_declaration_stays():
    store = MemorySecretStore()
    await store.write("cluster", names.cluster_admin_path("east"), {"kubeconfig": "x"})
    assert (await give_up(store)).written == 0
    assert await store.read("cluster", names.cluster_admin_path("east")) is not None


@pytest.mark.parametrize("with_accounts", [False, True])
async def test_a_kubeconfig_that_was_sent_goes_with_declarations_that_are_told_later_and_stays_with_earlier_ones(
    with_accounts,
):
    store, place = MemorySecretStore(), ("cluster", names.cluster_admin_path("east"))
    if with_accounts:
        await take(store, 5, [])
    await store.write(*place, {"kubeconfig": "x", OFFERED_AT: SENT.isoformat()})
    for told in (None, SENT - timedelta(seconds=1), SENT):
        assert (await give_up(store, told)).failure is None
        assert set((await versions(store)).values()) == {None}
        assert await store.read(*place) is not None
    await give_up(store, SENT + timedelta(seconds=1))
    assert await store.read(*place) is None


async def test_the_kubeconfig_goes_before_the_accounts_so_that_an_interrupted_removal_is_known():
    class Interrupted(MemorySecretStore):
        async def remove(self, mount, path):
            if path == names.cluster_admin_path("east"):
                raise Retry("the store is away")
            await super().remove(mount, path)

    store = Interrupted()
    await take(store, 5, [])
    await store.write("cluster", names.cluster_admin_path("east"), {"kubeconfig": "x"})
    report = await give_up(store)
    assert isinstance(report.failure, Retry)
    assert set((await versions(store)).values()) == {5}


async def test_a_cluster_that_is_gone_leaves_nothing_of_it_and_everything_of_others():
    store = MemorySecretStore()
    await take(store, 5, [])
    await store.write("cluster", names.cluster_admin_path("east"), {"kubeconfig": "x"})
    await store.write("cluster", names.cluster_admin_path("west"), {"kubeconfig": "x"})
    report = await give_up(store)
    assert report.written == 4
    assert set((await versions(store)).values()) == {None}
    assert await store.read("cluster", names.cluster_admin_path("east")) is None
    assert await store.read("cluster", names.cluster_admin_path("west")) is not None
