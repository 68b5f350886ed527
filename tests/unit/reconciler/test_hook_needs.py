"""What the hooks of runtimes ask to find in their namespaces, from declarations."""

from dataclasses import replace

import pytest

from nautes_adapters.argocd import ArgoDeployer
from nautes_adapters.kubernetes import ProductSpaces
from nautes_domain.capabilities import ReadKey
from nautes_domain.catalog import read_tenant
from nautes_domain.hooks import Resource
from nautes_reconciler import desired
from nautes_reconciler.desired import Addresses
from nautes_reconciler.hook_needs import needs_of, sources
from support.examples import orchard
from support.hooks import GREEDY, PLAIN
from support.rule_cases import KNOWN, PPR, TENANT, applied, more, repository

CERTIFICATES = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
TRUSTED = "".join(f"    {line}\n" for line in CERTIFICATES.splitlines())
TRUST = (("spec:\n", f"spec:\n  certificateAuthorities: |\n{TRUSTED}"),)
TIDY = replace(PLAIN, name="tidy", resources={"copy": Resource.EMPTY})
KINDS = {"tekton": {one.name: one for one in (GREEDY, PLAIN, TIDY)}}
ADDRESSES = Addresses("https://hooks.example", "https://git.example", "ssh://git@git.example")
KEY = ReadKey("apple-api-src", "gitlab/repo-7/default/readonly", 3, "SHA256:x")


def world(hooks, tenant=(*KNOWN, *TRUST)):
    files = applied({PPR: more(f"hooks: {hooks}"), TENANT: tenant})
    text = files[PPR]
    return orchard({PPR[2:]: text}), read_tenant(repository(files, "t"))[0]


def needs(hooks, tenant=(*KNOWN, *TRUST), addresses=ADDRESSES):
    return list(needs_of(*world(hooks, tenant), KINDS, addresses, {"apple-api-src": KEY}))


def test_a_hook_gets_what_it_asks_for():
    (found,) = needs("{postHooks: [{name: greedy}]}")
    assert (found.cluster, found.namespace, found.runtime) == ("build-east", "apple-ci", "apple-ci")
    assert found.read_key == KEY
    assert found.repository_url == "ssh://git@git.example/orchard/apple-api-src.git"
    assert found.known_hosts.startswith("[git.acme.example]:2222 ssh-ed25519 ")
    assert found.authorities == CERTIFICATES


def test_what_is_optional_and_not_declared_is_left_out():
    (found,) = needs("{preHooks: [{name: greedy}]}", KNOWN)
    assert (found.read_key, found.authorities) == (KEY, "")


@pytest.mark.parametrize("hooks", ["{}", "{preHooks: [{name: plain}]}", "{preHooks: [{name: unknown}]}"])
def test_who_asks_for_nothing_gets_nothing(hooks):
    assert needs(hooks) == []
    assert list(sources(*world(hooks), KINDS)) == []


def test_an_empty_folder_is_no_object_on_the_cluster():
    catalog, tenant = world("{preHooks: [{name: tidy}]}")
    state = product_state(catalog, tenant)
    assert not [ref for ref in state if ref.system.startswith("hook-resources/")]


def product_state(catalog, tenant):
    return desired.product_state(
        catalog,
        ADDRESSES,
        {},
        spaces=ProductSpaces(),
        deployer=ArgoDeployer(None, "acme"),
        needs=needs_of(catalog, tenant, KINDS, ADDRESSES, {"apple-api-src": KEY}),
    )


def test_keys_and_authorities_are_objects_of_the_products_scope():
    state = product_state(*world("{preHooks: [{name: greedy}]}"))
    found = {
        (ref.kind, ref.scope): one for ref, one in state.items() if ref.system == "hook-resources/build-east"
    }
    assert found.keys() == {("HookKeys", "apple-ci"), ("HookAuthorities", "apple-ci")}
    assert {one.entity for one in found.values()} == {"ProjectPipelineRuntime/apple-ci"}
    (key,) = found["HookKeys", "apple-ci"].spec["keys"]
    assert (key["version"], key["fingerprint"]) == (3, "SHA256:x")
    assert list(sources(*world("{preHooks: [{name: greedy}]}"), KINDS)) == ["apple-api-src"]


def test_without_an_ssh_address_there_is_none():
    (found,) = needs("{preHooks: [{name: greedy}]}", addresses=replace(ADDRESSES, code_host_ssh=""))
    assert found.repository_url == ""
