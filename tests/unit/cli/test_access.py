"""Contexts and tokens: where a token may go, who may read it, and that nothing shows it."""

import json
import stat

import pytest
from typer.testing import CliRunner

from nautes_cli.__main__ import app
from nautes_cli.access import Access, connect
from nautes_cli.config import Config, ConfigFile, Context, checked_server
from nautes_cli.problems import ConfigError

RUNNER = CliRunner()
TOKEN = "glpat-canary-0123456789"
HERE, ELSEWHERE = "https://nautes.acme.example", "https://nautes.other.example"


@pytest.fixture
def config(tmp_path):
    return ConfigFile(tmp_path / "nautes" / "config.yaml")


def nautes(config, *arguments, **how):
    result = RUNNER.invoke(app, [*map(str, arguments), "--config", str(config.path)], **how)
    assert TOKEN not in result.output
    return result


def login(config, *arguments, token=TOKEN):
    return nautes(config, "login", "--no-check", "--token-stdin", *arguments, input=f"{token}\n")


def token_sent(config, **given):
    return connect(Access(config=config.path, **given))._token


def test_a_login_makes_a_context_with_a_token_that_only_its_owner_can_read(config):
    result = login(config, "-s", f"{HERE}/", "-p", "orchard")
    assert result.exit_code == 0, result.output
    assert config.load() == Config(
        current="default", contexts={"default": Context(server=HERE, product="orchard")}
    )
    assert TOKEN not in config.path.read_text()
    for path in (config.path, *(config.path.parent / "tokens").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((config.path.parent / "tokens").stat().st_mode) == 0o700
    api = connect(Access(config=config.path))
    assert (api.url, api.product, api._token) == (HERE, "orchard", TOKEN)


def test_a_token_is_asked_for_without_being_shown(config):
    result = nautes(config, "login", "--no-check", "-s", HERE, input=f"{TOKEN}\n")
    assert result.exit_code == 0, result.output
    assert config.token("default") == TOKEN


@pytest.mark.parametrize("token", ["", "two words", "bell\a"])
def test_what_is_no_token_is_refused(config, token):
    result = login(config, "-s", HERE, token=token)
    assert result.exit_code == 2
    assert not config.path.exists()


def test_a_stored_token_goes_to_its_own_server_only(config):
    login(config, "-s", HERE)
    assert token_sent(config, api_server=f"{HERE}/") == TOKEN
    result = nautes(config, "get", "products", "-s", ELSEWHERE)
    assert result.exit_code == 5
    assert f"not signed in to {ELSEWHERE}" in result.output
    api = connect(Access(config=config.path, api_server=ELSEWHERE, token="other"))
    assert (api._token, api.product) == ("other", "")


def test_a_new_address_of_a_context_does_not_get_its_old_token(config):
    login(config, "-s", HERE)
    assert "sign in again" in nautes(config, "context", "set", "default", "-s", ELSEWHERE).output
    assert config.token("default") is None


def test_a_given_token_comes_before_the_stored_one_and_a_file_before_it_too(config, tmp_path):
    login(config, "-s", HERE)
    (tmp_path / "token").write_text(" from-file \n")
    assert token_sent(config, token_file=tmp_path / "token") == "from-file"
    assert token_sent(config, token="given", token_file=tmp_path / "token") == "given"


def test_a_token_that_others_can_read_is_not_used(config):
    login(config, "-s", HERE)
    (config.path.parent / "tokens" / "default.token").chmod(0o640)
    result = nautes(config, "get", "products")
    assert result.exit_code == 2
    assert "can be read by others" in result.output


def test_contexts_are_made_used_listed_and_deleted(config):
    login(config, "-s", HERE, "--context", "acme")
    login(config, "-s", ELSEWHERE, "--context", "other", "-p", "cellar")
    assert config.load().current == "other"
    assert nautes(config, "context", "use", "acme").exit_code == 0
    rows = json.loads(nautes(config, "context", "list", "-o", "json").stdout)
    assert [(row["name"], row["current"], row["signedIn"]) for row in rows] == [
        ("acme", True, True), ("other", False, True),
    ]  # fmt: skip
    assert connect(Access(config=config.path, context="other")).url == ELSEWHERE
    assert nautes(config, "logout", "--context", "other").exit_code == 0
    assert config.token("other") is None
    assert nautes(config, "context", "delete", "acme").exit_code == 0
    assert config.load() == Config(contexts={"other": Context(server=ELSEWHERE, product="cellar")})
    result = nautes(config, "context", "use", "acme")
    assert (result.exit_code, "there are other" in result.output) == (2, True)


def test_options_may_stand_before_the_command_as_in_the_original(config):
    login(config, "-s", HERE, "--context", "acme")
    result = RUNNER.invoke(app, ["--config", str(config.path), "-s", ELSEWHERE, "get", "products"])
    assert (result.exit_code, f"not signed in to {ELSEWHERE}" in result.output) == (5, True)


def test_the_environment_variables_of_the_original_count(config):
    result = nautes(config, "get", "products", env={"API_SERVER": ELSEWHERE})
    assert f"not signed in to {ELSEWHERE}" in result.output
    result = nautes(config, "get", "envs", env={"API_SERVER": "http://127.0.0.1:1/x?y", "GIT_TOKEN": TOKEN})
    assert "no query" in result.output


def test_what_belongs_to_a_product_needs_one(config):
    login(config, "-s", HERE)
    result = nautes(config, "get", "envs")
    assert (result.exit_code, "give --product" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("acme.example", "is not an address"),
        ("ftp://acme.example", "is not an address"),
        ("https://me:glpat-canary@acme.example", "no user and no password"),
        ("https://acme.example/?token=x", "no query"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_password(config, url, words):
    with pytest.raises(ConfigError, match=words) as refused:
        checked_server(url)
    assert "glpat-canary" not in str(refused.value)
    result = nautes(config, "login", "--no-check", "-s", url, "--token-stdin", input="x\n")
    assert (result.exit_code, words in result.output) == (2, True)
    assert "glpat-canary" not in result.output


@pytest.mark.parametrize("text", ["contexts: [", "current: 3\n", "contexts: {a: {server: x}}\n", "a: 1\n"])
def test_a_broken_file_is_told_with_its_place(config, text):
    config.path.parent.mkdir()
    config.path.write_text(text)
    result = nautes(config, "get", "products")
    assert (result.exit_code, str(config.path) in result.output.replace("\n", "")) == (2, True)


def test_without_an_encrypted_connection_there_is_a_warning(config):
    login(config, "-s", "http://nautes.acme.example")
    result = nautes(config, "get", "envs")
    assert "everybody on the way can read your token" in result.output


def test_completion_is_written_for_each_shell():
    for shell in ("bash", "zsh", "fish"):
        result = RUNNER.invoke(app, ["completion", shell])
        assert (result.exit_code, "_NAUTES_COMPLETE" in result.stdout) == (0, True)


def test_every_command_is_there_and_says_what_its_exit_codes_are():
    commands = "login logout apply remove plan diff get delete history watch status trace lint schema demo completion"
    for command in commands.split():
        result = RUNNER.invoke(app, [command, "--help"])
        assert (result.exit_code, "Usage: nautes" in result.stdout) == (0, True), command
        assert "Exit codes:" in result.stdout, command
