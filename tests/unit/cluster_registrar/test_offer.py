"""Tokens are minted when they are due and not before."""

from datetime import UTC, datetime, timedelta

import pytest

from nautes_cluster_registrar.offer import due, next_version, offer_ref, offer_state
from nautes_cluster_registrar.records import ClusterRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVER = "https://east.example:6443"
HOUR = timedelta(hours=1)


def record(**more):
    values = {
        "cluster": "build-east",
        "server": SERVER,
        "ca_digest": "c0ffee",
        "version": 100,
        "issued_at": NOW - 6 * HOUR,
        "expires_at": NOW + 18 * HOUR,
    }
    return ClusterRecord(**{**values, **more})


def test_fresh_tokens_are_left_alone():
    assert due(record(), NOW, SERVER, "c0ffee") == ""


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (None, "no credentials"),
        (record(removed=True), "no credentials"),
        (record(void=True), "could not be taken in"),
        (record(server="https://west.example:6443"), "address"),
        (record(ca_digest="other"), "authority"),
        (record(issued_at=NOW - 13 * HOUR, expires_at=NOW + 11 * HOUR), "half"),
        (record(issued_at=NOW - 25 * HOUR, expires_at=NOW - HOUR), "half"),
    ],
)
def test_a_new_offer_is_due(known, word):
    assert word in due(known, NOW, SERVER, "c0ffee")


def test_exactly_half_of_the_life_is_still_enough():
    half = record(issued_at=NOW - 12 * HOUR, expires_at=NOW + 12 * HOUR)
    assert due(half, NOW, SERVER, "c0ffee") == ""


def test_versions_grow_with_time_and_over_the_loss_of_the_record():
    first = next_version(None, NOW)
    assert next_version(None, NOW + HOUR) > first
    assert next_version(record(version=first), NOW) == first + 1
    assert next_version(record(version=first), NOW - HOUR) == first + 1


def test_an_offer_shows_its_version_only():
    assert {ref: wanted.spec for ref, wanted in offer_state("build-east", 5, "").items()} == {
        offer_ref("build-east"): {"version": 5}
    }
