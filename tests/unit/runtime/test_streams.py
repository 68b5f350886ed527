"""What streams, buckets and durables look like."""

import pytest
from nats.js.api import AckPolicy, DiscardPolicy, RetentionPolicy, StorageType

from nautes_domain.events import Delivery, DeliveryKind, Subjects, partition
from nautes_runtime.streams import DAY, HOUR, LOCK_TTL, Consumer, deliveries, stream_configs

BY_NAME = {config.name: config for config in stream_configs("acme", replicas=3)}


def test_the_streams_and_buckets_of_a_tenant():
    assert set(BY_NAME) == {
        *(f"DELIVERIES_{n}" for n in range(4)),
        *("FACTS", "WORK", "EFFECTS", "DEAD", "ADVISORIES"),
        *("KV_desired", "KV_status", "KV_index", "KV_locks", "KV_started"),
    }


@pytest.mark.parametrize("config", BY_NAME.values(), ids=BY_NAME)
def test_everything_is_on_disk_replicated_and_kept_by_limits(config):
    # A work-queue stream forgets the ids of what was acknowledged when the server restarts.
    assert config.retention in (None, RetentionPolicy.LIMITS)
    assert config.storage is StorageType.FILE
    assert config.num_replicas == 3


@pytest.mark.parametrize("index", range(4))
def test_deliveries_are_refused_rather_than_dropped(index):
    config = BY_NAME[deliveries(index)]
    assert config.discard is DiscardPolicy.NEW
    assert config.subjects == [f"nautes.acme.delivery.{index}.>"]
    assert (config.max_age, config.duplicate_window, config.max_msg_size) == (7 * DAY, HOUR, 65_536)


@pytest.mark.parametrize("name", ["EFFECTS", "DEAD"])
def test_effects_and_dead_letters_never_vanish(name):
    assert BY_NAME[name].discard is DiscardPolicy.NEW
    assert not BY_NAME[name].max_age


def test_work_coalesces():
    config = BY_NAME["WORK"]
    assert config.max_msgs_per_subject == 1
    assert config.discard is DiscardPolicy.OLD


def test_locks_end_by_themselves_and_statuses_have_a_history():
    assert BY_NAME["KV_locks"].max_age == LOCK_TTL
    assert BY_NAME["KV_status"].max_msgs_per_subject == 10
    assert BY_NAME["KV_desired"].max_msgs_per_subject == 1


def test_a_delivery_lands_in_the_stream_of_its_partition(at):
    for project_id in range(1, 50):
        delivery = Delivery(
            id="1", hook="h", kind=DeliveryKind.PUSH, event="Push Hook", project_id=project_id,
            project="a/b", received_at=at,
        )  # fmt: skip
        prefix = BY_NAME[deliveries(partition(project_id))].subjects[0].removesuffix(">")
        assert Subjects("acme").delivery(delivery).startswith(prefix)


def test_a_durable_is_acknowledged_explicitly_and_given_up_after_ten_deliveries():
    config = Consumer("FACTS", "x", "nautes.acme.fact.>", ack_wait=30, max_ack_pending=4).config()
    assert config.ack_policy is AckPolicy.EXPLICIT
    assert (config.ack_wait, config.max_deliver, config.max_ack_pending) == (30, 10, 4)
    assert config.backoff is None
    assert config.deliver_subject is None
