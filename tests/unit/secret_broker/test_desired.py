"""Objects that should exist, without the value of any secret."""

import json

from nautes_domain import names
from nautes_domain.capabilities import StoredSecret
from nautes_domain.plan import Ref
from nautes_secret_broker import accounts, deploy_keys, desired, hooks
from nautes_secret_broker.repositories import Repository

REPOSITORY = Repository("orchard", "apple-api-src", 10)


def test_a_repository_needs_hook_secrets_and_a_key():
    (hook,) = desired.hook_state([REPOSITORY])
    (key,) = desired.key_state([REPOSITORY])
    assert hooks.issued(hook) == ("hook", "gitlab/orchard.apple-api-src")
    assert deploy_keys.issued(key) == ("git", "gitlab/repo-10/default/readonly")


def test_a_login_names_where_the_cluster_is_and_which_reviewer_serves():
    values = {"server": "https://east.example:6443", "ca": "CA", "token": "canary"}
    state = desired.mount_state("build-east", StoredSecret(values, 4))
    wanted = state[Ref("vault", "AuthMount", "build-east")]
    assert wanted.spec == {
        "host": "https://east.example:6443",
        "ca_digest": names.digest("CA"),
        "reviewer_version": 4,
    }
    assert "canary" not in json.dumps(wanted.spec)


def test_an_offer_brings_three_accounts_and_the_reviewer_is_stored_last():
    state = accounts.account_state("build-east", 9)
    assert max(ref.name for ref in state) == accounts.REVIEWER
    assert {wanted.spec["version"] for wanted in state.values()} == {9}
    assert len(state) == 3


def test_the_version_of_an_offer_is_remembered_as_text():
    assert accounts.stored_version({"offer": "12"}) == 12
    assert accounts.stored_version({}) == 0
    assert accounts.stored_version({"offer": "x"}) == 0
