"""What the environment says, and secrets from files."""

import pytest
from pydantic import ValidationError

from nautes_domain.failures import Rejected
from nautes_runtime.settings import ServiceSettings, read_secret


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
