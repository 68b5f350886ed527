"""`nautes login` and `nautes logout`: a token for a platform, kept so that nobody else can read it."""

import sys
from typing import Annotated

import typer

from nautes_cli.access import Access, accessing, config_file, explained
from nautes_cli.client import Api
from nautes_cli.console import ExitCode, fail, say

NAME = "default"
"""The context of the first platform, if nobody names it."""


@accessing
def login(
    access: Access,
    *,
    product: Annotated[
        str, typer.Option("--product", "-p", help="The product that is meant where none is named.")
    ] = "",
    from_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from standard input, as in a script.")
    ] = False,
    unchecked: Annotated[
        bool, typer.Option("--no-check", help="Store the token without asking the platform whose it is.")
    ] = False,
) -> None:
    """Sign in: check a token of the code host and keep it, with the address, as a context.

    The token is asked for and not shown, or read with --token-stdin or --token-file. It is kept in a file of its
    own that only you can read.
    """
    from nautes_cli.config import Config, Context, checked_server  # noqa: PLC0415 - slow to import

    file = config_file(access)
    with explained():
        config = file.load()
        name = access.context or (NAME if access.api_server else config.current) or NAME
        known = config.contexts.get(name)
        address = access.api_server or (known.server if known else "")
        if not address:
            fail("to which platform? give --api-server", ExitCode.USAGE)
        url = checked_server(address)
        ca_file = (access.ca_file.absolute() if access.ca_file else None) or (
            known.ca_file if known else None
        )
        token = _token(access, from_stdin=from_stdin)
        if not unchecked:
            api = Api(url, token, ca_file)
            say(f"signed in to {url} as {api.get('/me')['username']}")
            api.close()
        context = Context(server=url, ca_file=ca_file, product=product or (known.product if known else ""))
        changed = Config(current=name, contexts={**config.contexts, name: context})
        path = file.store_token(name, token)
        file.save(changed)
    say(f"context {name} is in use; its token is in {path}")


@accessing
def logout(access: Access) -> None:
    """Forget the token of a context; its address stays. The token itself stays valid: revoke it on the code host."""
    file = config_file(access)
    with explained():
        name = access.context or file.load().current
        if not name:
            fail("you are not signed in anywhere", ExitCode.NOT_SIGNED_IN)
        there = file.forget_token(name)
    say(f"the token of {name} is deleted" if there else f"there was no token of {name}")


def _token(access: Access, *, from_stdin: bool) -> str:
    if from_stdin:
        token = sys.stdin.readline().strip()
    elif access.token:
        token = access.token.strip()
    elif access.token_file:
        try:
            token = access.token_file.read_text().strip()
        except OSError as error:
            fail(f"{access.token_file}: {error.strerror}", ExitCode.USAGE)
    else:
        token = typer.prompt("Token of the code host", hide_input=True, err=True).strip()
    if not token or not token.isprintable() or " " in token:
        fail("that is no token: it is one word without spaces", ExitCode.USAGE)
    return token
