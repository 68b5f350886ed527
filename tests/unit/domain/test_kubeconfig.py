import base64
import copy
from dataclasses import replace

import pytest
import yaml

from nautes_domain.failures import Rejected
from nautes_domain.kubeconfig import checked_server, closed_kubeconfig, parse_kubeconfig

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n"
TOKEN = "canary-token-4711"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def config():
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": "here",
        "clusters": [
            {"name": "other", "cluster": {"server": "https://other.example:6443"}},
            {
                "name": "build-east",
                "cluster": {
                    "server": "https://build-east.example:6443/",
                    "certificate-authority-data": encoded(CA),
                },
            },
        ],
        "contexts": [{"name": "here", "context": {"cluster": "build-east", "user": "admin"}}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
    }


def parsed(value):
    return parse_kubeconfig(yaml.safe_dump(value))


def refusal(value):
    with pytest.raises(Rejected) as raised:
        parsed(value)
    assert raised.value.code == "kubeconfig"
    return raised.value


def test_the_current_context_gives_server_ca_and_token():
    found = parsed(config())
    assert found.server == "https://build-east.example:6443"
    assert found.ca_pem == CA
    assert found.token == TOKEN
    assert TOKEN not in repr(found)


def test_an_inline_client_certificate_is_accepted_instead_of_a_token():
    value = config()
    value["users"][0]["user"] = {
        "client-certificate-data": encoded(CA),
        "client-key-data": encoded(KEY),
    }
    found = parsed(value)
    assert (found.certificate_pem, found.key_pem, found.token) == (CA, KEY, "")
    assert "PRIVATE" not in repr(found)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("users", "exec", {"command": "sh", "apiVersion": "client.authentication.k8s.io/v1"}),
        ("users", "auth-provider", {"name": "gcp"}),
        ("users", "client-certificate", "/etc/ssl/client.pem"),
        ("users", "client-key", "/etc/ssl/client.key"),
        ("users", "tokenFile", "/var/run/secrets/token"),
        ("users", "username", "root"),
        ("users", "password", "canary-password"),
        ("users", "as", "system:admin"),
        ("users", "as-groups", ["system:masters"]),
        ("users", "invented", "x"),
        ("clusters", "certificate-authority", "/etc/ssl/ca.pem"),
        ("clusters", "proxy-url", "http://proxy.example"),
        ("clusters", "insecure-skip-tls-verify", True),
        ("clusters", "insecure-skip-tls-verify", "true"),
        ("clusters", "server", "http://build-east.example:6443"),
        ("clusters", "server", "https://user:canary-password@build-east.example"),
        ("clusters", "server", "file:///etc/passwd"),
        ("clusters", "server", "https://"),
        ("clusters", "server", None),
        ("clusters", "server", 7),
    ],
)
@pytest.mark.parametrize("index", [0, -1])
def test_what_could_run_read_or_skip_is_refused_in_every_entry(place, key, value, index):
    broken = config()
    broken["users"].append({"name": "unused", "user": {"token": "x"}})
    broken[place][index][place[:-1]][key] = value
    failure = refusal(broken)
    shown = "…" if key == "invented" else key  # what stands there may be a secret
    assert any(shown in one.field for one in failure.violations)
    assert all(one.line > 0 and one.fix for one in failure.violations)
    assert "canary" not in f"{failure} {failure.violations}"


def test_all_violations_come_at_once_with_their_lines():
    broken = config()
    broken["users"][0]["user"] = {"exec": {"command": "sh"}, "tokenFile": "/x"}
    broken["clusters"][0]["cluster"]["proxy-url"] = "http://x"
    assert len(refusal(broken).violations) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: value.pop("current-context"),
        lambda value: value.update({"current-context": "nowhere"}),
        lambda value: value.update(users=[]),
        lambda value: value.update(users={}),
        lambda value: value.update(users=["admin"]),
        lambda value: value.update(plugins={}),
        lambda value: value["users"][0].update(user={}),
        lambda value: value["users"][0].update(user={"client-certificate-data": encoded(CA)}),
        lambda value: value["clusters"][1]["cluster"].update({"certificate-authority-data": "%%%"}),
        lambda value: value["clusters"][1]["cluster"].update(
            {"certificate-authority-data": encoded("hello")}
        ),
        lambda value: value["clusters"][1]["cluster"].update({"certificate-authority-data": encoded(KEY)}),
        lambda value: value["users"][0]["user"].update(token=12345),
    ],
)
def test_incomplete_or_odd_files_are_refused(spoil):
    value = copy.deepcopy(config())
    spoil(value)
    refusal(value)


@pytest.mark.parametrize("text", ["", "- a", "a: 1\n---\nb: 2", "{", "!!python/object:os.system x"])
def test_what_is_not_one_mapping_is_refused(text):
    with pytest.raises(Rejected):
        parse_kubeconfig(text)


def test_what_an_entry_lacks_comes_with_what_is_not_accepted():
    broken = config()
    broken["clusters"][1]["cluster"]["proxy-url"] = "http://x"
    broken["clusters"][1]["cluster"]["certificate-authority-data"] = "%%%"
    broken["users"][0]["user"] = {}
    fields = {one.field for one in refusal(broken).violations}
    entry = "clusters.1.cluster."
    assert fields == {f"{entry}proxy-url", f"{entry}certificate-authority-data", "users.0.user"}


def test_a_closed_kubeconfig_holds_the_current_context_alone_and_says_the_same():
    value = config()
    value["users"].append({"name": "other", "user": {"token": "canary-other"}})
    value["extensions"] = [{"name": "x", "extension": "canary-x"}]
    server = "https://declared.example:6443"
    for text in (yaml.safe_dump(value), encoded(yaml.safe_dump(value))):
        closed = closed_kubeconfig(text, server)
        assert parse_kubeconfig(closed) == replace(parsed(value), server=server)
        assert "canary-other" not in closed
        assert "canary-x" not in closed
    value["users"][0]["user"] = {"client-certificate-data": encoded(CA), "client-key-data": encoded(KEY)}
    assert parse_kubeconfig(closed_kubeconfig(yaml.safe_dump(value), server)).key_pem == KEY


def test_a_server_keeps_its_path_and_loses_its_trailing_slash():
    assert (
        checked_server("https://rancher.example/k8s/clusters/c-1/")
        == "https://rancher.example/k8s/clusters/c-1"
    )
