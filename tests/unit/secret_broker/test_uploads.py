"""A kubeconfig that was sent is opened once and stored, never over one that was sent later, and not lost by a short outage."""

from datetime import UTC, datetime, timedelta

import pytest

from nautes_adapters.memory import MemorySecretStore
from nautes_domain import names
from nautes_domain.failures import Rejected, Retry
from nautes_domain.plan import Budget
from nautes_domain.reconcile import reconcile
from nautes_secret_broker.facts import Upload
from nautes_secret_broker.uploads import UploadedKubeconfig, upload_state

SENT = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = ("cluster", names.cluster_admin_path("east"))


async def offered(store, text, at=SENT):
    wrapped = await store.wrap({"kubeconfig": text}, timedelta(minutes=10))
    return Upload(cluster="east", wrapped=wrapped, offered_at=at)


async def take(store, upload, opened):
    effects = []

    async def record(outcome):
        effects.append(outcome)

    report = await reconcile(
        "cluster_east",
        upload_state("east", upload.offered_at),
        (UploadedKubeconfig(store, upload, opened),),
        budget=Budget(),
        record=record,
        clock=lambda: 0.0,
    )
    assert "secret" not in repr(effects)
    return report


async def stored(store):
    return (await store.read(*PLACE)).values["kubeconfig"]


async def test_it_is_stored_and_a_second_time_found_there():
    store, opened = MemorySecretStore(), {}
    upload = await offered(store, "secret-1")
    assert (await take(store, upload, opened)).written == 1
    assert await stored(store) == "secret-1"
    again = await take(store, upload, opened)
    assert (again.failure, again.written, opened) == (None, 0, {})


async def test_the_one_that_was_sent_later_counts_in_whichever_order_they_come():
    store, opened = MemorySecretStore(), {}
    first, later = (
        await offered(store, "secret-1"),
        await offered(store, "secret-2", SENT + timedelta(seconds=1)),
    )
    for upload, expected in ((later, "secret-2"), (first, "secret-2")):
        assert (await take(store, upload, opened)).failure is None
        assert await stored(store) == expected


async def test_it_takes_the_place_of_one_that_was_stored_by_hand():
    store = MemorySecretStore()
    await store.write(*PLACE, {"kubeconfig": "secret-0"})
    await take(store, await offered(store, "secret-1"), {})
    assert await stored(store) == "secret-1"


async def test_what_cannot_be_stored_yet_is_kept_until_it_can():
    class Away(MemorySecretStore):
        away = True

        async def write(self, mount, path, values, *, expected=None):
            if self.away:
                raise Retry("the store is away")
            return await super().write(mount, path, values, expected=expected)

    store, opened = Away(), {}
    upload = await offered(store, "secret-1")
    assert isinstance((await take(store, upload, opened)).failure, Retry)
    store.away = False
    assert (await take(store, upload, opened)).written == 1
    assert (await stored(store), opened) == ("secret-1", {})


@pytest.mark.parametrize("values", [None, {}, {"other": "secret"}])
async def test_what_cannot_be_opened_or_holds_nothing_is_refused(values):
    store = MemorySecretStore()
    wrapped = "used" if values is None else await store.wrap(values, timedelta(minutes=1))
    report = await take(store, Upload(cluster="east", wrapped=wrapped, offered_at=SENT), {})
    assert isinstance(report.failure, Rejected)
    assert await store.read(*PLACE) is None
