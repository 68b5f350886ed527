"""Secrets age, overlap, and settle; nothing invalid survives a rotation."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from nautes_secret_broker import rotation
from nautes_secret_broker.rotation import Ages

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AGES = Ages(timedelta(days=90), timedelta(days=1))
DAY = timedelta(days=1)
NEW = rotation.fresh(7, b"n" * 32, b"N" * 32)
OLD = rotation.fresh(7, b"o" * 32, b"O" * 32)


def test_fresh_secrets_have_the_form_that_gateway_and_code_host_expect():
    token = NEW["token"]
    assert base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) == b"n" * 32
    assert NEW["signing_token"].startswith("whsec_")
    assert base64.b64decode(NEW["signing_token"].removeprefix("whsec_"), validate=True) == b"N" * 32
    assert NEW["project_id"] == "7"
    assert (NEW["previous_token"], NEW["previous_signing_token"]) == ("", "")


@pytest.mark.parametrize(
    ("values", "age", "expected"),
    [
        (NEW, timedelta(0), "current"),
        (NEW, 90 * DAY, "current"),
        (NEW, 90 * DAY + timedelta(seconds=1), "expired"),
        (rotation.replaced(OLD, NEW), timedelta(hours=23), "current"),
        (rotation.replaced(OLD, NEW), timedelta(hours=25), "overlapping"),
        (rotation.replaced(OLD, NEW), 91 * DAY, "expired"),
        ({**NEW, "signing_token": ""}, timedelta(0), "incomplete"),
        ({}, timedelta(0), "incomplete"),
    ],
)
def test_what_has_to_be_done_depends_on_age_and_content(values, age, expected):
    assert rotation.state(values, NOW - age, NOW, AGES) == expected


def test_a_secret_whose_age_is_unknown_is_kept():
    assert rotation.state(NEW, None, NOW, AGES) == "current"


def test_an_expired_secret_stays_valid_beside_its_successor():
    after = rotation.successor(OLD, "expired", NEW)
    assert after["token"] == NEW["token"]
    assert after["signing_token"] == NEW["signing_token"]
    assert after["previous_token"] == OLD["token"]
    assert after["previous_signing_token"] == OLD["signing_token"]


def test_when_the_overlap_ends_only_what_came_before_goes():
    after = rotation.successor(rotation.replaced(OLD, NEW), "overlapping", rotation.fresh(7, b"x", b"x"))
    assert after == NEW


def test_a_secret_of_another_project_gets_no_overlap():
    other = {**OLD, "project_id": "8"}
    assert rotation.successor(other, "expired", NEW) == NEW
    assert rotation.successor(other, "current", NEW) == NEW


def test_a_secret_that_protects_nothing_gets_no_overlap():
    assert rotation.successor({**OLD, "token": ""}, "incomplete", NEW) == NEW
