"""Every secret store against one contract."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from nautes_adapters.memory import MemorySecretStore
from nautes_adapters.vault import VaultSecretStore
from nautes_domain.failures import Rejected, Retry
from support.vault_cases import vault_session

_NUMBERS = itertools.count(1)


@pytest.fixture(params=["memory", "vault"])
async def store(request):
    if request.param == "memory":
        yield MemorySecretStore()
        return
    async with vault_session(request.getfixturevalue("openbao")) as session:
        yield VaultSecretStore(session)


@pytest.fixture
def path():
    return f"gitlab/repo-{next(_NUMBERS)}/default/readonly"


async def test_what_was_never_written_is_none(store, path):
    assert await store.read("git", path) is None


async def test_the_newest_version_is_read(store, path):
    before = datetime.now(UTC)
    assert await store.write("git", path, {"deploykey": "one", "id": "7"}) == 1
    assert await store.write("git", path, {"deploykey": "two"}) == 2
    found = await store.read("git", path)
    assert found is not None
    assert (dict(found.values), found.version) == ({"deploykey": "two"}, 2)
    assert abs(found.written_at - before) < timedelta(minutes=5)


async def test_a_secret_shows_no_value(store, path):
    await store.write("git", path, {"deploykey": "canary-value"})
    assert "canary-value" not in repr(await store.read("git", path))


async def test_a_write_on_top_of_another_version_is_retried(store, path):
    assert await store.write("git", path, {"a": "1"}, expected=0) == 1
    for stale in (0, 2):
        with pytest.raises(Retry) as caught:
            await store.write("git", path, {"a": "lost"}, expected=stale)
        assert caught.value.code == "version-conflict"
    assert await store.write("git", path, {"a": "2"}, expected=1) == 2
    assert (await store.read("git", path)).values["a"] == "2"


async def test_mounts_are_apart(store, path):
    await store.write("git", path, {"a": "git"})
    assert await store.read("hook", path) is None


async def test_removal_destroys_every_version_and_may_be_repeated(store, path):
    await store.write("git", path, {"a": "1"})
    await store.write("git", path, {"a": "2"})
    await store.remove("git", path)
    await store.remove("git", path)
    assert await store.read("git", path) is None
    assert await store.write("git", path, {"a": "3"}, expected=0) == 1


async def test_wrapped_values_come_out_once(store):
    token = await store.wrap({"kubeconfig": "canary", "server": "https://x"}, timedelta(minutes=1))
    assert "canary" not in token
    assert await store.unwrap(token) == {"kubeconfig": "canary", "server": "https://x"}
    with pytest.raises(Rejected) as caught:
        await store.unwrap(token)
    assert caught.value.code == "wrapping-token"


async def test_an_invented_wrapping_token_is_refused(store):
    with pytest.raises(Rejected) as caught:
        await store.unwrap("s.never-issued")
    assert caught.value.code == "wrapping-token"
