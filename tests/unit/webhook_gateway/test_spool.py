"""The spool: ordered, bounded, whole files only, and found again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Rejected, Retry
from nautes_webhook_gateway.spool import Spool, SpoolLimits


def delivery(number: int, project_id: int = 15) -> Delivery:
    return Delivery(
        id=f"id-{number}",
        hook="orchard.api",
        kind=DeliveryKind.PUSH,
        event="Push Hook",
        project_id=project_id,
        project="orchard/api",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool", SpoolLimits()) as opened:
        yield opened


def ids(spool: Spool) -> list[str]:
    found = [spool.read(entry) for entry in spool.waiting()]
    return [one.id for one in found if one is not None]


def test_order_and_projects(spool: Spool) -> None:
    for number in range(12):
        spool.append(delivery(number, 10 + number % 2))
    assert ids(spool) == [f"id-{number}" for number in range(12)]
    for entry in spool.waiting():
        if entry.project_id == 10:
            spool.remove(entry)
    assert 10 not in spool
    assert 11 in spool
    assert len(spool) == 6


def test_what_was_appended_is_found_by_the_next_process(tmp_path: Path) -> None:
    with Spool(tmp_path, SpoolLimits()) as before:
        for number in range(3):
            before.append(delivery(number))
        before.remove(before.waiting()[0])
    (tmp_path / "00000000000000000009-15.part").write_bytes(b'{"id"')
    with Spool(tmp_path, SpoolLimits()) as after:
        assert ids(after) == ["id-1", "id-2"]
        assert 15 in after
        after.append(delivery(3))
        assert ids(after)[-1] == "id-3"
    assert not list(tmp_path.glob("*.part"))


def test_bounds(tmp_path: Path) -> None:
    with Spool(tmp_path / "count", SpoolLimits(deliveries=2)) as spool:
        spool.append(delivery(0))
        spool.append(delivery(1))
        assert spool.is_full
        with pytest.raises(Retry) as caught:
            spool.append(delivery(2))
        assert caught.value.code == "spool-full"
        spool.remove(spool.waiting()[0])
        spool.append(delivery(3))
        assert ids(spool) == ["id-1", "id-3"]
    size = len(delivery(0).model_dump_json())
    with Spool(tmp_path / "size", SpoolLimits(size=size * 2 - 1)) as spool:
        spool.append(delivery(0))
        with pytest.raises(Retry):
            spool.append(delivery(1))
        assert len(spool) == 1


def test_one_process_owns_a_folder(tmp_path: Path) -> None:
    with Spool(tmp_path, SpoolLimits()), pytest.raises(Rejected) as caught:
        Spool(tmp_path, SpoolLimits())
    assert caught.value.code == "spool-in-use"
    Spool(tmp_path, SpoolLimits()).close()


def test_a_damaged_file_is_set_aside_and_its_number_never_used_again(tmp_path: Path) -> None:
    with Spool(tmp_path, SpoolLimits()) as spool:
        spool.append(delivery(0))
        spool.append(delivery(1))
        first, second = sorted(tmp_path.glob("*.json"))
        second.write_bytes(b"{")
        assert ids(spool) == ["id-0"]
        assert len(spool) == 1
        assert second.with_suffix(".bad").exists()
        spool.remove(spool.waiting()[0])
        assert not first.exists()
    with Spool(tmp_path, SpoolLimits()) as again:
        again.append(delivery(2))
        assert again.waiting()[0].number == 3


def test_a_folder_that_vanished_is_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with Spool(folder, SpoolLimits()) as spool:
        (folder / ".claim").unlink()
        folder.rmdir()
        with pytest.raises(Retry) as caught:
            spool.append(delivery(0))
    assert caught.value.code == "spool-unwritable"
    assert len(spool) == 0
