"""What a client may ask for over SSH, and nothing else; how the forge is known again."""

import string

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.forge.hooks.payloads import Place
from nautes_localstack.forge.records import Project
from nautes_localstack.forge.ssh import HostKey, kept_key
from nautes_localstack.forge.ssh.commands import LONGEST, Command, parse, protocol


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("git-upload-pack '/orchard/apple-deploy.git'", Command("orchard/apple-deploy", write=False)),
        ("git-upload-pack 'orchard/apple-deploy.git'", Command("orchard/apple-deploy", write=False)),
        ("git-upload-pack 'orchard/default.project'", Command("orchard/default.project", write=False)),
        ("git upload-pack 'a/b/c_d/'", Command("a/b/c_d", write=False)),
        ("git-receive-pack '/orchard/apple-deploy.git'", Command("orchard/apple-deploy", write=True)),
    ],
)
def test_git_is_understood(text, found):
    assert parse(text) == found
    assert found.service == ("receive-pack" if found.write else "upload-pack")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "git-upload-pack",
        "git-upload-pack 'a/b",
        "git-upload-pack 'a/b'\n",
        "git-upload-pack 'a/b'; id",
        "git-upload-pack 'a/../b'",
        "git-upload-pack '../a/b'",
        "git-upload-pack 'a//b'",
        "git-upload-pack '//a/b'",
        "git-upload-pack 'a/.b'",
        "git-upload-pack '-a/b'",
        "git-upload-pack 'a/b c'",
        "git-upload-pack 'a/b\\'c'",
        "git-upload-pack '~root/b'",
        "git-upload-pack 'ａ/b'",
        "git-upload-pack '7'",
        "git-upload-pack 'a/" + "b" * LONGEST + "'",
        "git-upload-archive 'a/b'",
        "git-shell 'a/b'",
        "GIT-UPLOAD-PACK 'a/b'",
        "/bin/git-upload-pack 'a/b'",
    ],
)
def test_everything_else_is_not(text):
    assert parse(text) is None


@given(st.text())
def test_whatever_is_in_the_quotes_is_a_path_of_plain_names_or_nothing(text):
    found = parse(f"git-upload-pack '{text}'")
    if found is not None:
        allowed = set(string.ascii_letters + string.digits + "._-/")
        assert set(found.project) <= allowed
        assert not {"", ".", ".."} & set(found.project.split("/"))


@pytest.mark.parametrize(
    ("value", "passed"), [("version=2", True), ("version=2:x=$(id)", False), (None, False)]
)
def test_only_the_protocols_version_is_passed_on(value, passed):
    assert protocol(value) == ({"GIT_PROTOCOL": value} if passed else {})


def test_the_host_key_is_made_once_and_nobody_else_reads_it(tmp_path):
    first = kept_key(tmp_path).known_host("git.example", 2222)
    assert kept_key(tmp_path).known_host("git.example", 2222) == first
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_usual_port_is_not_written():
    key = HostKey(asyncssh.generate_private_key("ssh-ed25519"))
    assert key.known_host("git.example", 22).startswith("git.example ssh-ed25519 AAAA")
    assert key.known_host("git.example", 2222).startswith("[git.example]:2222 ssh-ed25519 AAAA")
    assert "PRIVATE" not in repr(key)


@pytest.mark.parametrize(
    ("port", "url"),
    [(22, "git@git.example:a/b.git"), (2222, "ssh://git@git.example:2222/a/b.git")],
)
def test_addresses_are_written_as_gitlab_writes_them(port, url):
    project = Project.model_construct(full_path="a/b")
    assert Place(project, "A", "https://git.example:8443", port).ssh_url == url
