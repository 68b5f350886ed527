"""What the environment says, and secrets from files."""

import pytest
from pydantic import ValidationError

from nautes_domain.failures import Rejected
from nautes_runtime.settings import GitLabSettings, NatsSettings, ServiceSettings, VaultSettings, read_secret


def environment(tmp_path, *lines):
    (tmp_path / "env").write_text("\n".join(lines))
    return tmp_path / "env"


def test_nested_names(tmp_path):
    env = environment(
        tmp_path,
        "NAUTES_TENANT=acme",
        "NAUTES_NATS__URL=nats://bus:4222",
        "NAUTES_NATS__PASSWORD_FILE=/run/secrets/nats",
        "NAUTES_HEALTH__PORT=8080",
    )
    settings = ServiceSettings(_env_file=env)
    assert (settings.tenant, settings.nats.url, settings.health.port) == ("acme", "nats://bus:4222", 8080)
    assert str(settings.nats.password_file) == "/run/secrets/nats"


def test_a_tenant_must_be_a_name():
    with pytest.raises(ValidationError):
        ServiceSettings(tenant="Acme.*")


def test_a_misspelt_setting_stops_the_service(tmp_path):
    env = environment(tmp_path, "NAUTES_TENANT=acme", "NAUTES_NATS__PASWORD_FILE=/x")
    with pytest.raises(ValidationError):
        ServiceSettings(_env_file=env)


def test_a_secret_loses_its_newline_and_is_not_shown(tmp_path):
    (tmp_path / "s").write_text("hunter2\n")
    secret = read_secret(tmp_path / "s")
    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r}"


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n", b"\xff\xfe", b"x" * 70_000])
def test_a_secret_that_is_none_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(Rejected) as refused:
        read_secret(tmp_path / "s")
    assert refused.value.code == "secret-file"
    assert "xxx" not in str(refused.value)


def test_a_missing_secret_is_refused(tmp_path):
    with pytest.raises(Rejected, match="No such file"):
        read_secret(tmp_path / "absent")
    with pytest.raises(Rejected):
        read_secret(tmp_path)


def test_an_app_role_logs_in_with_the_secret_id_that_is_there_now(tmp_path):
    (tmp_path / "id").write_text("first\n")
    settings = VaultSettings(address="https://vault", role_id="r", secret_id_file=tmp_path / "id")
    login = settings.login()
    assert login() == ("auth/approle/login", {"role_id": "r", "secret_id": "first"})
    (tmp_path / "id").write_text("second\n")
    assert login()[1]["secret_id"] == "second"


def test_a_pod_logs_in_with_the_token_that_is_there_now(tmp_path):
    (tmp_path / "token").write_text("first")
    account = {"role": "reconciler", "token_file": tmp_path / "token"}
    login = VaultSettings(address="https://vault", kubernetes=account).login()
    assert login() == ("auth/nautes.services/login", {"role": "reconciler", "jwt": "first"})
    (tmp_path / "token").write_text("second")
    assert login()[1]["jwt"] == "second"


def test_a_login_without_its_secret_is_refused_before_anything_is_taken(tmp_path):
    account = {"role": "reconciler", "token_file": tmp_path / "absent"}
    with pytest.raises(Rejected, match="No such file"):
        VaultSettings(address="https://vault", kubernetes=account).login()


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"role_id": "r"},
        {"secret_id_file": "/x"},
        {"role_id": "r", "secret_id_file": "/x", "kubernetes": {"role": "reconciler"}},
    ],
)
def test_there_is_exactly_one_identity_in_the_secret_store(identity):
    with pytest.raises(ValidationError, match="not both"):
        VaultSettings(address="https://vault", **identity)


def test_certificates_are_always_checked(tmp_path):
    identity = {"kubernetes": {"role": "reconciler"}}
    assert VaultSettings(address="https://vault", **identity).verify is True
    file = tmp_path / "ca.pem"
    assert VaultSettings(address="https://vault", ca_file=file, **identity).verify == str(file)


@pytest.mark.parametrize(
    ("said", "encrypted"),
    [
        ({}, False),
        ({"url": "nats://bus:4222"}, False),
        ({"url": "tls://bus:4222"}, True),
        ({"ca_file": "/ca.pem"}, True),
    ],
)
def test_the_bus_is_encrypted_when_either_setting_says_so(said, encrypted):
    assert NatsSettings(**said).encrypted is encrypted


@pytest.mark.parametrize("replicas", [0, 6])
def test_jetstream_keeps_one_to_five_copies(replicas):
    with pytest.raises(ValidationError):
        NatsSettings(replicas=replicas)


@pytest.mark.parametrize(
    "url", ["", "ssh://git@127.0.0.1:2222", "ssh://git@gitlab.example", "ssh://forgejo@git-1.example:22"]
)
def test_an_ssh_address_is_user_host_and_port(url):
    assert GitLabSettings(url="https://g", token_file="t", ssh_url=url).ssh_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.example",
        "git@gitlab.example",
        "ssh://gitlab.example",
        "ssh://git:word@gitlab.example",
        "ssh://git@gitlab.example/",
        "ssh://git@gitlab.example/group",
        "ssh://git@gitlab.example:0",
        "ssh://git@*.example",
        "ssh://git@[::1]:22",
        "ssh://git@gitlab.example\n",
        "ssh://git@-oProxyCommand=id",
    ],
)
def test_everything_else_is_refused_with_what_to_write(url):
    with pytest.raises(ValidationError, match="ssh://git@host:port"):
        GitLabSettings(url="https://g", token_file="t", ssh_url=url)
