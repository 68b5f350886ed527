import pytest
from pydantic import ValidationError

from nautes_reconciler.settings import CodeHostSettings


@pytest.mark.parametrize(
    "url", ["", "ssh://git@127.0.0.1:2222", "ssh://git@gitlab.example", "ssh://forgejo@git-1.example:22"]
)
def test_an_ssh_address_is_user_host_and_port(url):
    assert CodeHostSettings(url="https://g", token_file="t", ssh_url=url).ssh_url == url


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
        CodeHostSettings(url="https://g", token_file="t", ssh_url=url)
