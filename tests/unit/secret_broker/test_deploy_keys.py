"""Keys can be made again from what is stored, and a key counts only when both halves agree."""

from types import SimpleNamespace

import pytest

from nautes_domain.capabilities import StoredSecret
from nautes_secret_broker import deploy_keys
from nautes_secret_broker.deploy_keys import TITLE, seen

PAIR = deploy_keys.generate()
STORED = StoredSecret({"deploykey": PAIR.private, "fingerprint": PAIR.fingerprint, "id": "5"}, 1)
GOOD = {"project_id": 7, "stored": True, "on_code_host": True, "alone": True}


def hosted(**more):
    values = {"id": 5, "title": TITLE, "public_key": f"{PAIR.public} somebody@host", "can_push": False}
    return SimpleNamespace(**{**values, **more})


def test_a_pair_is_restored_from_its_private_half():
    again = deploy_keys.restored(PAIR.private)
    assert again is not None
    assert again == PAIR
    assert PAIR.public.startswith("ssh-ed25519 ")
    assert PAIR.private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "OPENSSH" not in repr(PAIR)


def test_two_pairs_differ():
    assert deploy_keys.generate().public != PAIR.public


@pytest.mark.parametrize(
    "text", ["", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_not_restored(text):
    assert deploy_keys.restored(text) is None


def test_the_fingerprint_is_that_of_ssh_keygen():
    known = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github"
    assert deploy_keys.fingerprint(known) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert deploy_keys.fingerprint("no key") == ""


def test_a_key_in_both_places_is_as_declared():
    assert seen(7, STORED, [hosted()]) == GOOD


@pytest.mark.parametrize(
    ("stored", "keys", "differs"),
    [
        (None, [hosted()], {"stored": False, "on_code_host": False}),
        (STORED, [], {"on_code_host": False, "alone": False}),
        (STORED, [hosted(can_push=True)], {"on_code_host": False}),
        (STORED, [hosted(id=6)], {"on_code_host": False}),
        (STORED, [hosted(public_key=deploy_keys.generate().public)], {"on_code_host": False}),
        (STORED, [hosted(), hosted(id=6)], {"alone": False}),
        (StoredSecret({"fingerprint": PAIR.fingerprint, "id": "5"}, 1), [hosted()], {"stored": False}),
    ],
)
def test_a_key_that_is_not_wholly_there_differs(stored, keys, differs):
    assert seen(7, stored, keys) == {**GOOD, **differs}
