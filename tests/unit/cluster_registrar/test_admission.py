"""A kubeconfig serves only the cluster that was declared."""

import pytest

from nautes_cluster_registrar.admission import address, check_server, missing_kubeconfig
from nautes_domain.failures import Rejected


@pytest.mark.parametrize(
    ("declared", "uploaded"),
    [
        ("https://east.example:6443", "https://east.example:6443"),
        ("https://east.example:6443/", "https://EAST.example:6443"),
        ("https://east.example", "https://east.example:443"),
        ("https://[::1]:6443", "https://[::1]:6443/"),
    ],
)
def test_the_same_host_and_port_is_the_same_cluster(declared, uploaded):
    check_server("east", declared, uploaded)


@pytest.mark.parametrize(
    ("declared", "uploaded"),
    [
        ("https://east.example:6443", "https://west.example:6443"),
        ("https://east.example:6443", "https://east.example:6444"),
        ("https://east.example:6443", "https://east.example"),
        ("https://east.example:6443", "https://east.example.evil:6443"),
        ("https://east.example:6443", "https://"),
        ("https://east.example:6443", "https://east.example:99999"),
    ],
)
def test_another_server_is_refused_with_both_addresses(declared, uploaded):
    with pytest.raises(Rejected) as refused:
        check_server("east", declared, uploaded)
    assert declared in refused.value.why
    assert uploaded in refused.value.why
    assert refused.value.code == "kubeconfig-server"


def test_an_address_without_host_is_none():
    with pytest.raises(ValueError, match="host"):
        address("https://")


def test_a_missing_kubeconfig_says_where_to_put_it():
    blocked = missing_kubeconfig("build-east")
    assert blocked.by == "kubeconfig/build-east"
    assert "cluster/kubernetes/build-east/default/admin" in str(blocked)
